"""The table `crossover`: point figures from SQL, and an interval for the date of a change of lead.

All figures are computed for both views of the registry, as known then and as known now.
The interval is about the day on which the trend of the log ratio of two origins' daily tokens last
changed its sign. The trend is a local linear fit. Blocks of its residuals are resampled and added
to the trend, and the day is found again in each such series (percentile interval). docs/method.md
has the method, assumptions and references. scipy and arch are imported inside functions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import duckdb

from orchestration.settings import Settings

# A quarter: in shorter windows a single launch looks like a trend, longer ones blur the crossing.
TREND_DAYS = 91
# Residuals are taken from a trend that is twice as wide. A narrow trend absorbs a part of the
# autocorrelated noise, and intervals become too short (measured: docs/method.md, Crossover).
RESIDUAL_DAYS = 181
# Two windows: in a shorter series the trend would consist of the fits at its ends.
MIN_DAYS = 2 * RESIDUAL_DAYS
REPLICATIONS = 999
CONFIDENCE = 0.95
# The coverage of the nominal 95 % interval, measured on simulated series with as much noise as ours
# (docs/method.md, Crossover).
COVERAGE = 0.9
SEED = 20260703
# Weekdays and weekends differ, so no block may be shorter than a week.
MIN_BLOCK_DAYS = 7

POINTS_ONLY = "exact token counts; no interval"


@dataclass(frozen=True)
class Interval:
    """When the trend last changed its sign. A bound is None if the replication at that quantile has
    no change."""

    trend_change: date | None
    low: date | None
    high: date | None
    method: str


def last_changes(trends: Any) -> Any:
    """For each row, the position from which on all values have the sign of the last one; -1 if all
    values of the row have it.

    `trends` is a matrix with one series per row.
    """
    import numpy as np

    positive = trends > 0
    differs = positive != positive[:, -1:]
    last = trends.shape[1] - np.argmax(differs[:, ::-1], axis=1)
    return np.where(differs.any(axis=1), last, -1)


@lru_cache(maxsize=1)
def drawn_positions(days: int, block: int) -> Any:
    """The positions that a circular block bootstrap draws from a series of `days` values: a matrix
    with one replication per row.

    Cached, because the lenses and views of a pair of origins mostly need the same positions.
    """
    import numpy as np
    from arch.bootstrap import CircularBlockBootstrap

    bootstrap = CircularBlockBootstrap(block, np.arange(days), seed=np.random.default_rng(SEED))
    return np.stack([data[0] for data, _ in bootstrap.bootstrap(REPLICATIONS)])


def change_interval(days: list[date], log_ratio: Any) -> Interval:
    """The interval of the day on which the trend of one daily series last changed its sign.

    Deterministic: every series is resampled with the same seed.
    """
    import numpy as np

    if len(days) < MIN_DAYS:
        return Interval(
            None, None, None, f"{POINTS_ONLY}: fewer than {MIN_DAYS} days with both origins"
        )
    from scipy.signal import savgol_filter

    trend = savgol_filter(log_ratio, TREND_DAYS, polyorder=1)
    (point,) = last_changes(trend[np.newaxis, :])
    if point < 0:
        return Interval(
            None, None, None, f"{POINTS_ONLY}: the {TREND_DAYS}-day trend never changes its sign"
        )
    if not TREND_DAYS // 2 <= point < len(days) - TREND_DAYS // 2:
        # There the window has days on one side only, and the fit depends on a few of them.
        return Interval(
            None,
            None,
            None,
            f"{POINTS_ONLY}: the trend last changes its sign at an end of the "
            f"series, less than {TREND_DAYS // 2} days from it",
        )
    from arch.bootstrap import optimal_block_length

    residuals = log_ratio - savgol_filter(log_ratio, RESIDUAL_DAYS, polyorder=1)
    residuals = residuals - residuals.mean()
    block = MIN_BLOCK_DAYS
    if residuals.std() > 0:
        optimal = float(optimal_block_length(residuals)["circular"].iloc[0])
        block = min(max(MIN_BLOCK_DAYS, int(np.ceil(optimal))), len(days) // 4)
    drawn = residuals[drawn_positions(len(days), block)]
    found = last_changes(savgol_filter(trend + drawn, TREND_DAYS, polyorder=1, axis=1))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(found, [tail, 1 - tail], method="inverted_cdf")
    return Interval(
        days[int(point)],
        days[int(low)] if low >= 0 else None,
        days[int(high)] if high >= 0 else None,
        "exact token counts; the interval is about trend_change, not about last_change: about "
        f"{100 * COVERAGE:.0f} % (nominal {100 * CONFIDENCE:.0f} % percentile interval) of the "
        f"last change of sign of a {TREND_DAYS}-day local linear trend of the daily log ratio, "
        f"circular block bootstrap (arch {version('arch')}) of the residuals of a "
        f"{RESIDUAL_DAYS}-day one, {REPLICATIONS} replications, blocks of {block} days, "
        f"seed {SEED}",
    )


def _series(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """The key (source, view, lens, origin, rival), the days and the log ratios of every pair.

    Ordered by view before lens, so that consecutive pairs mostly need the same drawn positions.
    """
    import numpy as np

    for *key, days, ratios in connection.execute(
        "select source, registry_view, lens, origin, rival_origin, "
        "list(usage_date order by usage_date), list(log_ratio order by usage_date) "
        "from intermediate.int_crossover_series "
        "group by all order by all"
    ).fetchall():
        yield tuple(key), days, np.array(ratios)


def write_crossover(settings: Settings) -> int:
    """Create `metrics.crossover` in the working database; returns the number of its rows."""
    with duckdb.connect(str(settings.database_path)) as connection:
        connection.execute(
            "create temp table intervals (source varchar, registry_view varchar, lens varchar, "
            "origin varchar, rival_origin varchar, trend_change date, interval_low date, "
            "interval_high date, method varchar)"
        )
        for (*key, origin, rival), days, ratios in _series(connection):
            found = change_interval(days, ratios)
            # The day on which the lead changed is the same for both origins of a pair.
            for pair in ((origin, rival), (rival, origin)):
                connection.execute(
                    "insert into intervals values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                    [*key, *pair, found.trend_change, found.low, found.high, found.method],
                )
        drawn_positions.cache_clear()  # 5 MB; the next run has another number of days
        ((rows,),) = connection.execute(
            f"""
            create or replace table metrics.crossover as
            select
                points.* exclude (periods_compared, periods_led, latest_period),
                {_in_grain("intervals.trend_change")} as trend_change,
                {_in_grain("intervals.interval_low")} as interval_low,
                {_in_grain("intervals.interval_high")} as interval_high,
                points.periods_compared,
                points.periods_led,
                points.latest_period,
                coalesce(
                    intervals.method, '{POINTS_ONLY}: no day on which both origins have tokens'
                ) as method
            from intermediate.int_crossover_points as points
            left join intervals using (source, registry_view, lens, origin, rival_origin)
            """
        ).fetchall()
    return int(rows)


def _in_grain(day: str) -> str:
    """SQL for the first day of the period, in the grain of the row, that contains a day."""
    return (
        f"cast(case points.grain when 'daily' then {day} "
        f"when 'weekly' then date_trunc('week', {day}) "
        f"else date_trunc('month', {day}) end as date)"
    )
