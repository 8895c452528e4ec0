"""Assembly of the Dagster code location; nothing else belongs here."""

import dagster as dg

from orchestration.assets.landing import landed_dumps, raw_tables
from orchestration.assets.models import build_models_asset, crossover
from orchestration.assets.publication import candidate, vintage
from orchestration.assets.registry import authors_have_rows
from orchestration.automation.nightly import inbox, nightly, publish_vintage
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
            landed_dumps,
            raw_tables,
            build_models_asset(manifest),
            crossover,
            candidate,
            vintage,
        ],
        asset_checks=[authors_have_rows],
        jobs=[publish_vintage],
        schedules=[nightly],
        sensors=[inbox],
        resources={"installation": Installation(data_dir=data_dir)},
    )


defs = build_definitions()
