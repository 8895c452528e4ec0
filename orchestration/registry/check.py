"""What the registry lacks: slugs without an answer, stale rows, and contradicting opinions."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.errors import TokenshareError, VerificationError, safe_text
from orchestration.registry import faults, opinions
from orchestration.registry.attribution import attribute
from orchestration.registry.registry import (
    TABLES,
    WORKING,
    Version,
    latest_tables,
    load,
)
from orchestration.settings import PRIMARY_SOURCE, Settings
from orchestration.tables import parquet, restrict_file_access, rows

if TYPE_CHECKING:
    import duckdb

# Slugs with a smaller share do not change a published share as it is displayed.
MODEL_DAY_SHARE = 0.001
UNMAPPED_MONTH_SHARE = 0.001

# Tokens by day and slug, with the totals for shares and the present attribution of the slug.
_ANSWERED = """
    create table answered as
    select
        usage.usage_date,
        date_trunc('month', usage.usage_date)::date as month,
        usage.base_slug,
        usage.author,
        usage.tokens,
        attribution.identification,
        attribution.license,
        attribution.headquarters,
        attribution.base_headquarters,
        sum(usage.tokens) over () as window_tokens,
        sum(usage.tokens) over (partition by usage.usage_date) as day_tokens,
        sum(usage.tokens) over (partition by date_trunc('month', usage.usage_date)) as month_tokens
    from (
        select usage_date, base_slug, author, sum(tokens) as tokens from usage group by all
    ) as usage
    inner join registry.attribution as attribution
        on usage.usage_date = attribution.usage_date and usage.base_slug = attribution.base_slug
    where attribution.registry_view = 'now'
"""

# One row per slug that meets a condition on some days, over these days.
_SLUGS = """
    with chosen as (
        select * from answered where {condition}
    ),
    months as (
        select
            base_slug,
            month,
            cast(sum(tokens) / any_value(month_tokens) as double) as share
        from chosen
        group by all
    ),
    best_months as (
        select base_slug, max(share) as best_month_share, max_by(month, share) as best_month
        from months
        group by all
    )
    select
        base_slug,
        any_value(identification) as identification,
        cast(sum(tokens) as bigint) as tokens,
        cast(sum(tokens) / any_value(window_tokens) as double) as share_of_window,
        cast(max(tokens / day_tokens) as double) as best_day_share,
        max_by(usage_date, tokens / day_tokens) as best_day,
        any_value(best_month_share) as best_month_share,
        any_value(best_month) as best_month,
        min(usage_date) as first_day,
        max(usage_date) as last_day,
        any_value(unattributed.reason) as left_unmapped_because
    from chosen
    inner join best_months using (base_slug)
    left join registry.unattributed_authors as unattributed using (author)
    group by base_slug
    having {having}
    order by tokens desc, base_slug
