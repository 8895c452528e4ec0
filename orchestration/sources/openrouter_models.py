"""OpenRouter's model catalogue (`/api/v1/models`): list prices at the moment of the dump."""

import json
import re
from collections.abc import Iterator
from typing import Any

from orchestration.contracts.odcs import tables
from orchestration.sources.base import Dump, ParsedDump, Source, Unreadable, as_object, parse_json

_FIELDS = [f.source_name for f in tables("raw")["openrouter_models"].fields]
_OVERRIDES = "pricing.overrides"
_PRICES = {"prompt", "completion", "input_cache_read", "input_cache_write"}
_COUNT = re.compile(r"[0-9]{1,18}")
# The range of a price in the contract: up to 1 US dollar per token, at most 30 decimals.
_PRICE = re.compile(r"(0|1)(\.[0-9]{1,30})?|[0-9](\.[0-9]{1,12})?[eE]-[0-9]{1,2}")


def _recognizes(dump: Dump) -> bool:
    return "pricing" in dump.first_entry


def _value(row: dict[str, Any], path: str) -> Any:
    """The value at a dotted path of the contract, or None if it is absent, null or empty."""
    value: Any = row
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return None if value == "" else value


def _overrides_problem(overrides: Any) -> str | None:
    """What is unknown in `pricing.overrides`, or None if it has one of the two known shapes.

    Each entry applies either above a prompt length (`min_prompt_tokens`) or between two times of
    day (`utc_start` and `utc_end`, hours and minutes as one number: 1000 is 10:00), and states the
    prices that it changes. Both shapes were seen in the catalogues of August 2026.
    """
    if not isinstance(overrides, list):
        return f"a {type(overrides).__name__}"
    for entry in overrides:
        if not isinstance(entry, dict):
            return f"a list with a {type(entry).__name__}"
        if any(not isinstance(value, str) for value in entry.values()):
            return "a list with an entry whose values are not text or numbers"
        times = [entry[name] for name in ("utc_start", "utc_end") if name in entry]
        lengths = [entry["min_prompt_tokens"]] if "min_prompt_tokens" in entry else []
        known = all(map(_is_clock_time, times)) and all(map(_COUNT.fullmatch, lengths))
        if len(times) == len(lengths) or len(times) == 1 or not known:
            return f"a list with an entry by {', '.join(sorted(set(entry) - _PRICES)) or 'nothing'}"
        if not all(_PRICE.fullmatch(entry[name]) for name in _PRICES & entry.keys()):
            return "a list with an entry whose prices are not decimal numbers"
    return None


def _is_clock_time(text: str) -> bool:
    """Is the text a time of day: hours and minutes in one number, from 0 to 2400?"""
    known = re.fullmatch("[0-9]{1,4}", text) is not None
    return known and int(text) <= 2400 and int(text) % 100 < 60


def _entries(dump: Dump) -> Iterator[tuple[dict[str, object], str]]:
    for entry in dump.json_data():
        known, _ = as_object(entry)
        values = {f: _value(known, f) for f in _FIELDS}
        if (overrides := values[_OVERRIDES]) is not None:
            problem = _overrides_problem(overrides)
            # A nested list is passed on as JSON text
            values[_OVERRIDES] = Unreadable(problem) if problem else json.dumps(overrides)
        priced = isinstance(known.get("pricing"), dict)
        yield values, "" if priced else "an entry without `pricing`"


def _parse(dump: Dump) -> ParsedDump:
    return parse_json("json/models", _FIELDS, _entries(dump))


SOURCE = Source(
    name="openrouter_models",
    kind="prices",
    license="facts",
    citation="Source: OpenRouter (openrouter.ai/models), as of {as_of}.",
    url="https://openrouter.ai/api/v1/models",
    layouts="JSON with `data`, a list of models with `pricing`",
    recognizes=_recognizes,
    parse=_parse,
)
