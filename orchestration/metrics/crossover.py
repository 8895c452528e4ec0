"""The table `crossover`: point figures from SQL, and how sure the date of a change of lead can be.

Everything is there twice: with the registry as known then and as known now.
The interval is that of the day on which the trend of the log ratio of two origins' daily tokens
last changed its sign. The trend is a local linear fit; blocks of what is left over are drawn anew,
put back on the trend, and the trend of each such history is asked for its day (percentile
interval). Method, assumptions and references: docs/method.md. scipy and arch are imported on use.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import duckdb

from orchestration.settings import Settings

# A quarter: shorter windows take single launches for trends, longer ones blur the crossing.
TREND_DAYS = 91
# What is resampled is left over from a trend twice as wide: a narrow one takes a part of lasting
# noise for itself, and intervals come out too short (measured: docs/method.md, Crossover).
RESIDUAL_DAYS = 181
# Two windows: below that the trend is made of its own ends.
MIN_DAYS = 2 * RESIDUAL_DAYS
REPLICATIONS = 999
CONFIDENCE = 0.95
# What the nominal 95 % covered on made-up series as noisy as ours (docs/method.md, Crossover).
COVERAGE = 0.9
SEED = 20260703
# Weekdays and weekends differ: no block may tear a week apart.
MIN_BLOCK_DAYS = 7

POINTS_ONLY = "exact token counts; no interval"


@dataclass(frozen=True)
class Interval:
    """When the trend last changed its sign. An end is None where replications find no change."""

    trend_change: date | None
    low: date | None
    high: date | None
    method: str


def last_changes(trends: Any) -> Any:
    """Per row, the position from which the sign of the last value has held; -1 where it always did.

    `trends` is a matrix with one history per row.
    """
    import numpy as np

    positive = trends > 0
    differs = positive != positive[:, -1:]
    last = trends.shape[1] - np.argmax(differs[:, ::-1], axis=1)
    return np.where(differs.any(axis=1), last, -1)


@lru_cache(maxsize=1)
def drawn_positions(days: int, block: int) -> Any:
    """Positions that circular blocks draw from a series: a matrix of one replication per row.

    The lenses and views on a pair of origins mostly ask for the same ones.
    """
    import numpy as np
    from arch.bootstrap import CircularBlockBootstrap

    bootstrap = CircularBlockBootstrap(block, np.arange(days), seed=np.random.default_rng(SEED))
    return np.stack([data[0] for data, _ in bootstrap.bootstrap(REPLICATIONS)])


def change_interval(days: list[date], log_ratio: Any) -> Interval:
    """The interval of the last change of sign of the trend of one daily series.

    Deterministic: every series is resampled from the same seed.
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
        # There the window has days on one side only: the fit leans on a few of them.
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
    """Key (source, view, lens, origin, rival), days and log ratios of every pair.

    By view before lens, so that neighbors mostly ask for the same draws.
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
    """Make `metrics.crossover` in the working database; returns its number of rows."""
    with duckdb.connect(str(settings.database_path)) as connection:
        connection.execute(
            "create temp table intervals (source varchar, registry_view varchar, lens varchar, "
            "origin varchar, rival_origin varchar, trend_change date, interval_low date, "
            "interval_high date, method varchar)"
        )
        for (*key, origin, rival), days, ratios in _series(connection):
            found = change_interval(days, ratios)
            # The change of lead of a pair is the same day seen from either side.
            for pair in ((origin, rival), (rival, origin)):
                connection.execute(
                    "insert into intervals values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                    [*key, *pair, found.trend_change, found.low, found.high, found.method],
                )
        drawn_positions.cache_clear()  # 5 MB that the next run, of another day, does not need
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
    """SQL for the period of the row's grain that holds a day."""
    return (
        f"cast(case points.grain when 'daily' then {day} "
        f"when 'weekly' then date_trunc('week', {day}) "
        f"else date_trunc('month', {day}) end as date)"
    )
