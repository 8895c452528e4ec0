"""What the registry does not know yet, for the UI: the newest changes of the catalogue and of the
provider list, and authors without a row. The models in marts/registry find them."""

from dataclasses import dataclass

import dagster as dg
import duckdb

from orchestration import pipeline
from orchestration.assets.common import WRITER_POOL, errors_as_failures, markdown_table
from orchestration.resources.installation import Installation

_SHOWN_ROWS = 20


@dataclass(frozen=True)
class Changes:
    """A table of changes, and the table of the landed states that it compares. `columns` and
    `first` are SQL."""

    table: str
    states: str
    what: str
    columns: str
    first: str  # the order of the rows of one kind of change


def _price(which: str) -> str:
    """SQL for a price without trailing zeros."""
    return f"rtrim(rtrim(cast({which}_usd_per_million_tokens as varchar), '0'), '.')"


CHANGES = {
    "catalogue_changes": Changes(
        "marts.catalogue_changes",
        "staging.stg_catalogue_models",
        "catalogue",
        f"""
        change, model_id, field,
        case change when 'price_changed' then {_price("old")}
            else old_canonical_slug end as "before",
        case change when 'price_changed' then {_price("new")}
            else new_canonical_slug end as "after",
        author, case when not author_has_row then 'author without a row' end as note
        """,
        # A new model is shown before a variant of a known one.
        "author_has_row, instr(model_id, ':') > 0, model_id, field",
    ),
    "provider_changes": Changes(
        "marts.provider_changes",
        "staging.stg_provider_lists",
        "provider list",
        'change, provider_slug, provider_name, old_value as "before", new_value as "after"',
        "provider_slug",
    ),
}


def newest_changes(connection: duckdb.DuckDBPyConnection, changes: Changes) -> str:
    """What changed in the newest landed state, as Markdown: counts, then some rows of each kind."""
    days = [
        day
        for (day,) in connection.execute(
            f"select distinct seen_on from {changes.states} order by seen_on desc"
        ).fetchall()
    ]
    if not days:
        return f"No {changes.what} is landed."
    counts = connection.execute(
        f"select change, count(*), any_value(previous_seen_on) from {changes.table} "
        "where seen_on = ? group by change order by change",
        [days[0]],
    ).fetchall()
    said = f"The {changes.what} of {days[0]}"
    if not counts:
        since = (
            f"nothing changed since {days[1]}"
            if len(days) > 1
            else "there is no earlier one to compare it with"
        )
        return f"{said}: {since}."
    relation = connection.sql(
        f"""
        with numbered as (
            select *, row_number() over (partition by change order by {changes.first}) as n
            from {changes.table}
            where seen_on = date '{days[0]}'
        ),
        -- Some rows of every kind, so that many price changes do not hide a new model.
        shown as (
            select * from numbered
            qualify row_number() over (order by n, change) <= {_SHOWN_ROWS}
        )
        select {changes.columns} from shown order by change, n
        """
    )
    total = sum(count for _, count, _ in counts)
    listed = ", ".join(f"{count} {change}" for change, count, _ in counts)
    shown = "" if total <= _SHOWN_ROWS else f" {_SHOWN_ROWS} of {total} rows:"
    table = markdown_table(relation.columns, relation.fetchall())
    return f"{said} compared with that of {counts[0][2]}: {listed}.{shown}\n\n{table}"


@dg.asset_check(
    asset=dg.AssetKey("catalogue_changes"),
    name="authors_have_rows",
    pool=WRITER_POOL,
    description=(
        "Every author in the newest landed catalogue has a row in the registry: in authors, or in "
        "unattributed_authors with the reason. Models of an author without a row are unmapped."
    ),
)
def authors_have_rows(installation: Installation) -> dg.AssetCheckResult:
    settings = installation.settings()
    with (
        errors_as_failures(),
        pipeline.writer_lock(settings),
        duckdb.connect(str(settings.database_path), read_only=True) as connection,
    ):
        authors = connection.execute(
            "select seen_on, author, models, author_has_row "
            "from intermediate.int_catalogue_authors "
            "qualify seen_on = max(seen_on) over () order by author"
        ).fetchall()
    missing = [(author, models) for _, author, models, has_row in authors if not has_row]
    return dg.AssetCheckResult(
        passed=not missing,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "catalogue": str(authors[0][0]) if authors else "none is landed",
            "authors": len(authors),
            "without_a_row": dg.MetadataValue.md(
                markdown_table(["author", "models"], missing) if missing else "none"
            ),
        },
    )
