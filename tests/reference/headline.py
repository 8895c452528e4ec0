"""The figures that are quoted, in both readings of the registry.

docs/method.md: "The registry and its two times"; the contract of `headline`.
"""

from fractions import Fraction

import pandas as pd

from tests.reference import inputs, periods
from tests.reference.crossover import VIEWS, series
from tests.reference.registry import UNIDENTIFIED


def headline() -> pd.DataFrame:
    """`headline`: CN, US and what is unidentified in three complete weeks."""
    weeks = periods.complete("weekly")
    asked = {
        "first_week": weeks[0],
        "latest_week": weeks[-1],
        "one_year_earlier": periods.before(weeks[-1], "weekly", 52),
    }
    rows = []
    for view in VIEWS:
        points = {p.start: p for p in series("weekly", "author_hq", view)}
        for when, start in asked.items():
            week = points[start]
            for origin in ("CN", "US", UNIDENTIFIED):
                alone = origin == UNIDENTIFIED
                tokens = week.unknown if alone else week.known[origin]
                most = tokens if alone else tokens + week.unknown
                rows.append(
                    {
                        "source": inputs.SOURCE,
                        "figure": f"{origin.lower()}_share_{when}",
                        "registry_view": view,
                        "period_start": start,
                        "lens": "author_hq",
                        "universe": "all",
                        "origin": origin,
                        "share": Fraction(tokens, week.total),
                        "share_low": Fraction(tokens, week.total),
                        "share_high": Fraction(most, week.total),
                        "tokens": tokens,
                        "total_tokens": week.total,
                    }
                )
    return pd.DataFrame(rows, dtype=object)
