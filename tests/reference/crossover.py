"""Who overtook whom, and when.

docs/method.md: "Crossover". The interval rests on random draws, so ours is near the published one
and not equal to it.
"""

import datetime as dt
import functools
import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tests.reference import inputs, periods, registry, shares
from tests.reference.registry import LENSES, UNIDENTIFIED

VIEWS = ("then", "now")
WINDOW = 91  # days of the trend
WIDE = 181  # days of the one whose residuals are drawn
DRAWS = 999
SHORTEST = 362  # days of the series
EDGE = 45  # days at both ends in which a change of the trend has no interval


class Period(NamedTuple):
    """Tokens of a complete period: by origin, unidentified and all of them."""

    start: dt.date
    known: dict[str, int]
    unknown: int
    total: int


@functools.cache
def series(grain: str, lens: str, view: str) -> list[Period]:
    """The complete periods of the source, in order."""
    tokens = shares.tokens_by(registry.attributed(view), grain, origin=f"origin_{lens}")
    by_start = {
        start: dict(zip(rows["origin"], rows["tokens"].tolist(), strict=True))
        for start, rows in tokens.groupby("period_start")
    }
    return [
        Period(start, by_start[start], by_start[start].pop(UNIDENTIFIED, 0), total)
        for start in periods.complete(grain)
        for total in [sum(by_start[start].values())]
    ]


@functools.cache
def origins(lens: str) -> list[str]:
    """Origins that led in any period or held 5 % of a week, in either view; CN and US always."""
    found = {"CN", "US"}
    for view in VIEWS:
        for grain in periods.GRAINS:
            found |= {
                max(p.known, key=lambda o, p=p: p.known[o]) for p in series(grain, lens, view)
            }
        found |= {
            origin
            for week in series("weekly", lens, view)
            for origin, tokens in week.known.items()
            if Fraction(tokens, week.total) >= Fraction(1, 20)
        }
    return sorted(found)


def first(points: list[Period], holds: Callable[[Period], bool]) -> dt.date | None:
    """The first period of which it is true."""
    return next((p.start for p in points if holds(p)), None)


def since(points: list[Period], holds: Callable[[Period], bool]) -> dt.date | None:
    """The period from which it has been true up to the latest one."""
    run = list(itertools.takewhile(holds, reversed(points)))
    return run[-1].start if run else None


def last_change(points: list[Period], a: str, b: str) -> dt.date | None:
    """The last period in which the lead changed hands; a tie changes nothing."""
    leads = [(p.start, p.known.get(a, 0) > p.known.get(b, 0)) for p in points if not _tie(p, a, b)]
    changes = [day for (_, was), (day, now) in itertools.pairwise(leads) if was != now]
    return changes[-1] if changes else None


def _tie(point: Period, a: str, b: str) -> bool:
    return point.known.get(a, 0) == point.known.get(b, 0)


@functools.cache
def smoother(days: int, window: int) -> np.ndarray:
    """The matrix that makes a trend of a series: at each day the line through the window around it.

    Least squares on the window's days; at the ends of the series the window stays inside it.
    """
    weights = np.zeros((days, days))
    places = np.arange(window) - window // 2
    for day in range(days):
        first = min(max(day - window // 2, 0), days - window)
        slope = (day - first - window // 2) * places / (places @ places)
        weights[day, first : first + window] = 1 / window + slope
    return weights


def log_ratio(a: str, b: str, lens: str, view: str) -> tuple[list[dt.date], np.ndarray]:
    """The complete days on which both have tokens, and ln(K_A / K_B) on them."""
    both = [p for p in series("daily", lens, view) if p.known.get(a) and p.known.get(b)]
    values = [math.log(p.known[a]) - math.log(p.known[b]) for p in both]
    return [p.start for p in both], np.array(values)


def last_flip(trend: np.ndarray) -> int | None:
    """The place from which the last sign of a trend holds, None if it always did."""
    signs = np.sign(trend)
    flips = np.flatnonzero(signs[1:] != signs[:-1]) + 1
    return int(flips[-1]) if len(flips) else None


@functools.cache
def trend_change(a: str, b: str, lens: str, view: str) -> dt.date | None:
    """The day from which the trend's last sign holds; None if no interval can be given of it."""
    days, values = log_ratio(a, b, lens, view)
    if len(days) < SHORTEST:
        return None
    place = last_flip(smoother(len(days), WINDOW) @ values)
    if place is None or not EDGE <= place < len(days) - EDGE:
        return None
    return days[place]


def interval(a: str, b: str, lens: str, view: str, block: int) -> tuple[dt.date, dt.date]:
    """The 2.5 % and 97.5 % percentile of the day, with draws of our own, in blocks of some days."""
    days, values = log_ratio(a, b, lens, view)
    length = len(days)
    smooth = smoother(length, WINDOW)
    left_over = values - smoother(length, WIDE) @ values
    left_over -= left_over.mean()
    blocks = math.ceil(length / block)
    starts = np.random.default_rng(1992).integers(0, length, (DRAWS, blocks))
    places = (starts[:, :, None] + np.arange(block)) % length  # in a circle
    drawn = left_over[places.reshape(DRAWS, -1)[:, :length]]
    found = sorted(last_flip(row) or 0 for row in (smooth @ values + drawn) @ smooth.T)
    low, high = (found[math.ceil(DRAWS * part) - 1] for part in (0.025, 0.975))
    return days[low], days[high]


def _row(grain: str, lens: str, view: str, a: str, b: str) -> dict[str, Any]:
    points = series(grain, lens, view)

    def leads(p: Period) -> bool:
        return p.known.get(a, 0) > p.known.get(b, 0)

    def beyond_doubt(p: Period) -> bool:
        return p.known.get(a, 0) > p.known.get(b, 0) + p.unknown

    change = trend_change(*sorted((a, b)), lens, view)
    return {
        "source": inputs.SOURCE,
        "grain": grain,
        "lens": lens,
        "registry_view": view,
        "origin": a,
        "rival_origin": b,
        "first_lead": first(points, leads),
        "last_change": last_change(points, a, b),
        "leads_since": since(points, leads),
        "first_identified_lead": first(points, beyond_doubt),
        "robust_since": since(points, beyond_doubt),
        "trend_change": change and periods.start(change, grain),
        "periods_compared": len(points),
        "periods_led": sum(map(leads, points)),
        "latest_period": points[-1].start,
    }


def crossover() -> pd.DataFrame:
    """`crossover` but for the interval and the words in `method`."""
    rows = [
        _row(grain, lens, view, a, b)
        for lens in LENSES
        for view in VIEWS
        for grain in periods.GRAINS
        for a, b in itertools.permutations(origins(lens), 2)
    ]
    return pd.DataFrame(rows, dtype=object)
