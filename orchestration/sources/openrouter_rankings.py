"""OpenRouter rankings-daily: tokens by day and model.

Three layouts, each plain or gzip: the API's JSON with `meta`; the keyless export (CSV, five
columns, CRLF); the three-column CSV of archived pulls.
"""

from orchestration.contracts.odcs import tables
from orchestration.errors import RefusedDumpError, quoted
from orchestration.sources.base import Dump, ParsedDump, Source, json_cells, parse_csv, parse_time

_CONTRACT = tables("raw")["openrouter_rankings"]
_CSV_LAYOUTS: dict[str, list[str]] = _CONTRACT.properties["csvLayouts"]
_FIELDS = [f.source_name for f in _CONTRACT.fields]
_SUPPORTED_VERSION = "v1"


def _recognizes(dump: Dump) -> bool:
    if dump.looks_like_json:
        if _is_twin(dump):
            return True
        data = dump.json.get("data") if isinstance(dump.json, dict) else None
        first = data[0] if isinstance(data, list) and data else None
        return isinstance(first, dict) and "model_permaslug" in first
    return "model_permaslug" in dump.first_line[:60]


def _is_twin(dump: Dump) -> bool:
    """Is it the JSON twin of the keyless export? Known from a description; no real one was seen."""
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
            f"{dump.name}: is the JSON twin of the keyless export of rankings-daily (snapshot "
            f"{day}), which is not read; land the CSV of the same snapshot with its manifest "
            "beside it: it holds the same rows"
        )
    data = dump.json_data()
    meta = dump.json.get("meta")
    if not isinstance(meta, dict):
        raise RefusedDumpError(
            f"{dump.name}: has no `meta`; expected the API's answer with its as_of and version"
        )
    if meta.get("version") != _SUPPORTED_VERSION:
        raise RefusedDumpError(
            f"{dump.name}: meta.version is {quoted(meta.get('version'))}; "
            f"expected {_SUPPORTED_VERSION!r}"
        )
    as_of = parse_time(meta.get("as_of"), f"{dump.name}: meta.as_of")
    window = (
        parse_time(meta.get("start_date"), f"{dump.name}: meta.start_date").date(),
        parse_time(meta.get("end_date"), f"{dump.name}: meta.end_date").date(),
    )
    parsed = ParsedDump("json/api", _FIELDS, [], [], {}, as_of, window)
    for number, row in enumerate(data, start=1):
        known = row if isinstance(row, dict) else {}
        cells, unreadable = json_cells(_FIELDS, [known.get(f) for f in _FIELDS])
        if row is not known:
            parsed.malformed[number] = f"a {type(row).__name__}"
        if unreadable:
            parsed.unreadable[number] = unreadable
        parsed.rows.append(tuple(cells))
        parsed.row_numbers.append(number)
    return parsed


def _parse(dump: Dump) -> ParsedDump:
    if dump.looks_like_json or ".json" in dump.name:
        return _parse_json(dump)
    return parse_csv(dump, _CSV_LAYOUTS, _FIELDS)


SOURCE = Source(
    name="openrouter_rankings",
    contract="openrouter_rankings",
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
)
