"""`litellm_spendlogs`: requests of a LiteLLM proxy, from its table "LiteLLM_SpendLogs" or from what
its S3 and GCS loggers write (StandardLoggingPayload).

Layouts and names: schema.prisma and proxy/spend_tracking in BerriAI/litellm, and a pg_dump of a
real proxy. Of `metadata` and `response` only the counts of tokens at the paths below are read.
"""

from collections.abc import Callable, Mapping

from orchestration.contracts.odcs import tables
from orchestration.request_logs.base import Head, RequestLog, read_copy, read_csv, read_json
from orchestration.tables import parquet, sql_name, sql_text

NAME = "litellm_spendlogs"
TABLE = "LiteLLM_SpendLogs"

_SIGNATURE = ("request_id", "call_type", "startTime", "model", "prompt_tokens", "completion_tokens")
_PAYLOAD = ("id", "call_type", "startTime", "model", "response_cost", "prompt_tokens")
_NAMES_IN_PAYLOAD = {"request_id": "id", "spend": "response_cost"}

# Where a usage object has what no column has. Versions of LiteLLM and kinds of call differ; a 0 at
# one place does not say that there is nothing at another.
USAGE = {
    "cache_read_tokens": (
        "cache_read_input_tokens",
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
    ),
    "cache_write_tokens": (
        "cache_creation_input_tokens",
        "prompt_tokens_details.cache_creation_tokens",
    ),
    "reasoning_tokens": (
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
    ),
}
# Where the usage objects are, by column: in the table, and in the payload.
IN_TABLE = {"metadata": ("usage_object", "additional_usage_values")}
_IN_PAYLOAD = {"metadata": ("usage_object",), "response": ("usage",)}


def first_count(
    field: str, objects: Mapping[str, tuple[str, ...]], at: Callable[[str, str], str]
) -> str:
    """SQL for the first count of a field of `USAGE` that is not 0, as text, or NULL.

    `at` returns SQL for the text at a path, such as `a.b`, in a column.
    """
    found = [
        f"nullif({at(column, f'{name}.{path}')}, '0')"
        for column, names in objects.items()
        for name in names
        for path in USAGE[field]
    ]
    return f"coalesce({', '.join(found)})"


def _is_payload(head: Head) -> bool:
    return head.has(*_PAYLOAD) and not head.has("request_id")


def _recognizes(head: Head) -> str:
    if head.kind in ("json", "json_lines") and _is_payload(head):
        return f"{head.kind}/standard_logging_payload"
    return f"{head.kind}/spendlogs" if head.has(*_SIGNATURE) else ""


def _json_text(column: str, path: str) -> str:
    return f"json_extract_string({column}, {sql_text(f'$.{path}')})"


def _rows(head: Head) -> str:
    payload = _is_payload(head)
    objects = _IN_PAYLOAD if payload else IN_TABLE
    fields = [f.source_name for f in tables("raw")[NAME].fields]
    named = {name: _NAMES_IN_PAYLOAD.get(name, name) if payload else name for name in fields}
    wanted = [*named.values(), *objects]
    if head.kind == "csv":
        source, held = read_csv(head), set(head.columns)
    elif head.kind == "copy":
        source, held = read_copy(head, TABLE), set(head.columns)
    elif head.kind == "parquet":
        source, held = parquet(head.path), set(head.columns)
    else:
        # Of JSON objects only the first was seen; a later one may have more fields.
        source, held = read_json(head, dict.fromkeys(wanted, "VARCHAR")), set(wanted)
    # Some layouts cannot tell an empty text from none.
    texts = ", ".join(
        f"nullif(cast({sql_name(name) if name in held else 'null'} as varchar), '') "
        f"as {sql_name(name)}"
        for name in wanted
    )
    # A cell that is not JSON has no counts.
    valid = ", ".join(
        f"case when json_valid({column}) then {column} end as {column}" for column in objects
    )
    read = f"select * replace ({valid}) from (select {texts} from {source})"
    selected = {name: sql_name(there) for name, there in named.items()}
    for field in USAGE:
        count = first_count(field, objects, _json_text)
        selected[field] = f"coalesce({sql_name(field)}, {count})"
    # Failures are in `metadata` alone before the table had the column.
    selected["status"] = f"coalesce(status, {_json_text('metadata', 'status')})"
    selected["startTime"] = (
        """case when regexp_full_match("startTime", '[0-9]{9,11}([.][0-9]+)?') """
        """then cast(to_timestamp(cast("startTime" as double)) as varchar) else "startTime" end"""
    )
    columns = ", ".join(f"{value} as {sql_name(name)}" for name, value in selected.items())
    return f"select {columns} from ({read})"


LOG = RequestLog(
    name=NAME,
    title="Requests of a LiteLLM proxy",
    layouts=(
        f'rows of "{TABLE}" with their column names (CSV, JSON, JSON lines, Parquet, or a pg_dump '
        "of this table alone), or StandardLoggingPayload objects (JSON, JSON lines)"
    ),
    recognizes=_recognizes,
    rows=_rows,
    signature=_SIGNATURE,
)
