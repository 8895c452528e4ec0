"""OpenRouter's providers (`/api/v1/providers`): who serves, and where that company sits."""

from typing import Any

from orchestration.contracts.odcs import tables
from orchestration.sources.base import Dump, ParsedDump, Source, json_cells

_FIELDS = [f.source_name for f in tables("raw")["openrouter_providers"].fields]


def _recognizes(dump: Dump) -> bool:
    if not dump.looks_like_json or not isinstance(dump.json, dict):
        return False
    data = dump.json.get("data")
    first = data[0] if isinstance(data, list) and data else None
    return isinstance(first, dict) and {"slug", "headquarters"} <= first.keys()


def _value(row: dict[str, Any], name: str) -> Any:
    """The value of a field, None where it is absent, null or empty; a list of codes as text."""
    value = row.get(name)
    if name == "datacenters" and isinstance(value, list) and all(isinstance(v, str) for v in value):
        value = ",".join(value)
    return None if value == "" else value


def _parse(dump: Dump) -> ParsedDump:
    parsed = ParsedDump("json/providers", _FIELDS, [], [])
    for number, row in enumerate(dump.json_data(), start=1):
        known = row if isinstance(row, dict) else {}
        cells, unreadable = json_cells(_FIELDS, [_value(known, f) for f in _FIELDS])
        # null says that it is not known; a missing field says that the format has changed.
        if "headquarters" not in known:
            parsed.malformed[number] = "an entry without `headquarters`"
        if unreadable:
            parsed.unreadable[number] = unreadable
        parsed.rows.append(tuple(cells))
        parsed.row_numbers.append(number)
    return parsed


SOURCE = Source(
    name="openrouter_providers",
    contract="openrouter_providers",
    kind="providers",
    license="facts",
    citation="Source: OpenRouter (openrouter.ai/providers), as of {as_of}.",
    url="https://openrouter.ai/api/v1/providers",
    layouts="JSON with `data`, a list of providers with `slug` and `headquarters`",
    recognizes=_recognizes,
    parse=_parse,
)
