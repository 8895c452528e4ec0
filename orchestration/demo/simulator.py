"""Nightly pulls, simulated from a history with the restatements that were measured.

The measurement (2026-11-28) is `restatements.csv`, which `tools/derive_restatements.py` derives
from 46 pulls of 45 nights (2026-06-22 to 2026-08-05) and the history of 2026-10-11:

- All 40 pulls between 00:00 and 00:06 UTC had the newest day short by 0.0008 to 0.022 % (median
  0.0016 %), once by 2.35 %; 30 to 51 of its 51 rows changed, always `other` among them, and the
  next pull had the rest. The 5 pulls after 04:45 had the newest day as it stayed.
- The second newest day was short once in 45 readings, by 0.000006 %. Older days never changed from
  one pull to the next.
- Later, all rows of 26 days in a row (2026-05-23 to 06-17) were lowered by 0.005 to 0.061 %.

The simulator draws from these rows by a seed, and works in integers: the same seed makes the same
bytes. What was published at 01:46 UTC was not measured; it is treated like a pull of 00:05. A day
after the end of the history is made up: the same weekday of the history's last four weeks, with
each row changed by up to 2 %. Only what the history has is OpenRouter's figure.
"""

import csv
import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, cached_property
from math import isqrt
from pathlib import Path
from typing import Literal, get_args

from orchestration.demo.history import OTHER, History, Rows, in_order
from orchestration.errors import TokenshareError
from orchestration.files import format_time

_MILLION = 1_000_000
_BILLION = 1_000_000_000
_WEEKS_REPEATED = 4
_NOISE_PPM = 20_000
# A pull of 04:49 had the newest day as it stayed; a pull of 00:05 never had.
_SETTLED_AT = time(4, 45)
_TINY_DAY_TOKENS = 700
_TRAILING_DAYS = 7

Layout = Literal["csv", "json"]
FeedFault = Literal["trailing-sums", "tiny-day", "empty-day", "repeated-day", "restated"]
FEED_FAULTS: tuple[FeedFault, ...] = get_args(FeedFault)


@dataclass(frozen=True)
class Restatement:
    """One row of the measurement: by how much a day's total changed after it was read, how many of
    its rows did, and by how much the row did that changed most; changes in parts per billion."""

    change_ppb: int
    rows_changed: int
    largest_change_ppb: int


@cache
def _measured() -> tuple[dict[int, list[Restatement]], list[Restatement]]:
    """Early readings by the age of the day (1 or 2 days), and the later correction day by day."""
    early: dict[int, list[Restatement]] = {1: [], 2: []}
    late = []
    with Path(__file__).with_name("restatements.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found = Restatement(
                *(int(row[n]) for n in ("change_ppb", "rows_changed", "largest_change_ppb"))
            )
            age, at_night = int(row["age_days"]), row["read_at"][11:16] < f"{_SETTLED_AT:%H:%M}"
            if found.change_ppb < 0:
                late.append(found)
            elif row["compared_with"] == "next_pull" and at_night:
                early[age].append(found)
    return early, late


