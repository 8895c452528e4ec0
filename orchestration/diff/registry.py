"""What changes between two versions of the registry: rows, and the share points that they move."""

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any

from orchestration.registry import View
from orchestration.registry.attribution import CUTS, attribute
from orchestration.registry.check import read_usage
from orchestration.registry.registry import (
    TABLES,
    Version,
    find_version,
    latest_tables,
    load,
)
from orchestration.settings import PRIMARY_SOURCE, Settings
from orchestration.tables import restrict_file_access, rows

if TYPE_CHECKING:
    import duckdb

# The opinions of others are not part of the registry.
_COMPARED = [table for table in TABLES if table != "second_opinions"]

_MOVED = """
    create table moved as
    with slug_days as (
        select usage_date, base_slug, sum(tokens) as tokens from usage group by all
    ),
    both_answers as (
        select
            slug_days.*,
            old as old_answer,
            new as new_answer
        from slug_days
        inner join a.attribution as old
            on slug_days.usage_date = old.usage_date and slug_days.base_slug = old.base_slug
        inner join b.attribution as new
            on slug_days.usage_date = new.usage_date and slug_days.base_slug = new.base_slug
        where old.registry_view = $view and new.registry_view = $view
    )
    {cuts}
"""

_CUT = """
    select
        '{cut}' as cut,
        usage_date,
        date_trunc('month', usage_date)::date as month,
        base_slug,
        coalesce(old_answer.{column}, 'unidentified') as old_value,
        coalesce(new_answer.{column}, 'unidentified') as new_value,
        tokens
    from both_answers
"""

# By cut, value and period: the tokens under each registry, divided by all tokens of the period.
_SHARES = """
    with sides as (
        select cut, month, old_value as value, tokens as old_tokens, 0 as new_tokens from moved
        union all
        select cut, month, new_value as value, 0 as old_tokens, tokens as new_tokens from moved
    ),
    months as (
        select cut, month, value, sum(old_tokens) as old_tokens, sum(new_tokens) as new_tokens
        from sides
        group by all
    ),
    totals as (
        select month, sum(tokens) as all_tokens from usage_months group by month
    ),
    month_points as (
        select
            cut,
            value,
            month,
            cast(100 * (new_tokens - old_tokens) / all_tokens as double) as points
        from months
        inner join totals using (month)
        where new_tokens <> old_tokens
    ),
    most_affected as (
        select
            cut,
            value,
            list(struct_pack(month := month, points := points) order by abs(points) desc, month)
                as months
        from month_points
        group by all
    ),
    windows as (
        select
            cut,
            value,
            cast(sum(old_tokens) as bigint) as old_tokens,
            cast(sum(new_tokens) as bigint) as new_tokens
        from months
        group by all
    )
    select
        windows.cut,
        windows.value,
        windows.old_tokens,
        windows.new_tokens,
        cast(windows.old_tokens / all_tokens as double) as old_share,
        cast(windows.new_tokens / all_tokens as double) as new_share,
        cast(100 * (windows.new_tokens - windows.old_tokens) / all_tokens as double) as points,
        most_affected.months[:3] as months
    from windows
    inner join most_affected using (cut, value)
    cross join (select sum(tokens) as all_tokens from usage_months)
    order by cut, abs(points) desc, value
"""

_SLUGS = """
    select
        cut,
        base_slug,
        old_value,
        new_value,
        cast(sum(tokens) as bigint) as tokens,
        cast(100 * sum(tokens) / (select sum(tokens) from usage_months) as double) as points,
        min(usage_date) as first_day,
        max(usage_date) as last_day
    from moved
    where old_value <> new_value
    group by cut, base_slug, old_value, new_value
    order by cut, tokens desc, base_slug, old_value
"""


def diff(
    a: str,
    b: str,
    settings: Settings,
    today: date,
    view: View = "now",
    source: str = PRIMARY_SOURCE,
) -> dict[str, Any]:
    """The rows that differ, and the share points that they move in the usage of the latest vintage.

    Both versions are read as known today or, if `view` is `then`, as known on each day of use.
    Raises TokenshareError if a version does not exist or cannot be read.
    """
    import duckdb

    old, new = find_version(a, settings), find_version(b, settings)
    latest = latest_tables(settings)
    with duckdb.connect() as connection:
        notices = [*load(connection, old, "a"), *load(connection, new, "b")]
        changes = [
            change
            for table in _COMPARED
            if _is_comparable(table, old, new)
            for change in _row_changes(connection, table)
        ]
        moved: dict[str, Any] = {"shares": [], "slugs": []}
        if latest is None:
            notices.append("nothing is published yet: rows only, no share points")
        else:
            read_usage(connection, latest[1], source)
            restrict_file_access(connection)
            moved = _moves(connection, today, view)
    return {
        "a": {"version": old.label, "asked": a},
        "b": {"version": new.label, "asked": b},
        "rows": changes,
        **moved,
        "view": view,
        "source": source,
        "vintage": latest[0] if latest else None,
        "notices": list(dict.fromkeys(notices)),
    }


def _is_comparable(table: str, old: Version, new: Version) -> bool:
    """False if a vintage does not publish the table: then the checkout's table would be read."""
    return not any(v.is_vintage and v.file(table) is None for v in (old, new))


def _row_changes(connection: "duckdb.DuckDBPyConnection", table: str) -> list[dict[str, Any]]:
    """The rows added, removed and changed. Name, valid_from and known_from identify a row."""
    name = TABLES[table][0]
    old, new = (
        _by_key(rows(connection, f"select * from {schema}.{table}"), name) for schema in ("a", "b")
    )
    changes = []
    for key in sorted(old.keys() | new.keys(), key=str):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        row = after or before or {}
        what = "changed" if before and after else "added" if after else "removed"
        changes.append(
            {
                "table": table,
                "name": row[name],
                "valid_from": row.get("valid_from"),
                "known_from": row.get("known_from"),
                "change": what,
                "columns": {
                    column: [(before or {}).get(column), (after or {}).get(column)]
                    for column in TABLES[table]
                    if (before or {}).get(column) != (after or {}).get(column)
                },
            }
        )
    return changes


def _by_key(listed: list[dict[str, Any]], name: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    seen: Counter[tuple[Any, ...]] = Counter()
    by_key = {}
    for row in listed:
        key = (row[name], row.get("valid_from"), row.get("known_from"))
        # Two rows with the same key are an error that dbt's tests report; here both are shown.
        by_key[(*key, seen[key])] = row
        seen[key] += 1
    return by_key


def _moves(
    connection: "duckdb.DuckDBPyConnection", today: date, view: View
) -> dict[str, list[dict[str, Any]]]:
    for schema in ("a", "b"):
        attribute(connection, schema, "usage", today)
    connection.execute(
        "create table usage_months as select date_trunc('month', usage_date)::date as month, "
        "sum(tokens) as tokens from usage group by all"
    )
    cuts = " union all ".join(_CUT.format(cut=c, column=column) for c, column in CUTS.items())
    connection.execute(_MOVED.format(cuts=cuts), {"view": view})
    return {"shares": rows(connection, _SHARES), "slugs": rows(connection, _SLUGS)}
