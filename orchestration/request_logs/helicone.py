"""`helicone`: requests that the exporter of Helicone writes, as CSV, JSON lines or JSON.

The CSV has 12 columns, the others the fields of its API
(Helicone/helicone: examples/export/typescript, valhalla/jawn/src/lib/stores/request/request.ts).
The exporter pages through a list that grows meanwhile, so requests repeat. It escapes JSON in CSV
cells twice, and may leave a comma after the last object of a JSON file. Its API has no field
`model`, so that column of the CSV is empty; then the model is that of the request's body.
"""

from orchestration.request_logs.base import Head, RequestLog, read_csv, read_json
from orchestration.tables import sql_name

_NEEDED = ("request_created_at", "response_status", "prompt_tokens", "completion_tokens")

# The columns of the contract with their names in the files; of several, the first that says
# something. A request without a response has no response_id.
_COLUMNS = {
    "request_id": ("response_id", "request_id"),
    "request_created_at": ("request_created_at",),
    "response_status": ("response_status",),
    "model": ("model", "model_override", "response_model", "request_model"),
    "provider": ("provider",),
    "prompt_tokens": ("prompt_tokens",),
    "prompt_cache_read_tokens": ("prompt_cache_read_tokens",),
    "prompt_cache_write_tokens": ("prompt_cache_write_tokens",),
    "prompt_audio_tokens": ("prompt_audio_tokens",),
    "completion_tokens": ("completion_tokens",),
    "completion_audio_tokens": ("completion_audio_tokens",),
    "reasoning_tokens": ("reasoning_tokens",),
    "cost": ("cost", "costUSD"),
}
_CACHE = "cache_reference_id"
_NOT_FROM_CACHE = "00000000-0000-0000-0000-000000000000"
_NAMES = (*(name for names in _COLUMNS.values() for name in names), _CACHE)


def _recognizes(head: Head) -> str:
    is_export = head.has(*_NEEDED) and (head.has("response_id") or head.has("request_id"))
    return f"{head.kind}/requests" if is_export and head.kind != "parquet" else ""


def _rows(head: Head) -> str:
    if head.kind == "csv":
        held = {name: sql_name(name) for name in _NAMES if name in head.columns}
        source = read_csv(head)
    elif head.kind == "json_lines":
        held = {name: sql_name(name) for name in _NAMES}
        source = read_json(head, dict.fromkeys(_NAMES, "VARCHAR"))
    else:
        held = {name: f"request.{sql_name(name)}" for name in _NAMES}
        fields = ", ".join(f"{sql_name(name)} VARCHAR" for name in _NAMES)
        document = read_json(head, {"requests": f"STRUCT({fields})[]"}, is_one_value=True)
        source = f"(select unnest(requests) as request from {document})"
    columns = []
    for column, names in _COLUMNS.items():
        said = [f"nullif({held[name]}, '')" for name in names if name in held]
        if column == "model" and head.has("request_body") and head.kind == "csv":
            said += [f"json_extract_string({body}, '$.model')" for body in _BODIES]
        columns.append(f"coalesce({', '.join((*said, 'cast(null as varchar)'))}) as {column}")
    cache = held.get(_CACHE, "null")
    columns.append(f"nullif({cache}, '') <> '{_NOT_FROM_CACHE}' as is_cached")
    return f"select {', '.join(columns)} from {source}"


# The body of a request as JSON, if it was escaped once, or twice.
_BODIES = (
    "try_cast(request_body as json)",
    """try_cast(replace(request_body, '""', '"') as json)""",
)

LOG = RequestLog(
    name="helicone",
    title="Requests that the exporter of Helicone writes",
    layouts=(
        "an export of Helicone (CSV, JSON lines, or JSON of at most 512 MiB) with at least the "
        f"columns {', '.join(_NEEDED)}, and response_id or request_id"
    ),
    recognizes=_recognizes,
    rows=_rows,
    signature=_NEEDED,
)
