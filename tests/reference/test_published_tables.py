"""Every cell of the shipped history, recomputed from docs/method.md."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from tests.reference import (
    change,
    compare,
    concentration,
    crossover,
    headline,
    index,
    inputs,
    prices,
    quality,
    restated,
    rules,
    shares,
    spend,
)
from tests.reference.periods import GRAINS

EXPECTED: dict[str, Callable[[], pd.DataFrame]] = {
    "usage_daily": shares.usage_daily,
    "identification_daily": shares.identification_daily,
    "share_change": change.share_change,
    "price_history": prices.price_history,
    "price_quality": quality.price_quality,
    "price_quality_pairs": quality.price_quality_pairs,
    "crossover": crossover.crossover,
    "headline": headline.headline,
    "price_index_monthly": index.price_index_monthly,
    "share_by_rule_set_weekly": rules.weekly,
    "share_by_rule_set_monthly": rules.monthly,
}
for grain in GRAINS:
    EXPECTED |= {f"{name}_{grain}": partial(of, grain) for name, of in shares.FAMILIES.items()}
    EXPECTED |= {
        f"spend_by_origin_{grain}": partial(spend.by_origin, grain),
        f"spend_by_lab_{grain}": partial(spend.by_lab, grain),
        f"concentration_{grain}": partial(concentration.concentration, grain),
        f"restated_by_origin_{grain}": partial(restated.by_origin, grain),
    }

# Published columns that have no second computation, and why.
NOT_RECOMPUTED = {
    "crossover": {
        "interval_low": "random draws, see test_the_interval_does_not_hang_on_its_draws",
        "interval_high": "random draws, too",
        "method": "words",
    },
}


@pytest.fixture(scope="module")
def tables(shipped: tuple[object, object]) -> Path:
    """The folder of the shipped history's published tables. Read only."""
    return shipped[1].path / "tables"


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_cell_is_what_the_method_says(name: str, tables: Path) -> None:
    published = compare.read(tables / f"{name}.parquet")
    left_out = NOT_RECOMPUTED.get(name, {})
    expected = EXPECTED[name]()
    found = compare.differences(
        published.drop(columns=left_out, errors="ignore"), expected, inputs.keys()[name]
    )
    assert not found, f"{len(found)} differences, the first are:\n" + "\n".join(found[:10])


def test_the_interval_does_not_hang_on_its_draws(tables: Path) -> None:
    """Both ends within a week of those of other draws, and an interval wherever a trend changes.

    Over 25 seeds the ends moved by up to four days from the middle one.
    """
    rows = compare.read(tables / "crossover.parquet")
    assert (rows["interval_high"].notna() == rows["trend_change"].notna()).all()
    rows = rows[(rows["grain"] == "daily") & rows["interval_high"].notna()]
    rows = rows[rows["origin"] < rows["rival_origin"]]
    assert len(rows)
    for row in rows.itertuples():
        (block,) = re.findall(r"blocks of (\d+) days", row.method)
        low, high = crossover.interval(
            row.origin, row.rival_origin, row.lens, row.registry_view, int(block)
        )
        assert abs(row.interval_low - low).days <= 7, row
        assert abs(row.interval_high - high).days <= 7, row


def test_no_row_is_in_quarantine(tables: Path) -> None:
    """The reference counts every row of the dump and takes every day for complete."""
    assert compare.read(tables / "quarantine.parquet").empty
