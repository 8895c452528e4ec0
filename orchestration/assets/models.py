"""dbt seeds, models and tests as assets and checks, run by dbtRunner inside this process."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster_dbt import DagsterDbtTranslator, dbt_assets

from orchestration import pipeline
from orchestration.assets.common import (
    OWNERS,
    WRITER_POOL,
    code_version,
    column_schema,
    errors_as_failures,
    markdown_table,
)
from orchestration.assets.figures import newest_day
from orchestration.assets.lineage import column_lineage, known_columns
from orchestration.assets.registry import CHANGES, newest_changes
from orchestration.contracts.odcs import Table, published_by_model, tables
from orchestration.errors import TransformError
from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import read_records
from orchestration.metrics.crossover import write_crossover
from orchestration.publication.manifest import Withheld
from orchestration.resources.installation import Installation
from orchestration.settings import Settings
from orchestration.transformation.dbt import NodeResult, raise_on_failure, run_dbt

_UNIQUE_ID = "dagster_dbt/unique_id"
# By model, the grain whose newest period is shown
_PREVIEWED = {
    "share_by_origin": "weekly",
    "share_by_lab": "weekly",
    "share_by_price_band": "monthly",
}
_PREVIEW_ROWS = 12
# Days with rows there are only those on which something happened.
_SOME_DAYS = {"revisions", "quarantine"}


def _published(dbt_resource_props: Mapping[str, Any]) -> list[Table]:
    """The published tables with rows of a model; none for all other nodes."""
    is_model = dbt_resource_props["resource_type"] == "model"
    return published_by_model().get(dbt_resource_props["name"], []) if is_model else []


class Translator(DagsterDbtTranslator):
    """Groups assets by dbt project folder: registry, staging, intermediate, marts_*, metrics.

    The descriptions of a published table and its columns come from its contract.
    """

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        # dagster-dbt's own description would add the SQL of the model, with its Jinja.
        published = _published(dbt_resource_props)
        if not published:
            return str(dbt_resource_props["description"])
        if not published[0].grain:
            return published[0].description
        return "\n\n".join(
            [
                "One model with the rows of every grain (column `grain`). Published as:",
                *(f"- `{table.name}`: {table.description}" for table in published),
            ]
        )

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        metadata = super().get_metadata(dbt_resource_props)
        published = _published(dbt_resource_props)
        if not published:
            return metadata
        names = ", ".join(table.name for table in published)
        return {**metadata, **column_schema(published[0]), "published_tables": names}

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        if dbt_resource_props["resource_type"] == "seed":
            return "registry"
        folder = dbt_resource_props["fqn"][1:-1]
        return "_".join(folder) or None

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return OWNERS

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "source":
            return dg.AssetKey([dbt_resource_props["source_name"], dbt_resource_props["name"]])
        return dg.AssetKey([dbt_resource_props["name"]])


def _preview(connection: duckdb.DuckDBPyConnection, table: str, grain: str) -> str:
    """The newest complete period of a grain as a Markdown table."""
    relation = connection.sql(
        f"with rows as (select * exclude (source, grain) from {table} where grain = '{grain}') "
        "select * from rows "
        "where period_start = (select max(period_start) from rows where is_complete) "
        f"order by tokens desc limit {_PREVIEW_ROWS}"
    )
    rows = [
        [f"{v:.2%}" if isinstance(v, float) else f"{v:,}" if isinstance(v, int) else str(v)
         for v in row]
        for row in relation.fetchall()
    ]  # fmt: skip
    return markdown_table(relation.columns, rows)


def _metadata(connection: duckdb.DuckDBPyConnection, name: str, schema: str) -> dict[str, Any]:
    table = f"{schema}.{name}"
    columns = {c[0] for c in connection.sql(f"describe {table}").fetchall()}
    # Grains are never added up.
    totals = ", sum(tokens)" if "tokens" in columns and "grain" not in columns else ", null"
    ((rows, tokens),) = connection.execute(f"select count(*){totals} from {table}").fetchall()
    metadata: dict[str, Any] = {"dagster/row_count": rows}
    if tokens is not None:
        metadata["tokens"] = str(tokens)  # as text, because the UI rounds integers above 2^53
    if name in with_days():
        metadata |= newest_day(connection, name, "marts.")
    if grain := _PREVIEWED.get(name):
        preview = dg.MetadataValue.md(_preview(connection, table, grain))
        metadata["newest_complete_period"] = preview
    if name in CHANGES:
        metadata["newest_changes"] = dg.MetadataValue.md(newest_changes(connection, CHANGES[name]))
    return metadata


def with_days() -> list[str]:
    """The published models that have rows for every day of usage, or for every period of it."""
    days = {"usage_date", "period_start"}
    return [
        model
        for model, published in published_by_model().items()
        if days & {field.name for field in published[0].fields} and model not in _SOME_DAYS
    ]


def build_models_asset(manifest: Path) -> dg.AssetsDefinition:
    """The dbt project described by `manifest` as one multi-asset."""

    @dbt_assets(
        manifest=manifest,
        name="dbt_models",
        dagster_dbt_translator=Translator(),
        exclude="resource_type:unit_test tag:requests",
        pool=WRITER_POOL,
    )
    def dbt_models(
        context: dg.AssetExecutionContext, installation: Installation
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        settings = installation.settings()
        with errors_as_failures(), pipeline.writer_lock(settings):
            results: list[NodeResult] = []
            failure = None

            def build(withheld: Sequence[Withheld]) -> None:
                if withheld:  # otherwise `raw_tables` has already loaded the working database
                    pipeline.load(ingested, settings, withheld)
                results[:] = run_dbt(settings)
                raise_on_failure(results)

            ingested = ingest_all(read_records(settings), settings)
            try:
                pipeline.build_or_withhold(build, ingested, settings)
            except TransformError as error:
                failure = error
            yield from _events(context, results, settings)
            if failure:
                raise failure

    return dbt_models


@dg.asset(
    group_name="metrics",
    code_version=code_version("orchestration/metrics"),
    kinds={"python", "duckdb"},
    owners=OWNERS,
    deps=["int_crossover_points", "int_crossover_series"],
    pool=WRITER_POOL,
    description=tables("published")["crossover"].description,
    metadata=column_schema(tables("published")["crossover"]),
)
def crossover(installation: Installation) -> dg.MaterializeResult[None]:
    settings = installation.settings()
    with errors_as_failures(), pipeline.writer_lock(settings):
        rows = write_crossover(settings)
    return dg.MaterializeResult(metadata={"dagster/row_count": rows})


def _events(
    context: dg.AssetExecutionContext, results: list[NodeResult], settings: Settings
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    definition = context.assets_def
    assets = {s.metadata.get(_UNIQUE_ID): s.key for s in definition.specs}
    checks = {(s.metadata or {}).get(_UNIQUE_ID): s.key for s in definition.check_specs}
    with duckdb.connect(str(settings.database_path), read_only=True) as connection:
        located = dict(
            connection.execute(
                "select table_name, table_schema from information_schema.tables"
            ).fetchall()
        )
        known = known_columns(connection, settings.engine)
        for result in results:
            if (key := assets.get(result.unique_id)) and result.ok:
                metadata = _metadata(connection, result.name, located[result.name])
                if result.sql:
                    metadata["dagster/column_lineage"] = column_lineage(result.sql, known)
                yield dg.MaterializeResult(
                    asset_key=key, metadata={**metadata, "seconds": result.seconds}
                )
            elif (check := checks.get(result.unique_id)) and result.status != "skipped":
                yield dg.AssetCheckResult(
                    asset_key=check.asset_key,
                    check_name=check.name,
                    passed=result.ok,
                    metadata={"status": result.status, "failing_rows": result.failures},
                )
