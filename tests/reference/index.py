"""The chained price index: what became of the prices of models that stayed.

docs/method.md: "Price index". Exact fractions but for square roots and logarithms; rounded where
the method says so.
"""

import datetime as dt
import functools
import math
from fractions import Fraction
from typing import Any, NamedTuple

import pandas as pd

from tests.reference import periods, prices, spend
from tests.reference.registry import LENSES, UNIDENTIFIED

SPLITS = {"blend": 4, "prompt": 1, "completion": 1}  # parts of a unit that spend is counted in

Row = dict[str, Any]


class Month(NamedTuple):
    """An origin's month: tokens, average price, priced tokens by model, unit values by split."""

    tokens: int
    average: Fraction | None
    quantity: dict[str, int]
    price: dict[str, dict[str, Fraction]]


class Link(NamedTuple):
    """A month against the one before it, matched models only."""

    laspeyres: Fraction
    paasche: Fraction

    @property
    def fisher(self) -> float:
        """The geometric mean of both."""
        return math.sqrt(self.laspeyres * self.paasche)


def unit_value(spent: int, tokens: int, split: str) -> Fraction:
    """US dollars per million tokens, rounded to 12 decimals."""
    return prices.rounded(spend.per_million(spent, tokens, SPLITS[split]), 12)


def months(lens: str) -> dict[str, dict[dt.date, Month]]:
    """Every origin's months, and those of `all`."""
    usage = spend.rows().assign(all="all")
    found: dict[str, dict[dt.date, Month]] = {}
    for key in (f"origin_{lens}", "all"):
        sums = spend.sums(usage, "monthly", origin=key, model="model_permaslug")
        for (origin, start), rows in sums.groupby(["origin", "period_start"]):
            priced = rows[rows["priced_tokens"] > 0].set_index("model")
            quantity = priced["priced_tokens"].to_dict()
            price = {
                split: {
                    m: unit_value(spent, quantity[m], split) for m, spent in priced[split].items()
                }
                for split in SPLITS
            }
            average = spend.per_million(priced["blend"].sum(), sum(quantity.values()), parts=4)
            month = Month(int(rows["tokens"].sum()), average, quantity, price)
            found.setdefault(origin, {})[start] = month
    found.pop(UNIDENTIFIED, None)
    return found


def matched(last: Month | None, this: Month) -> list[str]:
    """Models used and priced in both months."""
    return sorted(last.quantity.keys() & this.quantity.keys()) if last else []


def link(last: Month | None, this: Month, split: str) -> Link | None:
    """Laspeyres and Paasche; None if nothing matches or all that matches is free in a month."""
    models = matched(last, this)

    def value(prices_of: Month, quantities_of: Month) -> Fraction:
        return sum(
            (prices_of.price[split][m] * quantities_of.quantity[m] for m in models), Fraction(0)
        )

    if last is None or not value(last, last) or not value(this, this):
        return None
    return Link(value(this, last) / value(last, last), value(this, this) / value(last, this))


def tornqvist(last: Month | None, this: Month) -> float | None:
    """The geometric mean of the price changes of matched models that are free in neither month."""
    if last is None:
        return None
    p0, p1 = last.price["blend"], this.price["blend"]
    models = [m for m in matched(last, this) if p0[m] and p1[m]]
    spent = [
        [month.price["blend"][m] * month.quantity[m] for m in models] for month in (last, this)
    ]
    totals = [sum(values, Fraction(0)) for values in spent]
    terms = [
        (s0 / totals[0] + s1 / totals[1]) / 2 * math.log(p1[m] / p0[m])
        for m, s0, s1 in zip(models, *spent, strict=True)
    ]
    return round(math.exp(math.fsum(terms)), 12) if models else None


def _chain(last: Row | None, months: dict[dt.date, Month], start: dt.date) -> Row:
    """The unrounded row of one month; `last` is the row before it."""
    this, before = months[start], months.get(periods.before(start, "monthly"))
    models, blend = matched(before, this), link(before, this, "blend")
    row: Row = {
        "period_start": start,
        "tokens": this.tokens,
        "priced_tokens": sum(this.quantity.values()),
        "average_usd_per_million_tokens": this.average,
        "matched_models": len(models),
        "matched_token_share_from": None,
        "matched_token_share_to": None,
        "tornqvist_link": tornqvist(before, this),
        "base_period": start,
        "index": 100.0,
        "index_all_prompt": 100.0,
        "index_all_completion": 100.0,
        "base_price": this.average,
    }
    if before and models:
        for end, month in (("from", before), ("to", this)):
            tokens = sum(month.quantity[m] for m in models)
            row[f"matched_token_share_{end}"] = Fraction(tokens, month.tokens)
    if last is None or before is None or blend is None:
        return row  # a new chain begins
    change = this.average / before.average
    row |= {
        "laspeyres_link": blend.laspeyres,
        "paasche_link": blend.paasche,
        "fisher_link": blend.fisher,
        "average_price_change": change,
        "mix_change": change / blend.fisher,
        "base_period": last["base_period"],
        "base_price": last["base_price"],
        "index": last["index"] * blend.fisher,
    }
    for split in ("prompt", "completion"):
        other, so_far = link(before, this, split), last[f"index_all_{split}"]
        goes_on = other is not None and so_far is not None
        row[f"index_all_{split}"] = so_far * other.fisher if goes_on else None
    return row


def _finish(row: Row) -> Row:
    """Adds what follows from the price in the base period, and rounds the indices."""
    base = row.pop("base_price")
    average = 100 * row["average_usd_per_million_tokens"] / base if base else None
    mix = None if average is None else float(average) / row["index"] * 100
    row |= {"average_price_index": average, "mix_index": mix}
    for column in [c for c in row if "index" in c and row[c] is not None]:
        row[column] = round(float(row[column]), 9)
    return row


@functools.cache
def price_index_monthly() -> pd.DataFrame:
    """`price_index_monthly`."""
    rows = []
    for lens in LENSES:
        for origin, found in months(lens).items():
            last = None
            for start in sorted(found):
                last = _chain(last, found, start)
                rows.append({"lens": lens, "origin": origin, **_finish(dict(last))})
    return periods.describe(pd.DataFrame(rows, dtype=object), "monthly")