"""

_UNMAPPED = "identification = 'unmapped'"
_NO_MODEL_ROW = (
    "identification not in ('tail', 'router') "
    "and base_slug not in (select base_slug from registry.models)"
)
_UNKNOWN_LICENSE = "license = 'unknown' and identification not in ('tail', 'router')"
_NO_HEADQUARTERS = "identification = 'attributed' and headquarters is null"
_NO_BASE = "identification = 'attributed' and base_headquarters is null"
# Key, condition on a day, condition on a slug; in the order in which the lists are shown.
SLUG_LISTS = (
    ("unmapped", _UNMAPPED, "true"),
    ("models_without_row", _NO_MODEL_ROW, f"max(tokens / day_tokens) >= {MODEL_DAY_SHARE}"),
    ("unknown_license", _UNKNOWN_LICENSE, "true"),
    ("headquarters_unknown", _NO_HEADQUARTERS, "true"),
    ("base_lineage_unknown", _NO_BASE, "true"),
)


def check(
    settings: Settings,
    today: date,
    max_age_days: int,
    source: str = PRIMARY_SOURCE,
    version: Version = WORKING,
) -> dict[str, Any]:
    """Everything that a maintainer of the registry should look at. Lists have the largest first.

    `failures` fail the command with `--strict`, `outdated_judgements` always. Raises
    RegistryFindingsError if a row is bad (`faults`), and TokenshareError if the latest vintage has
    no usage of `source`.
    """
    import duckdb

    faults.refuse(version)
    latest = latest_tables(settings)
    with duckdb.connect() as connection:
        notices = load(connection, version, "registry")
        found: dict[str, Any] = {name: [] for name, _, _ in SLUG_LISTS}
        if latest is None:
            notices.append("nothing is published yet: checks that need usage were skipped")
        else:
            found |= _check_usage(connection, latest[1], source, today)
        restrict_file_access(connection)
        stale = _stale(connection, today, max_age_days)
        compared = opinions.compare(connection, "registry", today, version.judgements)
    contradictions = [o for o in compared if o["verdict"] == "contradicts"]
    unjudged = [o for o in contradictions if o["judgement"] is None]
    heavy = [
        slug
        for slug in found["unmapped"]
        if slug["best_month_share"] > UNMAPPED_MONTH_SHARE and not slug["left_unmapped_because"]
    ]
    failures = [
        f"{len(problem)} {what}"
        for problem, what in (
            (heavy, f"unmapped slugs above {UNMAPPED_MONTH_SHARE:.1%} of a month"),
            (unjudged, "contradictions without a judgement"),
            (stale, f"rows whose evidence is older than {max_age_days} days"),
        )
        if problem
    ]
    return {
        **found,
        "stale": stale,
        "contradictions": contradictions,
        "opinions": {
            verdict: sum(o["verdict"] == verdict for o in compared)
            for verdict in ("agrees", "contradicts", "silent")
        },
        "silent": [o for o in compared if o["verdict"] == "silent"],
        "outdated_judgements": opinions.outdated(
            opinions.read_judgements(version.judgements), compared
        ),
        "failures": failures,
        "max_age_days": max_age_days,
        "registry": version.label,
        "source": source,
        "vintage": latest[0] if latest else None,
        "notices": notices,
    }


def _check_usage(
    connection: "duckdb.DuckDBPyConnection", tables: Path, source: str, today: date
) -> dict[str, Any]:
    read_usage(connection, tables, source)
    attribute(connection, "registry", "usage", today)
    connection.execute(_ANSWERED)
    return {
        name: rows(connection, _SLUGS.format(condition=condition, having=having))
        for name, condition, having in SLUG_LISTS
    }


def read_usage(connection: "duckdb.DuckDBPyConnection", tables: Path, source: str) -> None:
    """Create the table `usage` with the usage of one source of a vintage.

    Raises TokenshareError, which names the existing sources, if it has no rows.
    """
    import duckdb

    path = tables / "usage_daily.parquet"
    if not path.exists():
        raise TokenshareError(f"{path}: is missing; `tokenshare verify` lists all missing files")
    try:
        connection.execute(
            "create table usage as select usage_date, base_slug, author, tokens "
            f"from {parquet(path)} where source = ?",
            [source],
        )
        held = connection.execute(
            f"select distinct source from {parquet(path)} order by all"
        ).fetchall()
    except duckdb.Error as error:
        raise VerificationError(f"{path}: cannot be read: {safe_text(error)}") from error
    if not connection.execute("select 1 from usage limit 1").fetchall():
        raise TokenshareError(
            f"{path}: source {source!r} has no rows; expected {' or '.join(s for (s,) in held)}"
        )


def _stale(
    connection: "duckdb.DuckDBPyConnection", today: date, max_age_days: int
) -> list[dict[str, Any]]:
    """The stale rows of every seed with evidence, oldest first."""
    parts = [
        f"select '{table}' as registry_table, {columns[0]} as name, "
        f"{'valid_from' if 'valid_from' in columns else 'null::date'} as valid_from, "
        f"checked_on from registry.{table}"
        for table, columns in TABLES.items()
        if "checked_on" in columns
    ]
    return rows(
        connection,
        "select *, date_diff('day', checked_on, $today) as age_days "
        f"from ({' union all '.join(parts)}) "
        "where checked_on is null or date_diff('day', checked_on, $today) > $days "
        "order by checked_on nulls first, registry_table, name, valid_from",
        {"today": today, "days": max_age_days},
    )
