"""Candidate and vintage. The gate runs in the step of the vintage; its rules are asset checks."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from orchestration import pipeline
from orchestration.assets.common import (
    OWNERS,
    RETRY,
    WRITER_POOL,
    errors_as_failures,
    markdown_table,
    markdown_text,
)
from orchestration.contracts.odcs import published_by_model, tables
from orchestration.errors import GateRefusedError, safe_text
from orchestration.files import format_time
from orchestration.gate.run import RuleResult, rule_titles
from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import read_records
from orchestration.publication.candidate import newest_candidate
from orchestration.publication.vintage import Vintage
from orchestration.resources.installation import Installation

# The source publishes once a day, about 01:46 UTC. A late dump is missing for less than two days.
_STALE_AFTER = timedelta(days=2)


@dg.asset(
    group_name="publication",
    kinds={"parquet", "duckdb"},
    owners=OWNERS,
    deps=list(published_by_model()),
    retry_policy=RETRY,
    pool=WRITER_POOL,
    description="Every published table, in a folder of its own, for the gate to check.",
    check_specs=[
        dg.AssetCheckSpec(
            "all_tables_written",
            asset="candidate",
            blocking=True,
            description="The candidate has a file for every table of data_contracts/published.",
        )
    ],
)
def candidate(installation: Installation) -> Iterator[dg.MaterializeResult[None]]:
    settings = installation.settings()
    with errors_as_failures(), pipeline.writer_lock(settings):
        built = pipeline.export(ingest_all(read_records(settings), settings), settings)
    written = {p.stem for p in built.tables_dir.glob("*.parquet")}
    yield dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(built.path)),
            "tables": len(written),
            "inputs_sha256": built.inputs_sha256,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="all_tables_written", passed=written == set(tables("published"))
            )
        ],
    )


def _check_name(rule: str) -> str:
    return f"gate_{rule.lower()}"


def _results(results: tuple[RuleResult, ...]) -> list[dg.AssetCheckResult]:
    return [
        dg.AssetCheckResult(
            check_name=_check_name(v.rule),
            passed=v.passed,
            severity=(
                dg.AssetCheckSeverity.ERROR
                if v.severity == "blocker"
                else dg.AssetCheckSeverity.WARN
            ),
            metadata={
                "observed": v.observed,
                "failing": v.failing,
                "rows": dg.MetadataValue.md(
                    "\n".join(f"- {markdown_text(row)}" for row in v.rows) or "none"
                ),
            },
        )
        for v in results
    ]


def _metadata(made: Vintage) -> dict[str, dg.MetadataValue | str | bool]:
    shares = markdown_table(
        ["week of", "origin", "as known", "share", "at least", "at most"],
        [
            [h["period_start"], h["origin"], h["registry_view"]]
            + [f"{h[k]:.2%}" for k in ("share", "share_low", "share_high")]
            for h in made.manifest["headline"]
        ],
    )
    return {
        "vintage_id": made.vintage_id,
        "published_by_this_run": made.is_new,
        "vintage": dg.MetadataValue.path(str(made.path)),
        "report": dg.MetadataValue.url(made.report.as_uri()),
        "gate": dg.MetadataValue.url((made.path / "gate" / "index.html").as_uri()),
        "manifest_sha256": made.manifest["manifest_sha256"],
        "shares": dg.MetadataValue.md(shares),
        "citation": "\n".join(made.manifest["citations"]),
    }


@dg.asset(
    group_name="publication",
    kinds={"greatexpectations", "parquet"},
    owners=OWNERS,
    deps=[candidate],
    retry_policy=RETRY,
    pool=WRITER_POOL,
    description=(
        "The newest immutable vintage: gate, report, manifest, one rename, `latest.json`. "
        "Publishes nothing if dumps and code are those of the latest vintage."
    ),
    check_specs=[
        dg.AssetCheckSpec(_check_name(rule), asset="vintage", description=title)
        for rule, title in rule_titles().items()
    ]
    + [
        dg.AssetCheckSpec(
            "source_is_fresh",
            asset="vintage",
            description="The newest dump was made less than two days ago.",
        ),
        dg.AssetCheckSpec(
            "no_source_withheld",
            asset="vintage",
            description="No source is withheld: every source is published as it was landed.",
        ),
    ],
)
def vintage(
    context: dg.AssetExecutionContext, installation: Installation
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    settings = installation.settings()
    try:
        with errors_as_failures(), pipeline.writer_lock(settings):
            made = pipeline.publish_or_withhold(
                newest_candidate(settings), settings, context.log.info
            )
    except dg.Failure as failure:
        if isinstance(failure.__cause__, GateRefusedError):
            yield from _results(failure.__cause__.results)
        raise
    yield dg.MaterializeResult(metadata=_metadata(made))
    yield from _results(made.gate_results)
    newest = max(datetime.fromisoformat(i["as_of"]) for i in made.manifest["inputs"])
    yield dg.AssetCheckResult(
        check_name="source_is_fresh",
        passed=datetime.now(UTC) - newest < _STALE_AFTER,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"newest_as_of": format_time(newest)},
    )
    for one in made.withheld:
        context.log.warning(one.describe())
    yield dg.AssetCheckResult(
        check_name="no_source_withheld",
        passed=not made.withheld,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={safe_text(one.source): markdown_text(one.describe()) for one in made.withheld},
    )
