"""The gate's limits: `configuration/gate.yml`, read and checked.

The measurement behind each number is beside it in the file. The header of a rule's SQL file lists
the limits that the rule uses (see `gate.rules`).
"""

from datetime import date
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field

from orchestration.configuration.files import SourceName, Strict, Text, read
from orchestration.settings import CONFIGURATION_DIR

LIMITS_FILE = CONFIGURATION_DIR / "gate.yml"

Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(gt=1)]
Count = Annotated[int, Field(ge=0)]


class DayTotal(Strict):
    max_factor: Factor
    neighbors: Count
    min_neighbors: Count


class Restatement(Strict):
    judged_after_days: Count
    max_relative_change: Share


class SettledDay(Strict):
    hours_after_day: Count


class RequestLogDay(Strict):
    tolerated_rows_share: Share


class RepeatedDay(Strict):
    days_before: Count
    max_same_share: Share


class LevelStep(Strict):
    days: Count
    days_before: Count
    min_weekdays_before: Count
    warn_min_ratio: Share
    warn_min_ratio_of_several_days: Share
    several_days: Count
    warn_max_ratio: Factor


class DayShape(Strict):
    min_rows_ratio: Share
    warn_tail_factor: Factor


class RowsPerDay(Strict):
    max_rows: Count
    max_other_rows: Count


class Unmapped(Strict):
    max_weekly_share: Share
    warn_weekly_share: Share


class Registry(Strict):
    warn_attributed_share: Share
    warn_licensed_share: Share
    warn_base_located_share: Share
    model_row_from_daily_share: Share


class Labs(Strict):
    min_per_week: Count


class Catalogue(Strict):
    min_open_ratio: Share


class Unpriced(Strict):
    warn_monthly_share: Share


class PriceCoverage(Strict):
    warn_monthly_share: Share
    min_monthly_share: Share


class PriceFreshness(Strict):
    fresh_days: Count
    warn_stale_share: Share


class PriceIndex(Strict):
    warn_factor: Factor
    from_matched_share: Share


class Quality(Strict):
    warn_indexed_share: Share


class Gateway(Strict):
    warn_unmapped_share: Share


class Accepted(Strict):
    """A finding of one rule on one day that a human has examined and accepted."""

    rule: Literal[
        "MISSING_DAY",
        "DAY_TOTAL",
        "REPEATED_DAY",
        "RESTATEMENT",
        "ROWS_DROP",
        "TAIL_MISSING",
        "PRICE_COVERAGE_FLOOR",
    ]
    usage_date: date
    reason: Text
    evidence: Text


class Limits(Strict):
    """The file: a section per subject, and the days that a human has accepted."""

    known_missing_days: dict[SourceName, tuple[date, ...]]
    day_total: DayTotal
    settled_day: SettledDay
    request_log_day: RequestLogDay
    restatement: Restatement
    repeated_day: RepeatedDay
    level_step: LevelStep
    day_shape: DayShape
    rows_per_day: RowsPerDay
    unmapped: Unmapped
    registry: Registry
    labs: Labs
    catalogue: Catalogue
    unpriced: Unpriced
    price_coverage: PriceCoverage
    price_freshness: PriceFreshness
    price_index: PriceIndex
    quality: Quality
    gateway: Gateway
    accepted: tuple[Accepted, ...]

    def document(self) -> dict[str, Any]:
        """The limits as plain values, days as ISO text, for `gate/results.json`."""
        return self.model_dump(mode="json")


@cache
def limits() -> Limits:
    """The limits of this checkout; read once per process."""
    return read(LIMITS_FILE, Limits)
