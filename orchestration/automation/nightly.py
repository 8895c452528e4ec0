"""One job, one nightly schedule, one sensor on the inbox."""

import dagster as dg

from orchestration.errors import safe_text
from orchestration.files import sha256_bytes
from orchestration.landing.inbox import file_state, scan_inbox
from orchestration.resources.installation import Installation
from orchestration.settings import Settings

publish_vintage = dg.define_asset_job(
    "publish_vintage",
    # Without the assets with days: `landed_dumps` pulls what is new by itself, if its config says
    # so, and `raw_tables` reduces the open days of request logs.
    selection=dg.AssetSelection.all()
    - dg.AssetSelection.assets("pulled_days")
    - dg.AssetSelection.groups("requests"),
    description="Land, ingest, build, gate and publish: the whole graph.",
    # One process takes 1.5 s when warm; with a process per step, imports take 71 s (measured).
    executor_def=dg.in_process_executor,
)

pull_days = dg.define_asset_job(
    "pull_days",
    selection=["pulled_days"],
    description="Pulls the rankings of single days of usage again: a backfill.",
    executor_def=dg.in_process_executor,
)

# The keyless export appears about 01:46 UTC and is revised shortly after; an hour later is safe.
nightly = dg.ScheduleDefinition(
    name="nightly",
    job=publish_vintage,
    cron_schedule=Settings().nightly_cron,
    execution_timezone="UTC",
    run_config={"ops": {"landed_dumps": {"config": {"pull": True}}}},
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Pulls what is new and runs the job, every night after the source has published.",
)


@dg.sensor(
    name="inbox",
    job=publish_vintage,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Runs the job when complete files are in data/inbox/.",
)
def inbox(
    context: dg.SensorEvaluationContext, installation: Installation
) -> dg.RunRequest | dg.SkipReason:
    settings = installation.settings()
    found = scan_inbox(settings)
    if not found.ready:
        left = "; ".join(f"{safe_text(p.name)}: {why}" for p, why in found.left.items())
        return dg.SkipReason(
            f"no file in {settings.inbox_dir} that nobody has written to for "
            f"{settings.inbox_quiet_seconds:g} s" + (f" ({left})" if left else "")
        )
    # One run per state of the inbox.
    state = "".join(f"{p.name}:{file_state(p)};" for p in found.ready)
    return dg.RunRequest(
        run_key=sha256_bytes(state.encode(errors="surrogateescape")),
        tags={"inbox_files": str(len(found.ready))},
    )
