"""Two tables, cell by cell: exact, but for doubles, which may miss a fraction by 10⁻¹²."""

import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

TOLERANCE = 1e-12


def read(path: Path) -> pd.DataFrame:
    """A published table, its integers, decimals and dates as Python's own, NULL as `pd.NA`."""
    return pd.read_parquet(path, dtype_backend="pyarrow")


def cells(column: pd.Series) -> list[Any]:
    """A column's values, None for NULL."""
    return column.astype(object).where(column.notna(), None).tolist()


def same(published: Any, expected: Any) -> bool:
    """True if a published cell says what the reference says.

    A fraction (or float) of the reference against a published double: relative 10⁻¹². Against a
    published decimal, and all else: exactly, and of the same type.
    """
    if isinstance(published, Decimal):
        return Fraction(published) == expected
    if isinstance(published, float) and isinstance(expected, Fraction | float):
        return math.isclose(published, expected, rel_tol=TOLERANCE, abs_tol=0)
    return type(published) is type(expected) and published == expected


def differences(published: pd.DataFrame, expected: pd.DataFrame, key: list[str]) -> list[str]:
    """Every row too many, row missing and cell that differs, each named; empty if there is none."""
    theirs, ours = (
        {row: place for place, row in enumerate(zip(*(cells(t[c]) for c in key), strict=True))}
        for t in (published, expected)
    )
    found = [f"row {k} is published and should not be" for k in theirs if k not in ours]
    found += [f"row {k} should be published and is not" for k in ours if k not in theirs]
    if len(theirs) < len(published) or len(ours) < len(expected):
        found.append(f"two rows share a key of {key}")
    extra = published.columns.difference(expected.columns)
    found += [f"column {c} is published and not recomputed" for c in extra]
    lacking = expected.columns.difference(published.columns)
    found += [f"column {c} is not published" for c in lacking]
    both = [(k, theirs[k], place) for k, place in ours.items() if k in theirs]
    for column in expected.columns.intersection(published.columns):
        left, right = cells(published[column]), cells(expected[column])
        found += [
            f"row {k}, column {column}: {left[m]!r} is published, {right[n]!r} expected"
            for k, m, n in both
            if not same(left[m], right[n])
        ]
    return found
