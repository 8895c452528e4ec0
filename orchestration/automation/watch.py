"""What watches runs: the alert of a failed one, runs made outside Dagster, and old runs."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import duckdb

from orchestration import run_log
from orchestration.alerts import Alert, advice, send
from orchestration.assets.common import markdown_list
from orchestration.assets.figures import newest_day
from orchestration.assets.models import with_days
from orchestration.assets.publication import (
    EVERYTHING_PUBLISHED,
    check_results,
    vintage_metadata,
)
from orchestration.assets.requests import unshown_days
from orchestration.automation.freshness import freshness_checks
from orchestration.contracts.odcs import published_by_model
from orchestration.errors import TokenshareError, safe_text
from orchestration.files import format_time
from orchestration.landing.store import read_records
from orchestration.publication.manifest import read_manifest, vintage_time
from orchestration.publication.vintage import Vintage
from orchestration.resources.installation import Installation
from orchestration.settings import Settings
from orchestration.tables import open_tables

# A new instance shows so many of the newest vintages and runs that were made before.
_MOST_SHOWN = 60
# The entrances of runs that Dagster does not see.
_OUTSIDE = ("command_line", "program")
_INTERRUPTED = 130


def alert_of_run(
    run: dg.DagsterRun, message: str, failures: list[dg.DagsterEvent], ui_url: str
) -> tuple[Alert, int | None]:
    """The alert of a failed run and the exit code of its error, from the first step that failed or,
    if none did, from `message`."""
    started_by = next(
        (
            f"{kind} {run.tags[tag]}"
            for kind, tag in (
                ("schedule", "dagster/schedule_name"),
                ("sensor", "dagster/sensor_name"),
            )
            if tag in run.tags
        ),
        "UI",
    )
    failed, why, exit_code = "run", message, None
    if failures:
        data = failures[0].step_failure_data
        failed = f"step {failures[0].step_key}"
        if data.user_failure_data:
            why = data.user_failure_data.description or ""
            found = data.user_failure_data.metadata.get("exit_code")
            exit_code = int(str(found.value)) if found else None
        elif data.error:
            why = (data.error.cause or data.error).message
    alert = Alert(
        f"{run.job_name} {run.run_id[:8]} ({started_by})",
        failed,
        why,
        advice(exit_code),
        f"{ui_url.rstrip('/')}/runs/{run.run_id}",
    )
    return alert, exit_code


@dg.run_failure_sensor(
    name="alert",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends an alert for every failed run to the receivers that TOKENSHARE_ALERT_… set.",
)
def alert(context: dg.RunFailureSensorContext, installation: Installation) -> None:
    settings = installation.settings()
    failures = list(context.get_step_failure_events())
    found, exit_code = alert_of_run(
        context.dagster_run,
        context.failure_event.message or "",
        failures,
        str(settings.ui_url),
    )
    # The last check has recorded what was published, and why the run failed all the same.
    if not any(event.step_key == EVERYTHING_PUBLISHED for event in failures):
        run_log.end(
            settings,
            context.dagster_run.run_id,
            "failed",
            exit_code=exit_code or TokenshareError.exit_code,
            error=found.why,
        )
    for problem in send(found, settings):
        context.log.error(problem)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.CANCELED,
    name="canceled",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Enters a canceled run into the run log. Nobody gets an alert.",
)
def canceled(context: dg.RunStatusSensorContext, installation: Installation) -> None:
    run_log.end(
        installation.settings(), context.dagster_run.run_id, "canceled", exit_code=_INTERRUPTED
    )


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    name="done",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Enters the end of a run into the run log, if the run did not publish.",
)
def done(context: dg.RunStatusSensorContext, installation: Installation) -> None:
    settings = installation.settings()
    run_id = context.dagster_run.run_id
    if any(run.run_id == run_id and run.ended is None for run in run_log.read_runs(settings)):
        run_log.end(settings, run_id, "done")


def _events(
    made: Vintage, installation: Installation
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """What a run of Dagster would have reported of a vintage and of its tables."""
    metadata = vintage_metadata(made, installation.settings())
    yield dg.AssetMaterialization(
        "vintage", description="Made outside Dagster, by `tokenshare run`.", metadata=metadata
    )
    for result in check_results(made.gate_results):
        yield dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("vintage"),
            check_name=str(result.check_name),
            passed=result.passed,
            severity=result.severity,
            metadata=result.metadata,
        )
    rows = {entry["path"]: entry["rows"] for entry in made.manifest["outputs"]}
    with open_tables(made.path / "tables") as connection:
        for model in with_days():
            tables = [f"tables/{table.name}.parquet" for table in published_by_model()[model]]
            yield dg.AssetMaterialization(
                model,
                metadata={
                    "dagster/row_count": sum(rows.get(path) or 0 for path in tables),
                    "vintage_id": made.vintage_id,
                    **newest_day(connection, model),
                },
            )


def _run_metadata(run: run_log.Run) -> dict[str, str | int | dg.MarkdownMetadataValue]:
    """How a run ended. An event has the time of the sensor, so the times of the run are here."""
    said: dict[str, str | int | dg.MarkdownMetadataValue] = {
        "run_id": run.run_id,
        "command": f"tokenshare {run.what}",
        "started": format_time(run.started),
        "ended": format_time(run.ended) if run.ended else "never",
        "outcome": run.state,
        "left_out": dg.MetadataValue.md(markdown_list(run.error.splitlines())),
    }
    if run.exit_code:
        said |= {"exit_code": run.exit_code, "what_to_do": advice(run.exit_code)}
    return said


def _runs_outside(
    instance: dg.DagsterInstance, settings: Settings
) -> Iterator[dg.AssetObservation | dg.AssetCheckEvaluation]:
    """The runs of the command line that have ended and are not shown yet: an observation of
    `vintage` for each, and the check with which a run of Dagster ends, unless a newer run of
    Dagster has said it already."""
    shown = {
        str(found.asset_observation.metadata["run_id"].value)
        for found in instance.fetch_observations(dg.AssetKey("vintage"), limit=1000).records
        if found.asset_observation and "run_id" in found.asset_observation.metadata
    }
    runs = [
        run
        for run in run_log.read_runs(settings)
        if run.what not in ("pull", "reduce") and run.state not in ("running", "canceled")
    ]
    inside = [n for n, run in enumerate(runs) if run.entrance not in _OUTSIDE]
    for number, run in list(enumerate(runs))[-_MOST_SHOWN:]:
        if run.entrance not in _OUTSIDE or run.run_id in shown:
            continue
        metadata = _run_metadata(run)
        yield dg.AssetObservation(
            "vintage", description=f"{metadata['command']}: {run.state}", metadata=metadata
        )
        if number > max(inside, default=-1):
            yield dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("vintage"),
                check_name=EVERYTHING_PUBLISHED,
                passed=not run.is_bad,
                metadata=metadata,
            )


@dg.sensor(
    name="vintages",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    asset_selection=dg.AssetSelection.checks(*freshness_checks),
    description="Shows the runs of `tokenshare run`, also failed ones, and their vintages, as if "
    "Dagster had made them.",
)
def vintages(
    context: dg.SensorEvaluationContext, installation: Installation
) -> dg.SensorResult | dg.SkipReason:
    instance = context.instance
    running = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
    if instance.get_run_records(running, limit=1):
        return dg.SkipReason("a run is in progress, which will show its own vintage")
    shown = {
        str(found.asset_materialization.metadata["vintage_id"].value)
        for found in instance.fetch_materializations(dg.AssetKey("vintage"), limit=1000).records
        if found.asset_materialization
    }
    settings = installation.settings()
    folders = [p for p in settings.vintages_dir.glob("*") if vintage_time(p.name)]
    events: list[dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation] = []
    for folder in sorted(folders)[-_MOST_SHOWN:]:
        if folder.name in shown:
            continue
        try:
            events += _events(Vintage(folder.name, folder, read_manifest(folder)), installation)
        except (TokenshareError, duckdb.Error) as error:
            # An older version may have made it, or somebody has damaged it; `verify` tells.
            context.log.warning(f"{folder.name} is not shown: {safe_text(error)}")
    events += _runs_outside(instance, settings)
    if events:
        try:
            events += unshown_days(instance, read_records(settings), settings)
        except OSError as error:
            # Another version has ingested the dumps; the next run of this one shows their days.
            context.log.warning(f"days of request logs are not shown: {safe_text(error)}")
    else:
        return dg.SkipReason("every vintage and every run is shown")
    keys = [key for checks in freshness_checks for key in checks.check_keys]
    return dg.SensorResult(asset_events=events, run_requests=[dg.RunRequest(asset_check_keys=keys)])


@dg.op(description="Deletes finished runs that are older than TOKENSHARE_KEEP_DAGSTER_DAYS.")
def delete_runs(context: dg.OpExecutionContext, installation: Installation) -> None:
    kept_since = datetime.now(UTC) - timedelta(days=installation.settings().keep_dagster_days)
    finished = [
        dg.DagsterRunStatus.SUCCESS,
        dg.DagsterRunStatus.FAILURE,
        dg.DagsterRunStatus.CANCELED,
    ]
    old = dg.RunsFilter(statuses=finished, created_before=kept_since)
    records = context.instance.get_run_records(old)
    for record in records:
        context.instance.delete_run(record.dagster_run.run_id)
    context.log.info(f"deleted {len(records)} run(s) from before {kept_since:%Y-%m-%d %H:%M} UTC")


@dg.job(
    description="Deletes old runs with their logs. Vintages and dumps are not touched.",
    executor_def=dg.in_process_executor,
)
def tidy_runs() -> None:
    delete_runs()


tidy = dg.ScheduleDefinition(
    name="tidy",
    job=tidy_runs,
    cron_schedule="15 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Deletes old runs every day.",
)
