"""OpenRouter rankings-daily: tokens by day and model.

Three layouts, each plain or gzip: the API's JSON with `meta`; the keyless export (CSV, five
columns, CRLF); the three-column CSV of archived pulls.
"""

from orchestration.contracts.odcs import tables
from orchestration.errors import RefusedDumpError, quoted
from orchestration.sources.base import Dump, ParsedDump, Source, as_object, parse_csv, parse_json

_CONTRACT = tables("raw")["openrouter_rankings"]
_CSV_LAYOUTS: dict[str, list[str]] = _CONTRACT.properties["csvLayouts"]
_FIELDS = [f.source_name for f in _CONTRACT.fields]


def _recognizes(dump: Dump) -> bool:
    if dump.looks_like_json:
        return _is_twin(dump) or "model_permaslug" in dump.first_entry
    return "model_permaslug" in dump.first_line[:60]


def _is_twin(dump: Dump) -> bool:
    """Is it the JSON form of the keyless export? It is known from a description only."""
    document = dump.json
    return (
        isinstance(document, dict)
        and document.get("dataset") == "rankings-daily"
        and isinstance(document.get("rows"), list)
    )


def _parse_json(dump: Dump) -> ParsedDump:
    if _is_twin(dump):
        day = quoted(dump.json.get("snapshot_date"))
        raise RefusedDumpError(
            f"{dump.name}: is the JSON form of the keyless export of rankings-daily (snapshot "
            f"{day}), which is not supported; land the CSV of the same snapshot, which has the "
            "same rows, with its manifest beside it"
        )
    data = dump.json_data()
    as_of, window = dump.json_meta()
    return parse_json("json/api", _FIELDS, map(as_object, data), as_of=as_of, window=window)


def _parse(dump: Dump) -> ParsedDump:
    if dump.looks_like_json or ".json" in dump.name:
        return _parse_json(dump)
    return parse_csv(dump, _CSV_LAYOUTS, _FIELDS)


SOURCE = Source(
    name="openrouter_rankings",
    kind="usage",
    license="CC BY 4.0",
    citation=(
        "Source: OpenRouter (openrouter.ai/rankings), as of {as_of}. Licensed under CC BY 4.0."
    ),
    url="https://openrouter.ai/api/v1/datasets/rankings-daily",
    layouts=(
        "JSON with `data` and `meta`, or CSV with the columns "
        + " or ".join(",".join(c) for c in _CSV_LAYOUTS.values())
    ),
    recognizes=_recognizes,
    parse=_parse,
    has_manifest=True,
)
