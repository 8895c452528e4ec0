"""Landing and raw: dumps by content hash, then typed rows and the quarantine."""

from collections.abc import Iterator

import dagster as dg
import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration import pipeline
from orchestration.assets.common import (
    OWNERS,
    RETRY,
    WRITER_POOL,
    code_version,
    errors_as_failures,
)
from orchestration.errors import safe_text
from orchestration.files import format_time
from orchestration.ingestion.ingest import Ingested, ingest_all
from orchestration.landing.store import read_records
from orchestration.resources.installation import Installation
from orchestration.sources import SOURCES

# Other tables of the schema `raw`: the configuration, and the usage of the previous vintage. No
# dump is in them.
_CONFIGURED = {
    "run_settings": "One row: how this run reads the registry, and how long a price is fresh.",
    "previous_usage_daily": "One row per source, UTC day and model of the previous vintage.",
    "corrections": "One row per known error of an upstream source, with its correction.",
    "rule_sets": "One row per rule set: how others count.",
    "rule_set_windows": "One row per rule set and kind of window that it is used with.",
    "rule_set_labs": "One row per rule set and lab of its universe.",
    "rule_set_groups": "One row per rule set, group and term of the group.",
    "claims": "One row per published claim.",
}


_LANDING = ("orchestration/landing", "orchestration/sources", "data_contracts/raw")


@dg.asset(
    group_name="landing",
    code_version=code_version(*_LANDING),
    kinds={"file"},
    owners=OWNERS,
    retry_policy=RETRY,
    pool=WRITER_POOL,
    description=(
        "Raw dumps by content hash, with provenance. Lands the shipped history of each source of "
        "which no other dump is landed, then every complete file in the inbox."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "inbox_accepted",
            asset="landed_dumps",
            description="No file in the inbox was refused; refused files are in inbox/refused.",
        )
    ],
)
def landed_dumps(installation: Installation) -> Iterator[dg.MaterializeResult[None]]:
    settings = installation.settings()
    with errors_as_failures(), pipeline.writer_lock(settings):
        notices = pipeline.tidy_up(settings)
        records, inbox = pipeline.land_waiting(settings)
    for notice in (*inbox.notices, *(n for one in inbox.landed for n in one.notices)):
        dg.get_dagster_logger().warning(notice)
    newest = max((r.as_of for r in records), default=None)
    rows = "\n".join(
        f"| {r.source} | {format_time(r.as_of)} | {r.rows} | {r.bytes} | `{r.sha256[:12]}` |"
        for r in reversed(records[-20:])
    )
    yield dg.MaterializeResult(
        metadata={
            "dumps": len(records),
            "new_dumps": sum(landed.is_new for landed in inbox.landed),
            "newest_as_of": format_time(newest) if newest else "none",
            "newest": dg.MetadataValue.md(
                "| source | as of | rows | bytes | sha256 |\n|---|---|---|---|---|\n" + rows
            ),
            "left_in_inbox": "\n".join(inbox.notices) or "none",
            "refused": [safe_text(message, 2000) for _, message in inbox.refused],
            "notices": "\n".join(notices) or "none",
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="inbox_accepted",
                passed=not inbox.refused,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={safe_text(path.name, 255): message for path, message in inbox.refused},
            )
        ],
    )


def _tokens(items: list[Ingested]) -> int:
    columns = (pq.read_table(i.rows_path, columns=["tokens"])["tokens"] for i in items)
    return sum(pc.sum(column).as_py() or 0 for column in columns)


@dg.multi_asset(
    name="raw_tables",
    specs=[
        dg.AssetSpec(
            ["raw", name],
            deps=[] if name in _CONFIGURED else ["landed_dumps"],
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
    retry_policy=RETRY,
    pool=WRITER_POOL,
)  # fmt: skip
def raw_tables(
    installation: Installation,
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Load the typed rows of every landed dump into a new working database."""
    settings = installation.settings()
    with errors_as_failures(), pipeline.writer_lock(settings):
        ingested = ingest_all(read_records(settings), settings)
        pipeline.build_or_withhold(
            lambda withheld: pipeline.load(ingested, settings, withheld), ingested, settings
        )
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
        for name in _CONFIGURED:
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