def _short(rows: Rows, found: Restatement, draw: random.Random) -> dict[str, int]:
    """By how many tokens each row is short; `other` is always one of those that are.

    How short a row is in proportion to its tokens does not depend on its size. In random order the
    n-th is taken to be short by 1/n^1.5 of the first, which fits the measured quantiles (50, 75,
    90 and 95 % of the rows: 0.2, 0.8, 2.2 and 3.7 times the day's shortage), and none by more than
    the measured largest.
    """
    total = sum(tokens for _, tokens in rows) * found.change_ppb // _BILLION
    slugs = [slug for slug, _ in rows]
    draw.shuffle(slugs)
    slugs.sort(key=lambda slug: slug != OTHER)
    picked = slugs[: found.rows_changed]
    draw.shuffle(picked)
    tokens = dict(rows)
    most = {slug: tokens[slug] * found.largest_change_ppb // _BILLION for slug in picked}
    weights = {s: tokens[s] * 100 // (n * isqrt(n * 10_000)) for n, s in enumerate(picked, start=1)}
    whole = sum(weights.values()) or 1
    short = {slug: total * weight // whole for slug, weight in weights.items()}
    for slug in picked:  # cut to the largest; what is cut off goes to those after it
        left = total - sum(short.values())
        short[slug] += min(left, most[slug] - short[slug])
    return short


@dataclass(frozen=True, eq=False)
class Feed:
    """What the source would answer on any day.

    `fault` is a way in which a feed goes wrong from the day of usage `fault_from` on. With
    trailing-sums each day from then on is the sum of 7 days. That day alone has at most 700 tokens
    (tiny-day), no rows (empty-day) or the figures of the day before (repeated-day). With restated,
    answers made after that day have it and the 25 days before it lowered, as was measured.
    """

    history: History
    seed: int = 0
    fault: FeedFault | None = None
    fault_from: date | None = None

    def __post_init__(self) -> None:
        if self.fault and self.fault not in FEED_FAULTS:
            raise TokenshareError(
                f"{self.fault!r} is not a fault of a feed; expected one of {', '.join(FEED_FAULTS)}"
            )
        if (self.fault is None) != (self.fault_from is None):
            raise TokenshareError("a fault of a feed needs its first day, and the other way around")

    @cached_property
    def _settled(self) -> dict[date, Rows]:
        return dict(self.history.days)

    def _draw(self, what: str, day: date) -> random.Random:
        return random.Random(f"{self.seed} {what} {day}")  # noqa: S311  # a simulation

    def is_made_up(self, day: date) -> bool:
        """Is the day after the end of the history?"""
        return day > self.history.last

    def settled(self, day: date) -> Rows:
        """The final figures of a day, without faults; empty if the source never published it."""
        if day not in self._settled and self.is_made_up(day):
            self._settled[day] = self._made_up(day)
        return self._settled.get(day, ())

    def _made_up(self, day: date) -> Rows:
        last, length = self.history.last, 7 * _WEEKS_REPEATED
        back = (day - last).days - 1
        model = last - timedelta(days=length - 1 - back % length)
        draw = self._draw("day", day)
        return in_order(
            {
                slug: tokens
                * (_MILLION - _NOISE_PPM + int(draw.random() * 2 * _NOISE_PPM))
                // _MILLION
                for slug, tokens in self.settled(model)
            }
        )

    def _faulty(self, day: date) -> Rows:
        """The final figures of a day, with the fault of the feed."""
        if self.fault_from is None or day < self.fault_from:
            return self.settled(day)
        if self.fault == "trailing-sums":
            sums: dict[str, int] = {}
            for back in range(_TRAILING_DAYS):
                for slug, tokens in self.settled(day - timedelta(days=back)):
                    sums[slug] = sums.get(slug, 0) + tokens
            kept = {slug for slug, _ in self.settled(day)}
            return in_order({slug: tokens for slug, tokens in sums.items() if slug in kept})
        if day == self.fault_from:
            if self.fault == "tiny-day":
                rows = self.settled(day)
                whole = sum(tokens for _, tokens in rows) or 1
                tiny = {slug: tokens * _TINY_DAY_TOKENS // whole for slug, tokens in rows}
                return in_order({slug: tokens for slug, tokens in tiny.items() if tokens})
            if self.fault == "empty-day":
                return ()
            if self.fault == "repeated-day":
                return self.settled(day - timedelta(days=1))
        return self.settled(day)

    def as_read(self, day: date, at: datetime) -> Rows:
        """The figures of a day as an answer made at the time `at` has them; empty before the day
        is over."""
        age = (at.date() - day).days
        rows = self._faulty(day)
        if age < 1 or not rows:
            return ()
        early, late = _measured()
        if self.fault == "restated" and self.fault_from and at.date() > self.fault_from:
            back = (self.fault_from - day).days
            if 0 <= back < len(late):
                ppb = -late[back].change_ppb
                rows = tuple((slug, tokens - tokens * ppb // _BILLION) for slug, tokens in rows)
        if age not in early or at.time() >= _SETTLED_AT:
            return rows
        draw = self._draw(f"read at age {age}", day)
        found = early[age][int(draw.random() * len(early[age]))]
        short = _short(rows, found, draw)
        return in_order({slug: tokens - short.get(slug, 0) for slug, tokens in rows})

    def window(self, first: date, last: date, at: datetime) -> Iterator[tuple[date, Rows]]:
        """The days from `first` to `last` that an answer made at the time `at` has."""
        day = max(first, self.history.first)
        while day <= last:
            if rows := self.as_read(day, at):
                yield day, rows
            day += timedelta(days=1)


def pull_time(night: date, seed: int = 0) -> datetime:
    """When the pull of a night is made: at 00:05:14 to 00:05:31 UTC, as most of those measured."""
    draw = random.Random(f"{seed} pull {night}")  # noqa: S311  # a simulation
    return datetime.combine(night, time(0, 5, 14 + int(draw.random() * 18)), tzinfo=UTC)


README = """# Simulated pulls, not OpenRouter's answers

`tokenshare simulate pulls` made them: {nights} nights, {first} to {last}, seed {seed}, {fault}.
Each file in `pulls` is what a pull at the time in its name could have returned: the {days} days
before it.

Up to {history_last} the figures are OpenRouter's, with early readings and restatements drawn from
a measurement of real pulls. Later days are made up. `simulated` in each name says so, and landing
keeps the name in the sidecar.

Source of the figures: OpenRouter (openrouter.ai/rankings), as of {as_of}.
Licensed under CC BY 4.0.
"""


def write_pulls(
    feed: Feed,
    folder: Path,
    until: date,
    nights: int,
    days: int = 30,
    layout: Layout = "csv",
) -> list[Path]:
    """Write a README into a folder, and below `pulls` one dump for each of `nights` nights, the
    last of which is `until`. Returns the paths of the dumps.

    Each dump has the `days` days before its night. The folder may exist if it is empty.

    Raises TokenshareError if the folder has files, or if a night has no day to read.
    """
    if folder.exists() and any(folder.iterdir()):
        raise TokenshareError(f"{folder}: is not empty; expected a new or empty folder")
    first = until - timedelta(days=nights - 1)
    if first <= feed.history.first:
        raise TokenshareError(
            f"the first of {nights} nights until {until} is {first}, and the history begins on "
            f"{feed.history.first}; ask for fewer nights, or for a later --until"
        )
    dumps = folder / "pulls"  # nothing else is in it, so that all of it can be replayed
    dumps.mkdir(parents=True, exist_ok=True)
    written = []
    for number in range(nights):
        night = first + timedelta(days=number)
        at = pull_time(night, feed.seed)
        path = dumps / f"{at:%Y-%m-%dT%H-%M-%SZ}.simulated.{layout}.gz"
        window = (night - timedelta(days=days), night - timedelta(days=1))
        content = (
            csv_answer(feed, *window, at) if layout == "csv" else api_answer(feed, *window, at)
        )
        path.write_bytes(gzip.compress(content, mtime=0))
        written.append(path)
    readme = README.format(
        nights=nights,
        first=first,
        last=until,
        seed=feed.seed,
        fault=f"fault {feed.fault} from {feed.fault_from}" if feed.fault else "no fault",
        days=days,
        history_last=feed.history.last,
        as_of=format_time(feed.history.as_of),
    )
    (folder / "README.md").write_text(readme, encoding="utf-8")
    return written


def csv_answer(feed: Feed, first: date, last: date, at: datetime) -> bytes:
    """The days from `first` to `last` as archived pulls have them: three columns."""
    lines = ["date,model_permaslug,total_tokens"]
    for day, rows in feed.window(first, last, at):
        lines += [f"{day},{slug},{tokens}" for slug, tokens in rows]
    return ("\n".join(lines) + "\n").encode()


def api_answer(feed: Feed, first: date, last: date, at: datetime) -> bytes:
    """rankings-daily of the API: the days from `first` to `last` as known at the time `at`.

    Shape: the example of the owner's OpenAPI document (2026-05).
    """
    return as_json(
        {
            "data": [
                {"date": day.isoformat(), "model_permaslug": slug, "total_tokens": str(tokens)}
                for day, rows in feed.window(first, last, at)
                for slug, tokens in rows
            ],
            "meta": {
                "as_of": millis(at),
                "version": "v1",
                "start_date": first.isoformat(),
                "end_date": last.isoformat(),
            },
        }
    )


def as_json(document: object) -> bytes:
    """JSON with two spaces of indent, as the owner's documents have."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def millis(moment: datetime) -> str:
    """A time as the owner writes it: ISO-8601 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
