"""Days, ISO weeks and months, and which of them are complete.

docs/method.md: "Universe, denominator, window, lens, vintage", "Completeness". The shipped dump
loses no row to quarantine (a test sees to it), so a period is complete if all its days are there.
"""

import datetime as dt
import functools

import pandas as pd

from tests.reference import inputs

GRAINS = ("daily", "weekly", "monthly")


def starts(dates: pd.Series, grain: str) -> pd.Series:
    """First day of the period of each date, as `datetime.date`."""
    days = {date: date.date() for date in dates.unique()}
    return dates.map({date: start(day, grain) for date, day in days.items()}).astype(object)


def start(day: dt.date, grain: str) -> dt.date:
    """First day of the period that a day belongs to."""
    if grain == "weekly":
        return day - dt.timedelta(days=day.weekday())
    return day.replace(day=1) if grain == "monthly" else day


def _length(start: dt.date, grain: str) -> int:
    if grain == "monthly":
        return (before(start, grain, -1) - start).days
    return 7 if grain == "weekly" else 1


def before(start: dt.date, grain: str, periods: int = 1) -> dt.date:
    """The period that many weeks or months earlier (later, if negative)."""
    if grain == "weekly":
        return start - dt.timedelta(weeks=periods)
    months = start.year * 12 + start.month - 1 - periods
    return dt.date(months // 12, months % 12 + 1, 1)


@functools.cache
def present(grain: str) -> dict[dt.date, tuple[int, bool]]:
    """Days present and completeness of each period of the source."""
    days = pd.Series(inputs.usage()["usage_date"].unique())
    counts = starts(days, grain).value_counts().sort_index()
    return {start: (int(n), int(n) == _length(start, grain)) for start, n in counts.items()}


def complete(grain: str) -> list[dt.date]:
    """The complete periods of the source, in order."""
    return [start for start, (_, is_complete) in present(grain).items() if is_complete]


def describe(table: pd.DataFrame, grain: str) -> pd.DataFrame:
    """The table with source, days_present and is_complete of its `period_start`."""
    table["source"] = inputs.SOURCE
    table["days_present"] = [present(grain)[start][0] for start in table["period_start"]]
    table["is_complete"] = [present(grain)[start][1] for start in table["period_start"]]
    return table
