"""OpenRouter's task classifications (`/api/v1/classifications/task`): what requests are used for.

One entry of the answer becomes one row for the tag and one for each model listed under it; macro
categories are rows too. Shares are rounded: to three decimals in the answer of 2026-09-21.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from itertools import starmap
from typing import Any

from orchestration.contracts.odcs import tables
from orchestration.errors import RefusedDumpError, quoted
from orchestration.sources.base import Dump, ParsedDump, Source, as_object, parse_json, parse_time

_CONTRACT = tables("raw")["openrouter_task_classifications"]
_FIELDS = [f.source_name for f in _CONTRACT.fields]
# The fields that an entry must have, by kind; if one is missing, the format has changed.
_STATED: dict[str, list[str]] = _CONTRACT.properties["statedFields"]


def _recognizes(dump: Dump) -> bool:
    if not dump.looks_like_json or not isinstance(dump.json, dict):
        return False
    data = dump.json.get("data")
    return isinstance(data, dict) and "classifications" in data


def _list(dump: Dump, data: dict[str, Any], name: str) -> list[Any]:
    if not isinstance(data.get(name), list):
        raise RefusedDumpError(
            f"{dump.name}: field `data.{name}` is {type(data.get(name)).__name__}; expected a list"
        )
    return list(data[name])


def _entries(dump: Dump, data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """(kind, fields, what is wrong) for every tag, model and macro category, in file order."""
    for item in _list(dump, data, "classifications"):
        if not isinstance(item, dict):
            yield "tag", {}, f"a {type(item).__name__}"
            continue
        models = item.get("models")
        wrong = "" if isinstance(models, list) else "an entry without a list `models`"
        yield "tag", item, wrong
        for known, wrong in map(as_object, models if isinstance(models, list) else []):
            yield "model", {**known, "tag": item.get("tag")}, wrong
    for item in _list(dump, data, "macro_categories"):
        known, wrong = as_object(item)
        yield "macro_category", {**known, "tag": known.get("key")}, wrong


def _decimals(number: Any) -> int:
    """The number of decimals of a number in the answer, or 0 if it is not a plain number."""
    try:
        exponent = Decimal(number).as_tuple().exponent if isinstance(number, str) else 0
    except InvalidOperation:
        return 0
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _rounding(entries: Iterable[tuple[str, dict[str, Any], str]]) -> str:
    """Half a unit of the last decimal of the longest share in the answer, as decimal text.

    The answer writes 0.06 for 0.060, so only the longest share shows how all were rounded.
    """
    shares = [f.name for f in _CONTRACT.fields if f.logical_type == "number"]
    decimals = max((_decimals(e.get(s)) for _, e, _ in entries for s in shares), default=0)
    # The decimal type of the contract cannot tell anything smaller from 0.
    return f"{Decimal(5).scaleb(-decimals - 1):f}" if decimals < 18 else "0"


def _parse(dump: Dump) -> ParsedDump:
    document = dump.json
    if not isinstance(document, dict) or not isinstance(document.get("data"), dict):
        # If it is an API error, or has no `data`, json_data raises the usual error.
        dump.json_data()
        raise RefusedDumpError(f"{dump.name}: field `data` is a list; expected an object")
    data = document["data"]
    where = f"{dump.name}: data.as_of"
    window_end = parse_time(data.get("as_of"), where).date()
    days = str(data.get("window_days"))
    if not (days.isascii() and days.isdigit() and len(days) < 4 and 1 <= int(days) <= 366):
        raise RefusedDumpError(
            f"{dump.name}: data.window_days is {quoted(data.get('window_days'))}; expected a "
            "number of days from 1 to 366"
        )
    try:
        window_start = window_end - timedelta(days=int(days) - 1)
        # `as_of` is the last day of the window: the answer was made when that day was over.
        made = datetime.combine(window_end + timedelta(days=1), time(), UTC)
    except OverflowError as error:
        raise RefusedDumpError(
            f"{where}: {window_end} is too far from today; expected a day of the data"
        ) from error
    entries = list(_entries(dump, data))
    said = {
        "window_start": window_start.isoformat(),
        "window_end": window_end.isoformat(),
        "share_rounding": _rounding(entries),
    }

    def read(kind: str, fields: dict[str, Any], wrong: str) -> tuple[dict[str, object], str]:
        stated = {f: fields.get(f) for f in _STATED[kind]}
        missing = [f for f, value in stated.items() if value is None]
        wrong = wrong or (f"a {kind} without {missing[0]}" if missing else "")
        return {**stated, **said, "kind": kind}, wrong

    return parse_json(
        "json/task", _FIELDS, starmap(read, entries), as_of=made, cited_as_of=f"{window_end}"
    )


SOURCE = Source(
    name="openrouter_task_classifications",
    kind="tasks",
    license="CC BY 4.0",
    citation=(
        "Source: OpenRouter (openrouter.ai/rankings), as of {as_of}. Licensed under CC BY 4.0."
    ),
    url="https://openrouter.ai/api/v1/classifications/task",
    layouts="JSON with `data`, an object with `classifications` and `macro_categories`",
    recognizes=_recognizes,
    parse=_parse,
)
