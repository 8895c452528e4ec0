"""Shares and bounds of origins, labs, licenses, price bands and identifications.

docs/method.md: "Bounds". With K tokens known to belong somewhere, U unidentified and T all tokens,
share = share_low = K / T and share_high = (K + U) / T; on an unidentified row all three are equal.
"""

import itertools
from datetime import datetime, timedelta
from fractions import Fraction

import pandas as pd

from tests.reference import inputs, periods, prices, registry
from tests.reference.registry import LENSES, UNIDENTIFIED


def ranks(table: pd.DataFrame, by: str, unidentified: pd.Series) -> pd.Series:
    """1 is the largest of its period and lens; None on the unidentified row."""
    known = table[by].where(~unidentified)
    place = known.groupby([table["period_start"], table["lens"]]).rank(
        method="min", ascending=False
    )
    ranks = [None if pd.isna(n) else int(n) for n in place]
    return pd.Series(ranks, index=table.index, dtype=object)


def _bounded(table: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
    """Adds totals, shares, bounds and rank to tokens by period, lens and `keys`.

    `keys` are the columns with their value for what is not known. A row may have what is in it
    and what differs from it only in keys that are not known.
    """
    is_unknown = (table[list(keys)] == list(keys.values())).any(axis=1)
    cells = table.set_index(["period_start", "lens", *keys])["tokens"].to_dict()
    most = [
        tokens if unknown else sum(
            cells.get((period, lens, *other), 0)
            for other in itertools.product(*zip(own, keys.values(), strict=True))
        )
        for ((period, lens, *own), tokens), unknown in zip(cells.items(), is_unknown, strict=True)
    ]  # fmt: skip
    groups = [table["period_start"], table["lens"]]
    table["total_tokens"] = table["tokens"].groupby(groups).transform("sum")
    totals = table["total_tokens"].tolist()
    table["share"] = list(map(Fraction, table["tokens"].tolist(), totals))
    table["share_low"] = table["share"]
    table["share_high"] = list(map(Fraction, most, totals))
    table["rank"] = ranks(table, "tokens", is_unknown)
    return table


def tokens_by(usage: pd.DataFrame, grain: str, **columns: str) -> pd.DataFrame:
    """Tokens by period and the given columns; `new_name=column_of_usage`."""
    keys = {name: usage[column] for name, column in columns.items()}
    frame = pd.DataFrame(
        {
            "period_start": periods.starts(usage["usage_date"], grain),
            **keys,
            "tokens": usage["tokens"],
        }
    )
    return frame.groupby(["period_start", *keys], as_index=False, sort=True)["tokens"].sum()


def by_origin(grain: str, view: str = "then") -> pd.DataFrame:
    """`share_by_origin_*`."""
    usage = registry.attributed(view)
    table = pd.concat(
        tokens_by(usage, grain, origin=f"origin_{lens}").assign(lens=lens) for lens in LENSES
    ).reset_index(drop=True)
    return periods.describe(_bounded(table, {"origin": UNIDENTIFIED}), grain)


def labs(grain: str) -> pd.DataFrame:
    """Tokens by period, lens and lab, with the lab's name and its origin on its last day there."""
    usage = registry.attributed("then").sort_values("usage_date")
    tables = []
    for lens in LENSES:
        table = tokens_by(usage, grain, lab_id=f"lab_{lens}").assign(lens=lens)
        keys = [periods.starts(usage["usage_date"], grain), usage[f"lab_{lens}"]]
        last = usage[["day", f"origin_{lens}"]].groupby(keys).last()
        last.columns = ["last_day", "origin"]
        tables.append(table.join(last, on=["period_start", "lab_id"]))
    table = pd.concat(tables).reset_index(drop=True)
    table["lab_name"] = list(map(registry.lab_name, table["lab_id"], table.pop("last_day")))
    return table


def by_lab(grain: str) -> pd.DataFrame:
    """`share_by_lab_*`."""
    return periods.describe(_bounded(labs(grain), {"lab_id": UNIDENTIFIED}), grain)


def by_license(grain: str) -> pd.DataFrame:
    """`share_by_license_*`: what is `unknown` may be any class."""
    table = tokens_by(registry.attributed("then"), grain, license="license")
    table["lens"] = "author_hq"
    return periods.describe(_bounded(table, {"license": "unknown"}), grain)


def by_origin_license(grain: str) -> pd.DataFrame:
    """`share_by_origin_license_*`: either of the two, or both, may not be known."""
    usage = registry.attributed("then")
    table = pd.concat(
        tokens_by(usage, grain, origin=f"origin_{lens}", license="license").assign(lens=lens)
        for lens in LENSES
    ).reset_index(drop=True)
    keys = {"origin": UNIDENTIFIED, "license": "unknown"}
    return periods.describe(_bounded(table, keys), grain)


def by_price_band(grain: str) -> pd.DataFrame:
    """`share_by_price_band_*`: what is `unpriced` may be in any band."""
    table = tokens_by(prices.priced(), grain, price_band="price_band")
    table["lens"] = "author_hq"
    return periods.describe(_bounded(table, {"price_band": "unpriced"}), grain)


def usage_daily() -> pd.DataFrame:
    """`usage_daily`."""
    table = prices.priced().copy()
    table["source"] = inputs.SOURCE
    known = table["identification"] == "attributed"
    table["lab_id"] = table["lab_author_hq"].where(known, None)
    names = map(registry.lab_name, table["lab_author_hq"], table["day"])
    table["lab_name"] = pd.Series(list(names), dtype=object).where(known, None)
    table["origin"] = table["origin_author_hq"]
    given = ("model_permaslug", "day", "tokens", "prompt", "completion")
    rows = map(prices.of_row, *(table[column].tolist() for column in given))
    table = pd.concat([table, pd.DataFrame(rows, dtype=object)], axis=1)
    for column in ("requests", "prompt_tokens", "completion_tokens", "cost_usd"):
        table[column] = None  # the rankings have none
    table["is_complete"] = True
    table["read_after_minutes"] = [
        (inputs.as_of() - datetime.fromisoformat(f"{day}T00:00:00Z")) // timedelta(minutes=1) - 1440
        for day in table["day"]
    ]
    hours = inputs.configuration("gate")["settled_day"]["hours_after_day"]
    table["is_settled"] = table["read_after_minutes"] >= 60 * hours
    table["usage_date"] = periods.starts(table["usage_date"], "daily")
    of_a_lens = [column for column in table if column.endswith(LENSES)]
    return table.drop(columns=["day", "revealed_as", "prompt", "completion", *of_a_lens])


def identification_daily() -> pd.DataFrame:
    """`identification_daily`."""
    usage = registry.attributed("then")
    table = tokens_by(usage, "daily", identification="identification")
    table["total_tokens"] = table["tokens"].groupby(table["period_start"]).transform("sum")
    table["share"] = list(map(Fraction, table["tokens"].tolist(), table["total_tokens"].tolist()))
    return table.rename(columns={"period_start": "usage_date"}).assign(source=inputs.SOURCE)


# The families of share tables, by grain.
FAMILIES = {
    "share_by_origin": by_origin,
    "share_by_lab": by_lab,
    "share_by_license": by_license,
    "share_by_origin_license": by_origin_license,
    "share_by_price_band": by_price_band,
}
