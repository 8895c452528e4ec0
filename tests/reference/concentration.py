"""How few models, labs or origins hold the tokens, with bounds for what is unidentified.

docs/method.md: "Concentration".
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import pandas as pd

from tests.reference import periods, registry
from tests.reference.registry import LENSES, UNIDENTIFIED

MOST_IN_TAIL = 100  # models of a day's tail; more are added up into the last of them

Row = dict[str, Any]


def tail(tokens: int, smallest: int) -> list[int]:
    """The lumpiest tail of a day: models of the smallest named one's size, as fit, and a rest.

    None of them can be larger than the smallest row that the source names.
    """
    whole, rest = divmod(tokens, smallest)
    models = [smallest] * whole + [rest]
    return [*models[: MOST_IN_TAIL - 1], sum(models[MOST_IN_TAIL - 1 :])]


def belongs_together(row: Row, unit: str, lens: str) -> str | None:
    """The lab or origin of a row, a name for its unknown owner, or None if it may have many.

    A stealth slug is one model of one lab, a model of an undocumented base has one base, an
    unmapped author is one lab, a lab without a known country has one: none of them can be spread
    over several units. The tail and routers can.
    """
    known = row[f"{unit}_{lens}"]
    if known != UNIDENTIFIED:
        return known
    if row["identification"] in ("tail", "router"):
        return None
    if unit == "origin" and row[f"lab_{lens}"] != UNIDENTIFIED:
        return "the country of " + row[f"lab_{lens}"]
    if row["identification"] == "unmapped" and lens == "author_hq":
        return "the lab of " + row["author"]
    return "the lab of " + row["base_slug"]


def high_of_models(rows: list[Row], known: Counter[str]) -> list[int]:
    """The most concentrated models that the source's rows allow.

    On every day the same models are the largest of the tail, and they are the largest of those that
    are not named on every day.
    """
    named_on, smallest, tails = Counter[str](), dict[str, int](), Counter[str]()
    for row in rows:
        day, tokens = row["day"], row["tokens"]
        if row["identification"] == "tail":
            tails[day] += tokens
        else:
            named_on[row["model_permaslug"]] += 1
            smallest[day] = min(tokens, smallest.get(day, tokens))
    places = Counter[int]()
    for day, tokens in tails.items():
        places.update(dict(enumerate(tail(tokens, smallest[day]))))
    always = [known[model] for model in known if named_on[model] == len(smallest)]
    sometimes = sorted((known[m] for m in known if named_on[m] < len(smallest)), reverse=True)
    sometimes += [0] * (len(places) - len(sometimes))
    return always + [tokens + places[place] for place, tokens in enumerate(sometimes)]


def largest_gets(units: Iterable[int], tokens: int) -> list[int]:
    """The units, largest first, the largest with so many tokens more."""
    first, *others = sorted(units, reverse=True) or [0]
    return [first + tokens, *others]


def measures(units: int, low: list[int], high: list[int], known: int, lost: int) -> Row:
    """Every published column, from the least and the most concentrated units.

    Like a share, the point figures count what is known and equal the lower bounds.
    """
    total = known + lost

    def index(tokens: list[int]) -> Fraction:
        return Fraction(sum(n * n for n in tokens), total * total)

    def top_5(tokens: list[int]) -> Fraction:
        return Fraction(sum(sorted(tokens, reverse=True)[:5]), total)

    hhi, hhi_high = index(low), index(high)
    return {
        "units": units,
        "total_tokens": total,
        "unidentified_tokens": lost,
        "hhi": hhi,
        "hhi_low": hhi,
        "hhi_high": hhi_high,
        "effective_number": 1 / hhi if hhi else None,
        "effective_number_low": 1 / hhi_high,
        "effective_number_high": 1 / hhi if hhi else None,
        "top_5_share": top_5(low),
        "top_5_share_low": top_5(low),
        "top_5_share_high": top_5(high),
    }


def of_models(rows: list[Row]) -> Row:
    """The row of unit `model`: slugs of the source; unidentified are the tail and routers."""
    known, lost = Counter[str](), Counter[str]()
    for row in rows:
        what = row["identification"]
        if what in ("tail", "router"):
            lost[what] += row["tokens"]
        else:
            known[row["model_permaslug"]] += row["tokens"]
    low = list(known.values())
    high = largest_gets(high_of_models(rows, known), lost["router"])
    found = measures(len(known), low, high, sum(low), lost.total())
    return {"unit": "model", "lens": "none", **found}


def of_owners(rows: list[Row], unit: str, lens: str) -> Row:
    """The row of unit `lab` or `origin` under a lens."""
    known, together = Counter[str](), Counter[str]()
    total = 0
    for row in rows:
        total += row["tokens"]
        if owner := belongs_together(row, unit, lens):
            together[owner] += row["tokens"]
        if (owner := row[f"{unit}_{lens}"]) != UNIDENTIFIED:
            known[owner] += row["tokens"]
    lost = total - known.total()
    high = largest_gets(known.values(), lost)
    found = measures(len(known), list(together.values()), high, total - lost, lost)
    return {"unit": unit, "lens": lens, **found}


def concentration(grain: str) -> pd.DataFrame:
    """`concentration_*`."""
    usage = registry.attributed("then")
    by_period: dict[dt.date, list[Row]] = {}
    starts = periods.starts(usage["usage_date"], grain)
    for start, row in zip(starts, usage.to_dict("records"), strict=True):
        by_period.setdefault(start, []).append(row)
    rows: list[Row] = []
    for start, part in by_period.items():
        found = [of_models(part)]
        found += [of_owners(part, unit, lens) for unit in ("lab", "origin") for lens in LENSES]
        rows += [{"period_start": start, **row} for row in found]
    return periods.describe(pd.DataFrame(rows, dtype=object), grain)
