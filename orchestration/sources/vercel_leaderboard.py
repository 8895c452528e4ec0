"""Vercel's AI Gateway leaderboard (`/api/ai/leaderboard-export`): daily shares of labs and models.

Two layouts, each plain or gzip: the API's JSON, which names its data set, and a collector's files
of single days, which state when they were fetched and name their data set only by `group`. CSV is
not supported.
"""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from orchestration.contracts.odcs import tables
from orchestration.errors import RefusedDumpError, quoted
from orchestration.sources.base import Dump, ParsedDump, Source, as_object, parse_json, parse_time

_FIELDS = [f.source_name for f in tables("raw")["vercel_leaderboard"].fields]
_LICENSE = "CC-BY-4.0"
_COLLECTOR = "vercel-ai-gateway-leaderboard"
_DATASETS = ("labs", "models")
# Seen as `group` in files that do not name their data set.
_DATASET_OF_GROUP = {"model": "models"}
# The source rounds: its shares of a day add up to 100 within 0.0002.
_SUM_TOLERANCE = Decimal("0.001")


def _recognizes(dump: Dump) -> bool:
    document = dump.json if dump.looks_like_json else None
    if not isinstance(document, dict) or not isinstance(document.get("rows"), list):
        return False
    exported = str(document.get("license_url")).startswith("https://creativecommons.org/")
    return document.get("source") == _COLLECTOR or ("dataset" in document and exported)


def _percent(value: object) -> Decimal | None:
    """A share as a number, or None if it is not a number, which the contract reports."""
    try:
        number = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


def _off_by(rows: list[dict[str, Any]]) -> dict[tuple[object, ...], str]:
    """What is wrong with each day, by group, modality and metric, whose shares do not add up to
    100."""
    sums: dict[tuple[object, ...], Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[_group(row)] += _percent(row.get("share_percent")) or 0
    return {
        group: f"one of the shares of its day and metric, which add up to {total} instead of 100"
        for group, total in sums.items()
        if abs(total - 100) > _SUM_TOLERANCE
    }


def _group(row: dict[str, Any]) -> tuple[object, ...]:
    return tuple(str(row.get(name)) for name in ("group", "date", "modality", "metric"))


def _entries(document: dict[str, Any]) -> Iterator[tuple[dict[str, object], str]]:
    entries = list(map(as_object, document["rows"]))
    off = _off_by([row for row, _ in entries])
    for row, wrong in entries:
        group = row.get("group")
        dataset = document.get("dataset") or _DATASET_OF_GROUP.get(str(group))
        unknown = "" if dataset else f"of the group {quoted(group)}, expected 'model'"
        yield {**row, "dataset": dataset}, wrong or unknown or off.get(_group(row), "")


def _parse(dump: Dump) -> ParsedDump:
    if not dump.looks_like_json:
        raise RefusedDumpError(
            f"{dump.name}: is not JSON; fetch it without format=csv, because the last line of the "
            "CSV is not a row"
        )
    document = dump.json
    if not isinstance(document, dict) or not isinstance(document.get("rows"), list):
        raise RefusedDumpError(f"{dump.name}: expected a JSON object with a list `rows`")
    if document.get("license") != _LICENSE:
        raise RefusedDumpError(
            f"{dump.name}: license is {quoted(document.get('license'))}; expected {_LICENSE!r}, "
            "which the citation states"
        )
    is_collected = document.get("source") == _COLLECTOR
    if not is_collected and document.get("dataset") not in _DATASETS:
        raise RefusedDumpError(
            f"{dump.name}: dataset is {quoted(document.get('dataset'))}; expected 'labs' or "
            "'models', because others have neither days nor shares"
        )
    dump.limits.check(dump.name, "max_dump_rows", len(document["rows"]), "rows")
    stated: dict[str, Any] = {}
    if is_collected:
        stated["as_of"] = parse_time(document.get("fetched_at"), f"{dump.name}: fetched_at")
    if "from" in document and "to" in document:
        stated["window"] = tuple(
            parse_time(document[name], f"{dump.name}: {name}").date() for name in ("from", "to")
        )
    layout = "json/collector" if is_collected else "json/api"
    return parse_json(layout, _FIELDS, _entries(document), **stated)


SOURCE = Source(
    name="vercel_leaderboard",
    kind="gateway_shares",
    license="CC BY 4.0",
    citation=(
        '© 2026 Vercel. "AI Gateway Leaderboard Data", as of {as_of}. Licensed under CC BY 4.0.'
    ),
    url="https://vercel.com/api/ai/leaderboard-export",
    layouts="JSON with `dataset` (labs or models), `license` and `rows` with `share_percent`",
    recognizes=_recognizes,
    parse=_parse,
)
