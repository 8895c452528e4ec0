"""Pulls, landing and raw: dumps by content hash, then typed rows and the quarantine."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

import dagster as dg
import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from orchestration import pipeline
from orchestration.assets.common import (
    OWNERS,
    WRITER_POOL,
    code_version,
    errors_as_failures,
    record_run,
)
from orchestration.assets.requests import request_days, unshown_days
from orchestration.errors import PullError, safe_text
from orchestration.files import format_time
from orchestration.ingestion.ingest import Ingested, ingest_all
from orchestration.landing.store import DumpRecord, read_records
from orchestration.pulling.pull import PullResult
from orchestration.pulling.pull import pull as pull_new
from orchestration.pulling.rankings import FIRST_DAY
from orchestration.resources.installation import Installation
from orchestration.settings import PRIMARY_SOURCE, Settings
from orchestration.sources import SOURCES

# Other tables of the schema `raw`: the configuration.
_CONFIGURED = {
    "run_settings": "One row: how this run reads the registry, and how long a price is fresh.",
    "countries": "One row per country.",
    "corrections": "One row per known error of an upstream source, with its correction.",
    "rule_sets": "One row per rule set: how others count.",
    "rule_set_windows": "One row per rule set and kind of window that it is used with.",
    "rule_set_labs": "One row per rule set and lab of its universe.",
    "rule_set_groups": "One row per rule set, group and term of the group.",
    "claims": "One row per published claim.",
}


_LANDING = ("orchestration/landing", "orchestration/sources", "data_contracts/raw")


_PULLING = (*_LANDING, "orchestration/pulling")
# Days of usage. The dumps of a pull have many of them; a backfill asks for single ones.
DAYS = dg.DailyPartitionsDefinition(start_date=FIRST_DAY.isoformat())


@dg.asset(
    group_name="landing",
    kinds={"file"},
    owners=OWNERS,
    code_version=code_version(*_PULLING),
    partitions_def=DAYS,
    # One run asks for all days that are chosen in the UI, one after the other.
    backfill_policy=dg.BackfillPolicy.single_run(),
    output_required=False,
    pool=WRITER_POOL,
    description=(
        "The rankings of one UTC day of usage, as pulled from the source. The nightly run pulls "
        "what is new by itself and marks its days here; a backfill asks for days again."
    ),
)
def pulled_days(
    context: dg.AssetExecutionContext, installation: Installation
) -> Iterator[dg.Output[None]]:
    settings = installation.settings()
    record_run(context.run, settings, "pull")
    failures = []
    with errors_as_failures():
        for key in context.partition_keys:
            pulled = pipeline.pull(settings, context.log.info, date.fromisoformat(key))
            _tell(context, pulled)
            if pulled.failure or date.fromisoformat(key) not in _days(read_records(settings)):
                failures.append(f"{key}: {pulled.failure or 'no dump has this day'}")
            else:
                context.log_event(_pulled(key, pulled))
        if failures:
            raise PullError("\n".join(failures))
    yield from ()


def _days(records: Iterable[DumpRecord]) -> set[date]:
    """The days of usage in the windows of dumps of the rankings."""
    windows = [
        (r.window_start, r.window_end)
        for r in records
        if r.source == PRIMARY_SOURCE and r.window_start and r.window_end
    ]
    return {
        first + timedelta(days=n) for first, last in windows for n in range((last - first).days + 1)
    }


def _pulled(day: str, pulled: PullResult) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        "pulled_days",
        partition=day,
        metadata={
            "calls": pulled.calls,
            "new_dumps": [landed.record.sha256 for landed in pulled.landed if landed.is_new],
        },
    )


def _tell(context: dg.AssetExecutionContext, pulled: PullResult) -> None:
    for notice in (*pulled.notices, *(n for one in pulled.landed for n in one.notices)):
        context.log.warning(safe_text(notice, 2000))


def _pull_all(context: dg.AssetExecutionContext, settings: Settings) -> PullResult:
    """Pull what is new, and mark the days of the dumps that are new."""
    pulled = pull_new(settings, context.log.info)
    _tell(context, pulled)
    for day in sorted(_days(one.record for one in pulled.landed if one.is_new)):
        context.log_event(_pulled(day.isoformat(), pulled))
    return pulled


class Landing(dg.Config):
    """What a run lands besides the files of the inbox."""

    pull: bool = Field(
        default=False, description="Land first what is new on the network, as the schedule does."
    )


@dg.asset(
    group_name="landing",
    kinds={"file"},
    owners=OWNERS,
    code_version=code_version(*_PULLING),
    deps=[pulled_days],
    pool=WRITER_POOL,
    description=(
        "Raw dumps by content hash, with provenance. Lands the shipped history of each source of "
        "which no other dump is landed; if the run pulls, what is new on the network; then every "
        "complete file in the inbox."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "inbox_accepted",
            asset="landed_dumps",
            description="No file in the inbox was refused; refused files are in inbox/refused. The "
            "run goes on with the others, and fails at its end.",
        ),
        dg.AssetCheckSpec(
            "rankings_pulled",
            asset="landed_dumps",
            description="If the run pulls: the source answered with all rankings that are new. The "
            "run goes on with what is landed, and fails at its end.",
        ),
    ],
)
def landed_dumps(
    context: dg.AssetExecutionContext, config: Landing, installation: Installation
) -> Iterator[dg.MaterializeResult[None]]:
    settings = installation.settings()
    record_run(context.run, settings)
    with errors_as_failures(), pipeline.writer_lock(settings):
        notices = pipeline.tidy_up(settings)
        pulled = _pull_all(context, settings) if config.pull else PullResult()
        records, inbox = pipeline.land_waiting(settings)
    for notice in (*inbox.notices, *(n for one in inbox.landed for n in one.notices)):
        context.log.warning(safe_text(notice, 2000))
    newest = max((r.as_of for r in records), default=None)
    rows = "\n".join(
        f"| {r.source} | {format_time(r.as_of)} | {r.rows} | {r.bytes} | `{r.sha256[:12]}` |"
        for r in reversed(records[-20:])
    )
    yield dg.MaterializeResult(
        metadata={
            "dumps": len(records),
            "new_dumps": sum(landed.is_new for landed in (*pulled.landed, *inbox.landed)),
            "calls": pulled.calls,
            "newest_as_of": format_time(newest) if newest else "none",
            "newest": dg.MetadataValue.md(
                "| source | as of | rows | bytes | sha256 |\n|---|---|---|---|---|\n" + rows
            ),
            "left_in_inbox": "\n".join(inbox.notices) or "none",
            "refused": [safe_text(message, 2000) for _, message in inbox.refused],
            "pull_failure": safe_text(pulled.failure, 2000),
            "gaps": [gap.describe() for gap in pulled.gaps],
            "notices": "\n".join(notices) or "none",
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="inbox_accepted",
                passed=not inbox.refused,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={safe_text(path.name, 255): message for path, message in inbox.refused},
            ),
            dg.AssetCheckResult(
                check_name="rankings_pulled",
                passed=not pulled.failure,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={"failure": safe_text(pulled.failure, 2000) or "none"},
            ),
        ],
    )


def _tokens(items: list[Ingested]) -> int:
    columns = (pq.read_table(i.rows_path, columns=["tokens"])["tokens"] for i in items)
    return sum(pc.sum(column).as_py() or 0 for column in columns)


def _upstream(name: str) -> list[dg.AssetKey]:
    """What a table of the schema `raw` is made from."""
    if name in ("request_days", "request_rows"):
        return [asset.key for asset in request_days]
    return [] if name in _CONFIGURED else [dg.AssetKey("landed_dumps")]


@dg.multi_asset(
    name="raw_tables",
    specs=[
        dg.AssetSpec(
            ["raw", name],
            deps=_upstream(name),
            group_name="configuration" if name in _CONFIGURED else "raw",
            kinds={"duckdb"} if name in _CONFIGURED else {"parquet", "duckdb"},
            owners=OWNERS,
            description=description,
            code_version=code_version(
                *_LANDING,
                "orchestration/ingestion",
                "orchestration/transformation",
                "configuration",
            ),
        )
        for name, description in [
            ("dumps", "One row per landed dump, with its provenance."),
            ("quarantine", "One row per refused row or field of a dump, with the reason."),
            (
                "request_days",
                "One row per source, day, dump, model name, provider, region and outcome of the "
                "request logs. Only days with new rows are reduced again.",
            ),
            (
                "request_rows",
                "One row per source and day of the request logs that have a row a request, with "
                "its good rows.",
            ),
            *_CONFIGURED.items(),
            *((s.name, s.table.description) for s in SOURCES.values()),
        ]
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "rows_accounted_for",
            asset=["raw", "dumps"],
            blocking=True,
            description="Every row of every dump is either among the typed rows or in quarantine.",
        ),
        dg.AssetCheckSpec(
            "nothing_in_quarantine",
            asset=["raw", "quarantine"],
            description="No row and no field of a row is in quarantine.",
        ),
    ],
    pool=WRITER_POOL,
)  # fmt: skip
def raw_tables(
    context: dg.AssetExecutionContext, installation: Installation
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Load the typed rows of every landed dump into a new working database."""
    settings = installation.settings()
    with errors_as_failures(), pipeline.writer_lock(settings):
        ingested = ingest_all(read_records(settings), settings)
        pipeline.build_or_withhold(
            lambda withheld: pipeline.load(ingested, settings, withheld, context.log.info),
            ingested,
            settings,
        )
        for day in unshown_days(context.instance, [i.record for i in ingested], settings):
            context.log_event(day)
    lost = [i for i in ingested if i.good_rows + i.quarantined_rows != i.record.rows]
    quarantined = sum(i.quarantined_rows for i in ingested)
    bad_fields = sum(i.quarantined_fields for i in ingested)
    yield dg.MaterializeResult(
        asset_key=["raw", "dumps"], metadata={"dagster/row_count": len(ingested)}
    )
    yield dg.MaterializeResult(
        asset_key=["raw", "quarantine"],
        metadata={
            "dagster/row_count": quarantined + bad_fields,
            "rows": quarantined,
            "fields": bad_fields,
        },
    )
    with duckdb.connect(str(settings.database_path), read_only=True) as connection:
        for name in ("request_days", "request_rows", *_CONFIGURED):
            ((rows,),) = connection.execute(f"select count(*) from raw.{name}").fetchall()
            yield dg.MaterializeResult(
                asset_key=["raw", name], metadata={"dagster/row_count": rows}
            )
    for source in SOURCES.values():
        own = [i for i in ingested if i.record.source == source.name]
        metadata: dict[str, int] = {
            "dagster/row_count": sum(i.good_rows for i in own),
            "dumps": len(own),
        }
        if source.kind == "usage":
            metadata["tokens_in_all_dumps"] = _tokens(own)
        yield dg.MaterializeResult(asset_key=["raw", source.name], metadata=metadata)
    yield dg.AssetCheckResult(
        asset_key=dg.AssetKey(["raw", "dumps"]),
        check_name="rows_accounted_for",
        passed=not lost,
        metadata={"dumps_with_lost_rows": [i.record.sha256 for i in lost]},
    )
    yield dg.AssetCheckResult(
        asset_key=dg.AssetKey(["raw", "quarantine"]),
        check_name="nothing_in_quarantine",
        passed=not quarantined and not bad_fields,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            i.record.path: f"{i.quarantined_rows} row(s), {i.quarantined_fields} field(s)"
            for i in ingested
            if i.quarantined_rows or i.quarantined_fields
        },
    )
