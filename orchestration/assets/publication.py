"""Candidate and vintage. The gate runs in the step of the vintage; its rules are asset checks."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration import pipeline, run_log
from orchestration.assets.common import (
    OWNERS,
    WRITER_POOL,
    code_version,
    errors_as_failures,
    markdown_list,
    markdown_table,
    markdown_text,
)
from orchestration.assets.figures import figures_of
from orchestration.contracts.odcs import published_by_model, tables
from orchestration.errors import GateRefusedError, safe_text
from orchestration.gate.run import RuleResult, blocking_rules, rule_titles
from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import read_records
from orchestration.publication.candidate import newest_candidate
from orchestration.publication.vintage import Vintage, latest_vintage
from orchestration.resources.installation import Installation
from orchestration.settings import Settings


@dg.asset(
    group_name="publication",
    kinds={"parquet", "duckdb"},
    owners=OWNERS,
    deps=list(published_by_model()),
    pool=WRITER_POOL,
    code_version=code_version(
        "orchestration/publication",
        "orchestration/transformation/docs.py",
        "data_contracts/published",
    ),
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


def check_results(results: tuple[RuleResult, ...]) -> list[dg.AssetCheckResult]:
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
                "rows": dg.MetadataValue.md(markdown_list(v.rows)),
            },
        )
        for v in results
    ]


def vintage_metadata(
    made: Vintage, settings: Settings
) -> dict[str, dg.MetadataValue | str | bool | float | int]:
    """What the UI shows of a vintage: its numbers, then links, then the shares, newest first."""
    newest_first = sorted(made.manifest["headline"], key=lambda h: h["period_start"], reverse=True)
    shares = markdown_table(
        ["week of", "origin", "as known", "share", "at least", "at most"],
        [
            [h["period_start"], h["origin"], h["registry_view"]]
            + [f"{h[k]:.2%}" for k in ("share", "share_low", "share_high")]
            for h in newest_first
        ],
    )
    url = f"{settings.served_url}/vintages/{made.vintage_id}"
    return {
        **figures_of(made),
        "vintage_id": made.vintage_id,
        "created_at": made.manifest["created_at"],
        "published_by_this_run": made.is_new,
        "vintage": dg.MetadataValue.path(str(made.path)),
        "report": dg.MetadataValue.url(f"{url}/report/index.html"),
        "gate": dg.MetadataValue.url(f"{url}/gate/index.html"),
        "manifest_sha256": made.manifest["manifest_sha256"],
        "shares": dg.MetadataValue.md(shares),
        "citation": "\n".join(made.manifest["citations"]),
    }


@dg.asset(
    group_name="publication",
    kinds={"greatexpectations", "parquet"},
    owners=OWNERS,
    deps=[candidate],
    pool=WRITER_POOL,
    code_version=code_version(
        "orchestration/gate", "orchestration/publication", "orchestration/report", "configuration"
    ),
    description=(
        "The newest immutable vintage: gate, report, manifest, one rename, `latest.json`. "
        "Publishes nothing if dumps and code are those of the latest vintage."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            _check_name(rule),
            asset="vintage",
            description=title,
            blocking=rule in blocking_rules(),
        )
        for rule, title in rule_titles().items()
    ]
    + [
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
            yield from check_results(failure.__cause__.results)
        raise
    yield dg.MaterializeResult(metadata=vintage_metadata(made, settings))
    yield from check_results(made.gate_results)
    for notice in made.notices:
        context.log.info(notice)
    for one in made.withheld:
        context.log.warning(one.describe())
    yield dg.AssetCheckResult(
        check_name="no_source_withheld",
        passed=not made.withheld,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={safe_text(one.source): markdown_text(one.describe()) for one in made.withheld},
    )


EVERYTHING_PUBLISHED = "everything_published"


@dg.multi_asset_check(
    name=EVERYTHING_PUBLISHED,
    specs=[
        dg.AssetCheckSpec(
            EVERYTHING_PUBLISHED,
            asset="vintage",
            blocking=True,
            description="This run left nothing out: no file of the inbox was refused, no source is "
            "withheld, and the rankings were pulled and PostgreSQL was loaded if they were to be. "
            "It is asked last, and loads PostgreSQL: a run that leaves something out publishes the "
            "rest and then fails.",
        )
    ],
)
def everything_published(
    context: dg.AssetCheckExecutionContext, installation: Installation
) -> Iterator[dg.AssetCheckResult]:
    settings = installation.settings()
    landed = _said_in_this_run(context, "landed_dumps")
    made = _said_in_this_run(context, "vintage")
    with errors_as_failures():
        vintage = latest_vintage(settings) if made else None
        not_served = pipeline.serve_latest(settings, context.log.info) if made else ""
    refused = [str(text) for text in landed.get("refused", [])]
    problem = (
        pipeline.left_out_error(vintage, refused, landed.get("pull_failure", ""), not_served)
        if vintage
        else None
    )
    if vintage:
        run_log.end(
            settings,
            context.run.run_id,
            "published" if made["published_by_this_run"] else "nothing_new",
            exit_code=problem.exit_code if problem else 0,
            error=str(problem or ""),
            vintage_id=vintage.vintage_id,
        )
    left_out = dg.MetadataValue.md(markdown_list(str(problem or "").splitlines()))
    yield dg.AssetCheckResult(passed=problem is None, metadata={"left_out": left_out})
    with errors_as_failures():
        if problem:
            raise problem


def _said_in_this_run(context: dg.AssetCheckExecutionContext, asset: str) -> dict[str, Any]:
    """The metadata of an asset by name, if this run has made the asset, else nothing."""
    found = context.instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
    made = found[0].asset_materialization if found else None
    if made is None or found[0].run_id != context.run.run_id:
        return {}
    return {name: value.value for name, value in made.metadata.items()}
