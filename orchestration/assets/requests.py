"""Request logs by day: an asset for each source, with a partition for each UTC day of its requests.

A run of `publish_vintage` reduces the open days by itself, in the step `raw_tables`, and shows them
here; so does the sensor `vintages` with the days of runs outside Dagster. A backfill reduces single
days.
"""

from collections.abc import Iterable, Iterator
from datetime import date

import dagster as dg
from pydantic import Field

from orchestration import pipeline
from orchestration.assets.common import (
    OWNERS,
    WRITER_POOL,
    code_version,
    errors_as_failures,
    record_run,
)
from orchestration.landing.store import DumpRecord
from orchestration.request_logs import REQUEST_LOGS
from orchestration.request_logs.base import RequestLog
from orchestration.resources.installation import Installation
from orchestration.settings import Settings
from orchestration.transformation.request_days import Day, contents, days

# None of the formats is older. Earlier days are reduced too, but not shown.
FIRST_DAY = date(2023, 1, 1)
_DAYS = dg.DailyPartitionsDefinition(start_date=FIRST_DAY.isoformat())
# Metadata with the file of a day below `warehouse/requests`; its name has a hash of what the day
# was made from. Empty for a day without requests.
_FILE = "file"
_PAGE = 1000


class ReducedAgain(dg.Config):
    """How a run treats days that are reduced already."""

    again: bool = Field(default=False, description="Reduce them again; the result is the same.")


def _key(source: str) -> dg.AssetKey:
    return dg.AssetKey(["request_days", source])


def _shown(
    source: str, reduced: Iterable[Day], settings: Settings, empty: Iterable[str] = ()
) -> Iterator[dg.AssetMaterialization]:
    """The events that show reduced days of a source, and days that have no requests."""
    reduced = list(reduced)
    found = contents(reduced)
    for day in reduced:
        yield dg.AssetMaterialization(
            _key(source),
            partition=day.usage_date.isoformat(),
            metadata={
                "requests": found[day.path].requests,
                "tokens": found[day.path].tokens,
                "rows": day.rows,
                "dumps": len(day.records),
                _FILE: str(day.path.relative_to(settings.requests_dir)),
            },
        )
    for key in empty:
        yield dg.AssetMaterialization(
            _key(source),
            partition=key,
            description="No landed dump has requests of this day.",
            metadata={"requests": 0, "tokens": 0, "rows": 0, "dumps": 0, _FILE: ""},
        )


def _asset(log: RequestLog) -> dg.AssetsDefinition:
    @dg.asset(
        key=_key(log.name),
        group_name="requests",
        kinds={"dbt", "parquet"},
        owners=OWNERS,
        code_version=code_version(
            "orchestration/request_logs",
            "orchestration/transformation/request_days.py",
            "dbt_project/models/requests",
            "data_contracts/raw",
        ),
        deps=["landed_dumps"],
        partitions_def=_DAYS,
        # One run reduces all days that are chosen in the UI.
        backfill_policy=dg.BackfillPolicy.single_run(),
        output_required=False,
        pool=WRITER_POOL,
        description=(
            f"{log.title}: the requests of one UTC day, each counted once, by model, provider, "
            "region and outcome. The nightly run reduces the days that are open and marks them "
            "here; to materialize a day reduces it if it is open, or again if the run config says "
            "so."
        ),
    )
    def reduced_days(
        context: dg.AssetExecutionContext, config: ReducedAgain, installation: Installation
    ) -> Iterator[dg.Output[None]]:
        settings = installation.settings()
        record_run(context.run, settings, "reduce")
        keys = set(context.partition_keys)

        def is_chosen(day: Day) -> bool:
            return day.source == log.name and day.usage_date.isoformat() in keys

        with errors_as_failures():
            done = pipeline.reduce_chosen(settings, is_chosen, context.log.info, again=config.again)
            empty = keys - {day.usage_date.isoformat() for day in done.days}
            for event in _shown(log.name, done.days, settings, sorted(empty)):
                context.log_event(event)
        yield from ()

    return reduced_days


request_days = [_asset(log) for log in REQUEST_LOGS.values()]


def _files_shown(instance: dg.DagsterInstance, source: str) -> dict[str, object]:
    """The file that each day shows, by partition."""
    files: dict[str, object] = {}
    cursor, has_more = None, True
    while has_more:
        page = instance.fetch_materializations(_key(source), _PAGE, cursor, ascending=True)
        for record in page.records:
            made = record.asset_materialization
            if made is not None and made.partition is not None and _FILE in made.metadata:
                files[made.partition] = made.metadata[_FILE].value
        cursor, has_more = page.cursor, page.has_more
    return files


def unshown_days(
    instance: dg.DagsterInstance, records: Iterable[DumpRecord], settings: Settings
) -> Iterator[dg.AssetMaterialization]:
    """The events that show what the partitions do not show yet: days that have been reduced,
    wherever that was done, and days that have become empty.

    Raises OSError if the dumps of `records` are not ingested.
    """
    by_source: dict[str, dict[str, Day]] = {name: {} for name in REQUEST_LOGS}
    for day in days(records, settings):
        if day.usage_date >= FIRST_DAY:
            by_source[day.source][day.usage_date.isoformat()] = day
    for source, own in by_source.items():
        files = _files_shown(instance, source)
        new = [
            day
            for key, day in own.items()
            if not day.is_open
            and files.get(key) != str(day.path.relative_to(settings.requests_dir))
        ]
        empty = [key for key, file in files.items() if file and key not in own]
        yield from _shown(source, new, settings, empty)
