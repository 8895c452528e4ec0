"""Assembly of the Dagster code location; nothing else belongs here."""

import dagster as dg

from orchestration.assets.landing import landed_dumps, pulled_days, raw_tables
from orchestration.assets.models import build_models_asset, crossover
from orchestration.assets.publication import candidate, everything_published, vintage
from orchestration.assets.registry import authors_have_rows
from orchestration.assets.requests import request_days
from orchestration.automation.freshness import freshness, freshness_checks
from orchestration.automation.nightly import inbox, nightly, publish_vintage, pull_days
from orchestration.automation.watch import alert, canceled, done, tidy, tidy_runs, vintages
from orchestration.resources.installation import Installation
from orchestration.settings import Settings
from orchestration.transformation.dbt import ensure_manifest


def build_definitions(settings: Settings | None = None) -> dg.Definitions:
    """The code location. `settings` replaces those of the environment (tests pass them).

    Parses the dbt project if its manifest is missing or older than the project.
    """
    manifest = ensure_manifest(settings or Settings())
    data_dir = str(settings.data_dir) if settings else ""
    return dg.Definitions(
        assets=[
            pulled_days,
            landed_dumps,
            *request_days,
            raw_tables,
            build_models_asset(manifest),
            crossover,
            candidate,
            vintage,
        ],
        asset_checks=[authors_have_rows, everything_published, *freshness_checks],
        jobs=[publish_vintage, pull_days, tidy_runs],
        schedules=[nightly, tidy],
        sensors=[inbox, freshness, vintages, alert, canceled, done],
        resources={"installation": Installation(data_dir=data_dir)},
        # Also for assets that are started one by one: a process per step would import for 40 s.
        executor=dg.in_process_executor,
    )


defs = build_definitions()
