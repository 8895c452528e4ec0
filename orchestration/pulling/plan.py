"""What a pull asks for besides the rankings, in order of value: first what a mart reads, then what
is only archived; old months of Vercel, which do not go away, before the many endpoints."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.landing.store import DumpRecord
from orchestration.pulling.night import openrouter, vercel
from orchestration.settings import PRIMARY_SOURCE, Settings
from orchestration.sources.kept import kept

_VERCEL_SOURCE = "vercel_leaderboard"
_VERCEL_FIRST_DAY = date(2025, 10, 1)
# An answer may be 24 hours old when it is fetched, and the day on which it was made was live.
_VERCEL_SETTLED_AFTER = timedelta(days=2)
_MOST_USED = 50
# The two parts of a slug become a part of an address: plain characters, no `.` at the beginning.
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FACTS = "facts"
_CC_BY = "CC BY 4.0"
_CITED = "citation required"


@dataclass(frozen=True)
class Ask:
    """One answer to ask for; several have the same `name`.

    With a `source` it is landed as its dump, without one it is archived under `name` with this
    `license` and `citation`, which has {as_of}.
    """

    name: str
    url: str
    source: str | None = None
    needs_key: bool = False
    license: str = _FACTS
    citation: str = ""


def _cite(page: str) -> str:
    return f"Source: OpenRouter (openrouter.ai/{page}), as of {{as_of}}."


def _month_ends(first: date) -> date:
    after = (first.replace(day=28) + timedelta(days=4)).replace(day=1)
    return after - timedelta(days=1)


def _months(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The first and last day of each month from `first` to `last`, the newest first; the newest
    month ends with `last`."""
    start = last.replace(day=1)
    while start >= first:
        yield start, min(_month_ends(start), last)
        start = (start - timedelta(days=1)).replace(day=1)


def vercel_months(records: Sequence[DumpRecord], now: datetime, settings: Settings) -> list[Ask]:
    """The months of Vercel's leaderboard that are not landed yet, or were landed before they were
    over; the newest first. The running day is live and never asked for."""
    settled = set()
    for record in records:
        if record.source == _VERCEL_SOURCE:
            asked = parse_qs(urlsplit(record.url).query)
            dataset, start, end = (asked.get(n, [""])[0] for n in ("dataset", "from", "to"))
            if end and record.pulled_at.date() >= date.fromisoformat(end) + _VERCEL_SETTLED_AFTER:
                settled.add((dataset, start, end))
    return [
        Ask("vercel leaderboard", f"{vercel(settings)}/leaderboard-export?{query}",
            _VERCEL_SOURCE)
        for start, end in _months(_VERCEL_FIRST_DAY, now.date() - timedelta(days=1))
        for dataset in ("labs", "models")
        if (dataset, f"{start}", f"{end}") not in settled
        for query in [urlencode({"dataset": dataset, "modality": "text", "from": start, "to": end})]
    ]  # fmt: skip


def most_used(records: Sequence[DumpRecord], settings: Settings) -> tuple[list[str], list[str]]:
    """The most used models of the newest landed day, without variants; and the slugs among them
    that cannot become a part of an address."""
    rankings = [r for r in records if r.source == PRIMARY_SOURCE]
    if not rankings:
        return [], []
    newest = max(rankings, key=lambda r: (r.window_end or date.min, r.as_of))
    rows_path = kept(newest.source, newest.sha256, newest.as_of, settings).rows_path
    if not rows_path.exists():  # derived by an older version; the run after this pull makes it
        return [], []
    rows = pq.read_table(rows_path, columns=["usage_date", "model_permaslug", "tokens"])
    day = rows.filter(pc.equal(rows["usage_date"], pc.max(rows["usage_date"])))
    slugs = day.sort_by([("tokens", "descending")])["model_permaslug"].to_pylist()
    plain = dict.fromkeys(s.split(":")[0] for s in slugs if s != "other")
    good = [s for s in plain if _SLUG.fullmatch(s) and ".." not in s]
    return good[:_MOST_USED], [s for s in plain if s not in good and not s.startswith("~")]


def asks(
    records: Sequence[DumpRecord], now: datetime, settings: Settings
) -> tuple[list[Ask], list[str]]:
    """Everything to ask for, in order of value, and notices about what is left out."""
    api = openrouter(settings)
    months = vercel_months(records, now, settings)
    slugs, odd = most_used(records, settings)
    found = [
        Ask("models", f"{api}/models", "openrouter_models"),
        Ask("providers", f"{api}/providers", "openrouter_providers"),
        Ask(
            "task classifications",
            f"{api}/classifications/task?window=7d",
            "openrouter_task_classifications",
        ),
        Ask(
            "app rankings",
            f"{api}/datasets/app-rankings",
            "openrouter_app_rankings",
            needs_key=True,
        ),
        *months[:2],
        Ask(
            "session-cost",
            # The default limit of 100 cuts the list and does not say so.
            f"{api}/datasets/session-cost?limit=500",
            needs_key=True,
            license=_CC_BY,
            citation=_cite("rankings") + " Licensed under CC BY 4.0.",
        ),
        Ask("benchmarks", f"{api}/benchmarks", license=_CITED, citation=_cite("benchmarks")),
        Ask("endpoints-zdr", f"{api}/endpoints/zdr", citation=_cite("models")),
        *months[2:],
        *(
            Ask(
                "model-endpoints",
                f"{api}/models/{quote(slug)}/endpoints",
                citation=_cite(slug),
            )
            for slug in slugs
        ),
    ]
    notices = [f"models whose slug cannot be part of an address: {', '.join(odd)}"] if odd else []
    return found, notices
