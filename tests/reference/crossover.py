"""Who overtook whom, and when.

docs/method.md: "Crossover". The dates are recomputed, and the trend by a plain least squares fit;
the interval rests on random draws, so only whether there is one is said here.
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


def trend(values: np.ndarray) -> np.ndarray:
    """The straight line through the 91 days around each day; at the ends, that of the last 91."""
    half = WINDOW // 2
    smooth = np.convolve(values, np.full(WINDOW, 1 / WINDOW), mode="same")
    days = np.arange(WINDOW)
    for ends, window in (
        (slice(None, half), values[:WINDOW]),
        (slice(-half, None), values[-WINDOW:]),
    ):
        smooth[ends] = np.polyval(np.polyfit(days, window, 1), days)[ends]
    return smooth


@functools.cache
def trend_change(a: str, b: str, lens: str, view: str) -> tuple[dt.date | None, bool]:
    """The day from which the trend's last sign holds, and whether it has an interval."""
    days = [
        (p.start, math.log(p.known[a]) - math.log(p.known[b]))
        for p in series("daily", lens, view)
        if p.known.get(a) and p.known.get(b)
    ]
    if len(days) < SHORTEST:
        return None, False
    signs = np.sign(trend(np.array([x for _, x in days])))
    changes = np.flatnonzero(signs[1:] != signs[:-1]) + 1
    if not len(changes):
        return None, False
    place = int(changes[-1])
    return days[place][0], EDGE <= place < len(days) - EDGE


def _row(grain: str, lens: str, view: str, a: str, b: str) -> dict[str, Any]:
    points = series(grain, lens, view)

    def leads(p: Period) -> bool:
        return p.known.get(a, 0) > p.known.get(b, 0)

    def beyond_doubt(p: Period) -> bool:
        return p.known.get(a, 0) > p.known.get(b, 0) + p.unknown

    change, has_interval = trend_change(*sorted((a, b)), lens, view)
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
        "trend_change": change and periods.start(change, grain) if has_interval else None,
        "has_interval": has_interval,
        "periods_compared": len(points),
        "periods_led": sum(map(leads, points)),
        "latest_period": points[-1].start,
    }


def crossover() -> pd.DataFrame:
    """`crossover`, with `has_interval` in place of the interval and of the words in `method`."""
    rows = [
        _row(grain, lens, view, a, b)
        for lens in LENSES
        for view in VIEWS
        for grain in periods.GRAINS
        for a, b in itertools.permutations(origins(lens), 2)
    ]
    return pd.DataFrame(rows, dtype=object)
