"""OpenRouter app-rankings: tokens and requests of the apps that identify themselves, by window.

Two layouts, each plain or gzip: the API's JSON with `meta`, and an archive of many answers in one
CSV. An answer does not state which sort, category or page was requested. So an answer is refused if
its rows are evidently not the first ones in order of tokens.
"""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from orchestration.contracts.odcs import tables
from orchestration.errors import RefusedDumpError
from orchestration.sources.base import (
    Dump,
    ParsedDump,
    Source,
    as_object,
    parse_csv,
    parse_json,
    parse_time,
)

_CONTRACT = tables("raw")["openrouter_app_rankings"]
_CSV_LAYOUTS: dict[str, list[str]] = _CONTRACT.properties["csvLayouts"]
_JSON_FIELDS: list[str] = _CONTRACT.properties["jsonFields"]
_FIELDS = [f.source_name for f in _CONTRACT.fields]
_FIRST_DAY = str(next(f.minimum for f in _CONTRACT.fields if f.source_name == "start_date"))
# The list that an API answer is assumed to be; answers do not repeat their parameters.
_JSON_LIST = "popular"
_TIME = re.compile(next(f.pattern or "" for f in _CONTRACT.fields if f.source_name == "fetched_at"))
# All of 7,660 archived rows were fetched 1 to 50 seconds after they were made.
_MAX_FETCH_DELAY = timedelta(days=1)


def _recognizes(dump: Dump) -> bool:
    if dump.looks_like_json:
        return "app_id" in dump.first_entry
    return "app_id" in dump.first_line.split(",")


def _utc_text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(row: dict[str, Any], name: str) -> int | None:
    value = row.get(name)
    if not (isinstance(value, str) and value.isascii() and value.isdigit()):
        return None
    # Python refuses integers of thousands of digits; the contract quarantines large numbers.
    return int(value) if len(value) < 39 else None


def _check_order(dump: Dump, data: list[Any]) -> None:
    """Raise RefusedDumpError if the rows are not the first ones in order of tokens."""
    ranked = sorted(
        (rank, tokens)
        for row in data
        if isinstance(row, dict)
        for rank, tokens in [(_number(row, "rank"), _number(row, "total_tokens"))]
        if rank is not None and tokens is not None
    )
    if ranked and ranked[0][0] > 1:
        raise RefusedDumpError(
            f"{dump.name}: begins at rank {ranked[0][0]}; expected the list from rank 1 on; "
            "fetch it without `offset`"
        )
    for (_, above), (rank, tokens) in pairwise(ranked):
        if tokens > above:
            raise RefusedDumpError(
                f"{dump.name}: rank {rank} has {tokens} tokens, more than the {above} above it; "
                "expected an answer with sort=popular, but this one looks like sort=trending"
            )


def _parse_json(dump: Dump) -> ParsedDump:
    data = dump.json_data()
    as_of, (start, end) = dump.json_meta()
    if start > end:
        raise RefusedDumpError(f"{dump.name}: meta.start_date {start} is after meta.end_date {end}")
    _check_order(dump, data)
    said = {
        "fetched_at": _utc_text(as_of),
        "list": _JSON_LIST,
        "meta_as_of": _utc_text(as_of),
        "start_date": start.isoformat(),
        "end_date": end.isoformat(),
    }
    entries = (
        ({**said, **{f: known.get(f) for f in _JSON_FIELDS}}, wrong)
        for known, wrong in map(as_object, data)
    )
    return parse_json("json/api", _FIELDS, entries, as_of=as_of, window=(start, end))


def _impossible_time(dump: Dump, made: str, fetched: str) -> str:
    """What is wrong with the times of an archived answer, or "" if nothing is."""
    try:
        time = parse_time(made, dump.name)
    except RefusedDumpError:
        return "meta_as_of is not a time"
    if dump.not_after and time > dump.not_after:
        return "meta_as_of is in the future"
    if time.date().isoformat() < _FIRST_DAY:
        return f"meta_as_of is before {_FIRST_DAY}, the first day of the data"
    if _TIME.fullmatch(fetched):
        try:
            delay = parse_time(fetched, dump.name) - time
        except RefusedDumpError:
            return "fetched_at is not a time"
        if abs(delay) > _MAX_FETCH_DELAY:
            return "fetched_at is more than a day from meta_as_of"
    return ""


def _parse_archive(dump: Dump) -> ParsedDump:
    parsed = parse_csv(dump, _CSV_LAYOUTS, _FIELDS)
    start, end, made, fetched = (
        _FIELDS.index(f) for f in ("start_date", "end_date", "meta_as_of", "fetched_at")
    )
    newest: datetime | None = None
    for number, row in zip(parsed.row_numbers, parsed.rows, strict=True):
        # ISO dates compare as text; the contract quarantines what is not a date.
        if (row[start] or "") > (row[end] or "~"):
            parsed.malformed.setdefault(number, "start_date is after end_date")
        if not row[made]:
            continue
        if wrong := _impossible_time(dump, row[made] or "", row[fetched] or ""):
            parsed.malformed.setdefault(number, wrong)
            continue
        time = parse_time(row[made], dump.name)
        newest = max(newest or time, time)
    # The as_of of an archive is that of its newest answer.
    return replace(parsed, as_of=newest)


def _parse(dump: Dump) -> ParsedDump:
    if dump.looks_like_json or ".json" in dump.name:
        return _parse_json(dump)
    return _parse_archive(dump)


SOURCE = Source(
    name="openrouter_app_rankings",
    kind="apps",
    license="CC BY 4.0",
    citation=(
        "Source: OpenRouter (openrouter.ai/rankings), as of {as_of}. Licensed under CC BY 4.0."
    ),
    url="https://openrouter.ai/api/v1/datasets/app-rankings",
    layouts=(
        "JSON with `data` (apps with `app_id`) and `meta`, or CSV with the columns "
        + " or ".join(",".join(c) for c in _CSV_LAYOUTS.values())
    ),
    recognizes=_recognizes,
    parse=_parse,
)
