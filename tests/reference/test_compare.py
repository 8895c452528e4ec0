"""The comparison itself can fail, and names what differs."""

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import pandas as pd
import pytest

from tests.reference import compare

KEY = ["day", "origin"]


@pytest.fixture
def expected() -> pd.DataFrame:
    """Two rows as the reference makes them."""
    return pd.DataFrame(
        {
            "day": [dt.date(2026, 1, 1), dt.date(2026, 1, 2)],
            "origin": ["CN", "US"],
            "tokens": [2**62 + 1, 5],
            "share": [Fraction(1, 3), Fraction(2, 3)],
            "usd": [Fraction(1, 4), Fraction(0)],
            "rank": pd.Series([None, 1], dtype=object),
        }
    )


@pytest.fixture
def published(expected: pd.DataFrame) -> pd.DataFrame:
    """The same rows as they are read from a published table."""
    return expected.assign(
        share=expected["share"].astype(float), usd=[Decimal("0.25"), Decimal("0.00")]
    )


def test_equal_tables_differ_in_nothing(published: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert compare.differences(published, expected, KEY) == []


@pytest.mark.parametrize(
    ("column", "row", "value"),
    [
        ("tokens", 0, 2**62),  # as doubles the two are equal
        ("share", 0, 0.333333333334),
        ("share", 1, None),
        ("usd", 0, Decimal("0.25000000000000000001")),
        ("rank", 0, 1.0),
        ("rank", 1, 2.0),
    ],
)
def test_one_altered_cell_is_named(
    column: str, row: int, value: object, published: pd.DataFrame, expected: pd.DataFrame
) -> None:
    published[column] = published[column].astype(object)
    published.loc[row, column] = value
    (found,) = compare.differences(published, expected, KEY)
    assert f"'{expected['origin'][row]}'), column {column}: {value!r} is published" in found


def test_rows_and_columns_too_many_and_missing_are_named(
    published: pd.DataFrame, expected: pd.DataFrame
) -> None:
    other = published.assign(origin=["CN", "FR"], more=1).drop(columns="usd")
    found = "\n".join(compare.differences(other, expected, KEY))
    assert "'FR') is published and should not be" in found
    assert "'US') should be published and is not" in found
    assert "column usd is not published" in found
    assert "column more is published and not recomputed" in found


def test_a_key_that_stands_twice_is_named(published: pd.DataFrame, expected: pd.DataFrame) -> None:
    twice = pd.concat([published, published.head(1)])
    assert any("share a key" in line for line in compare.differences(twice, expected, KEY))
