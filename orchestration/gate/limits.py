"""The gate's limits: `data_contracts/gate.yml`, read and checked.

The measurement behind each number stands beside it in the file. Which rule uses which of them is
said in the header of the rule's SQL file (see `rules`).
"""

from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from orchestration.errors import TokenshareError, quoted
from orchestration.settings import CONTRACTS_DIR

LIMITS_FILE = CONTRACTS_DIR / "gate.yml"

Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(gt=1)]
Count = Annotated[int, Field(ge=0)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DayTotal(_Strict):
    max_factor: Factor
    neighbors: Count
    min_neighbors: Count


class Restatement(_Strict):
    settled_after_days: Count
    max_relative_change: Share


class LevelStep(_Strict):
    days: Count
    days_before: Count
    min_weekdays_before: Count
    warn_min_ratio: Share
    warn_min_ratio_of_several_days: Share
    several_days: Count
    warn_max_ratio: Factor


class DayShape(_Strict):
    min_rows_ratio: Share
    warn_tail_factor: Factor


class RowsPerDay(_Strict):
    max_rows: Count
    max_other_rows: Count


class Unmapped(_Strict):
    max_weekly_share: Share
    warn_weekly_share: Share


class Registry(_Strict):
    warn_attributed_share: Share
    warn_licensed_share: Share
    warn_base_located_share: Share
    model_row_from_daily_share: Share


class Labs(_Strict):
    min_per_week: Count


class Catalogue(_Strict):
    min_open_ratio: Share


class Unpriced(_Strict):
    warn_monthly_share: Share


class PriceCoverage(_Strict):
    warn_monthly_share: Share
    min_monthly_share: Share


class PriceFreshness(_Strict):
    fresh_days: Count
    warn_stale_share: Share


class PriceIndex(_Strict):
    warn_factor: Factor
    from_matched_share: Share


class Quality(_Strict):
    warn_indexed_share: Share


class Accepted(_Strict):
    """A finding of one rule on one day that a human has looked into."""

    rule: Literal[
        "MISSING_DAY",
        "DAY_TOTAL",
        "RESTATEMENT",
        "ROWS_DROP",
        "TAIL_MISSING",
        "PRICE_COVERAGE_FLOOR",
    ]
    usage_date: date
    reason: Text
    evidence: Text


class Limits(_Strict):
    """The file: a section per subject, and the days that a human has accepted."""

    known_missing_days: dict[str, tuple[date, ...]]
    day_total: DayTotal
    restatement: Restatement
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
    accepted: tuple[Accepted, ...]

    def document(self) -> dict[str, Any]:
        """The limits as plain values, days as ISO text: what `gate/results.json` keeps."""
        return self.model_dump(mode="json")


def read_limits(path: Path) -> Limits:
    """The limits of one file.

    Raises TokenshareError that names the file and each key that is wrong, missing or unknown.
    """
    try:
        return Limits.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise TokenshareError("\n".join(_problems(path, error))) from error
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: a day that no calendar has
        raise TokenshareError(f"{path}: cannot be read: {error}") from error


def _problems(path: Path, error: ValidationError) -> list[str]:
    said = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"]) or "the whole file"
        if problem["type"] == "extra_forbidden":
            said.append(f"{path}: {key}: is not a key of the gate's limits")
        elif problem["type"] == "missing":
            said.append(f"{path}: {key}: is missing")
        else:
            said.append(f"{path}: {key} = {quoted(problem['input'])}: {problem['msg']}")
    return said


@cache
def limits() -> Limits:
    """What this installation ships; read once per process."""
    return read_limits(LIMITS_FILE)
