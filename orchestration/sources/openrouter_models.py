"""OpenRouter's model catalogue (`/api/v1/models`): list prices at the moment of the dump."""

from typing import Any

from orchestration.contracts.odcs import tables
from orchestration.sources.base import Dump, ParsedDump, Source, json_cells

_FIELDS = [f.source_name for f in tables("raw")["openrouter_models"].fields]


def _recognizes(dump: Dump) -> bool:
    if not dump.looks_like_json or not isinstance(dump.json, dict):
        return False
    data = dump.json.get("data")
    first = data[0] if isinstance(data, list) and data else None
    return isinstance(first, dict) and "pricing" in first


def _value(row: dict[str, Any], path: str) -> Any:
    """The value at a dotted path of the contract, None where it is absent, null or empty."""
    value: Any = row
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return None if value == "" else value


def _parse(dump: Dump) -> ParsedDump:
    parsed = ParsedDump("json/models", _FIELDS, [], [])
    for number, row in enumerate(dump.json_data(), start=1):
        known = row if isinstance(row, dict) else {}
        cells, wrong = json_cells(_FIELDS, [_value(known, f) for f in _FIELDS])
        if not isinstance(known.get("pricing"), dict):
            wrong = "an entry without `pricing`"
        if wrong:
            parsed.malformed[number] = wrong
        parsed.rows.append(tuple(cells))
        parsed.row_numbers.append(number)
    return parsed


SOURCE = Source(
    name="openrouter_models",
    contract="openrouter_models",
    kind="prices",
    license="facts",
    citation="Source: OpenRouter (openrouter.ai/models), as of {as_of}.",
    url="https://openrouter.ai/api/v1/models",
    layouts="JSON with `data`, a list of models with `pricing`",
    recognizes=_recognizes,
    parse=_parse,
)
