"""A code location with a schedule that is due every minute, for the test of PostgreSQL."""

import dagster as dg


@dg.op
def step() -> None: ...


@dg.job(executor_def=dg.in_process_executor)
def nothing() -> None:
    step()


defs = dg.Definitions(
    jobs=[nothing],
    schedules=[
        dg.ScheduleDefinition(
            name="every_minute",
            job=nothing,
            cron_schedule="* * * * *",
            default_status=dg.DefaultScheduleStatus.RUNNING,
        )
    ],
)
