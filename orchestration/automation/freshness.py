"""Is the newest day in the data new enough? Asked in every run, and again once it may be too old.

`FreshnessPolicy` of Dagster looks at the time of a materialization: a dump made today with data of
last month would pass. These checks look at `dagster/last_updated_timestamp` of the materialization,
for which the assets give the end of the newest day in their data.
"""

import warnings
from datetime import timedelta

import dagster as dg

from orchestration.assets.models import with_days

# The source publishes a day once, about 01:46 UTC after it. One night without data is tolerated.
_STALE_AFTER = timedelta(days=2)

with warnings.catch_warnings():
    # Superseded by FreshnessPolicy, which cannot look at the data.
    warnings.simplefilter("ignore", dg.SupersessionWarning)
    freshness_checks = dg.build_last_update_freshness_checks(
        assets=[*with_days(), "vintage"], lower_bound_delta=_STALE_AFTER
    )
    freshness = dg.build_sensor_for_freshness_checks(
        name="freshness",
        freshness_checks=freshness_checks,
        minimum_interval_seconds=15 * 60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
