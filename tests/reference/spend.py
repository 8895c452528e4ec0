"""What the tokens cost at list prices, and token-weighted prices.

docs/method.md: "List spend and token-weighted prices". Spend is counted in whole numbers of 10⁻¹⁸
US dollars (tokens × 10⁻¹² US dollars per 10⁶ tokens); the blend in quarters of them.
"""

import functools
from fractions import Fraction
from typing import Any

import pandas as pd

from tests.reference import periods, prices, shares
from tests.reference.registry import LENSES, UNIDENTIFIED

UNITS = 10**18  # of a US dollar
SUMS = ["tokens", "priced_tokens", "free_tokens", "blend", "low", "high", "prompt", "completion"]


@functools.cache
def rows() -> pd.DataFrame:
    """`prices.priced` with the addends of every sum (`SUMS`), 0 if a row has no price.

    `low` and `high` are the cheaper and the dearer kind of the model, `prompt` and `completion` the
    kinds themselves; Python integers, as the sums exceed 64 bits.
    """
    table = prices.priced().copy()
    values = []
    for tokens, p, c in zip(
        table["tokens"].tolist(), table["prompt"], table["completion"], strict=True
    ):
        if p is None:
            values.append((0, 0, 0, 0, 0, 0, 0))
            continue
        free = tokens if p == c == 0 else 0
        values.append(
            (
                tokens,
                free,
                tokens * (3 * p + c),
                tokens * min(p, c),
                tokens * max(p, c),
                tokens * p,
                tokens * c,
            )
        )
    table[SUMS[1:]] = pd.DataFrame(values, columns=SUMS[1:], index=table.index, dtype=object)
    return table


def sums(usage: pd.DataFrame, grain: str, **columns: str) -> pd.DataFrame:
    """All `SUMS` by period and the given columns; `new_name=column_of_usage`."""
    frame = pd.DataFrame({name: usage[column] for name, column in columns.items()})
    frame.insert(0, "period_start", periods.starts(usage["usage_date"], grain))
    keys = list(frame)
    frame[SUMS] = usage[SUMS].astype(object)
    return frame.groupby(keys, as_index=False)[SUMS].sum()


def ratio(above: int, below: int) -> Fraction:
    """A quotient, 0 if there is nothing to divide by."""
    return Fraction(above, below) if below else Fraction(0)


def per_million(spend: int, tokens: int, parts: int = 1) -> Fraction | None:
    """US dollars per million tokens, or None without tokens; spend in `parts` of a unit."""
    return Fraction(spend, parts * prices.SCALE * tokens) if tokens else None


def by_origin(grain: str) -> pd.DataFrame:
    """`spend_by_origin_*`."""
    table = pd.concat(
        sums(rows(), grain, origin=f"origin_{lens}").assign(lens=lens) for lens in LENSES
    )
    return _measured(table.reset_index(drop=True), grain, "origin")


def by_lab(grain: str) -> pd.DataFrame:
    """`spend_by_lab_*`."""
    table = pd.concat(
        sums(rows(), grain, lab_id=f"lab_{lens}").assign(lens=lens) for lens in LENSES
    ).merge(shares.labs(grain).drop(columns="tokens"), on=["period_start", "lens", "lab_id"])
    return _measured(table, grain, "lab_id")


def _measured(table: pd.DataFrame, grain: str, key: str) -> pd.DataFrame:
    """Adds every published column to the sums by period, lens and `key`."""
    groups = [table["period_start"], table["lens"]]
    unidentified = table[key] == UNIDENTIFIED
    for column in ("tokens", "blend", "low", "high"):
        table[f"total_{column}"] = table[column].groupby(groups).transform("sum")
    for column in ("low", "high"):  # what may be anyone's, on the rows of those who may own it
        lost = table[column].where(unidentified, 0).groupby(groups).transform("sum")
        table[f"lost_{column}"] = lost.where(~unidentified, 0)
    found = pd.DataFrame(map(_measures, table.itertuples()), index=table.index, dtype=object)
    table = pd.concat([table, found], axis=1).astype({"tokens": "int64", "priced_tokens": "int64"})
    table = table.astype({"total_tokens": "int64", "free_tokens": "int64"})
    table["spend_rank"] = shares.ranks(table.astype({"blend": float}), "blend", unidentified)
    drop = [c for c in table if c in SUMS[3:] or c.startswith("lost_")]
    drop += ["total_blend", "total_low", "total_high"]
    return periods.describe(table.drop(columns=drop), grain)


def _measures(row: Any) -> dict[str, Fraction | None]:
    """Dollars, shares with their bounds, and prices of one row of sums."""
    most, paid = row.high + row.lost_high, row.priced_tokens - row.free_tokens
    others_low = row.total_low - row.low - row.lost_low
    others_high = row.total_high - row.high
    return {
        "token_share": Fraction(row.tokens, row.total_tokens),
        "priced_token_share": ratio(row.priced_tokens, row.tokens),
        "list_spend_usd": prices.published(Fraction(row.blend, 4 * UNITS)),
        "list_spend_low_usd": prices.published(Fraction(row.low, UNITS)),
        "list_spend_high_usd": prices.published(Fraction(row.high, UNITS)),
        "total_list_spend_usd": prices.published(Fraction(row.total_blend, 4 * UNITS)),
        "spend_share": ratio(row.blend, row.total_blend),
        "spend_share_low": ratio(row.low, row.low + others_high),
        "spend_share_high": ratio(most, most + others_low),
        "spend_share_at_low": ratio(row.low, row.total_low),
        "spend_share_at_high": ratio(row.high, row.total_high),
        "average_usd_per_million_tokens": per_million(row.blend, row.priced_tokens, parts=4),
        "average_usd_per_million_tokens_low": per_million(row.low, row.priced_tokens),
        "average_usd_per_million_tokens_high": per_million(row.high, row.priced_tokens),
        "paid_usd_per_million_tokens": per_million(row.blend, paid, parts=4),
    }
