"""Compare any two vintages, or any two landed usage dumps of one source.

Only days that are in both are compared. The table `revisions` of a vintage has what its own dumps
restated.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from orchestration.errors import TokenshareError, VerificationError, safe_text
from orchestration.files import reading
from orchestration.landing.store import DumpRecord
from orchestration.publication.manifest import single_match
from orchestration.publication.verify import verify
from orchestration.settings import Settings
from orchestration.sources import SOURCES
from orchestration.tables import open_files, rows

_COMMON_DAYS = """
    create temp view common as
    select source, usage_date from before group by all
    intersect
    select source, usage_date from after group by all
"""
_ORIGINS = """
    with sides as (
        select source, origin, tokens as tokens_before, 0 as tokens_after
        from before inner join common using (source, usage_date)
        union all
        select source, origin, 0 as tokens_before, tokens as tokens_after
        from after inner join common using (source, usage_date)
    ),
    origins as (
        select source, origin, cast(sum(tokens_before) as bigint) as tokens_before,
            cast(sum(tokens_after) as bigint) as tokens_after
        from sides group by all
    ),
    shares as (
        select *, tokens_after - tokens_before as tokens_changed,
            coalesce(tokens_before / nullif(sum(tokens_before) over same_source, 0), 0)
                as share_before,
            coalesce(tokens_after / nullif(sum(tokens_after) over same_source, 0), 0)
                as share_after
        from origins
        window same_source as (partition by source)
    )
    select *, share_after - share_before as share_moved
    from shares
    where tokens_changed <> 0 or share_after <> share_before
    order by abs(tokens_changed) desc, source, origin
"""
_ROWS = """
    with totals_before as (
        select source, usage_date, sum(tokens) as total from before group by all
    ),
    totals_after as (
        select source, usage_date, sum(tokens) as total from after group by all
    ),
    compared as (
        select source, usage_date, model_permaslug,
            before.origin as origin_before, after.origin as origin_after,
            coalesce(before.tokens, 0) as tokens_before,
            coalesce(after.tokens, 0) as tokens_after
        from (from before semi join common using (source, usage_date)) as before
        full outer join (from after semi join common using (source, usage_date)) as after
            using (source, usage_date, model_permaslug)
    )
    select compared.*, tokens_after - tokens_before as tokens_changed,
        (tokens_after - tokens_before) / nullif(tokens_before, 0) as relative_change,
        coalesce(tokens_before / nullif(totals_before.total, 0), 0) as share_before,
        coalesce(tokens_after / nullif(totals_after.total, 0), 0) as share_after
    from compared
    left join totals_before using (source, usage_date)
    left join totals_after using (source, usage_date)
    where tokens_before <> tokens_after
        or (origin_before <> origin_after)
    order by abs(tokens_changed) desc, tokens_after desc, source, usage_date, model_permaslug
"""


@dataclass(frozen=True)
class Side:
    """One of the two sides: its name, and when it was made. `withheld` are the sources that are
    withheld from a vintage."""

    kind: str
    name: str
    as_of: str
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """What changed on the days that both sides have, largest first."""

    before: Side
    after: Side
    days_compared: int
    first_day: str | None
    last_day: str | None
    days_only_before: list[str]
    days_only_after: list[str]
    tokens_before: int
    tokens_after: int
    tokens_moved: int
    rows_changed: int
    origins: list[dict[str, Any]]
    rows: list[dict[str, Any]]


def _days_only(connection: duckdb.DuckDBPyConnection, side: str, other: str) -> list[str]:
    days = connection.execute(
        f"select cast(usage_date as varchar) from (select source, usage_date from {side} "
        f"except select source, usage_date from {other}) order by 1"
    ).fetchall()
    return [day for (day,) in days]


def compare(connection: duckdb.DuckDBPyConnection, before: Side, after: Side) -> Difference:
    """Compare the relations `before` and `after`.

    Their columns are source, usage_date, model_permaslug, tokens and origin, with one row for each
    value of the first three. Raises TokenshareError if no day is in both.
    """
    connection.execute(_COMMON_DAYS)
    ((days, first, last),) = connection.execute(
        "select count(*), cast(min(usage_date) as varchar), cast(max(usage_date) as varchar) "
        "from common"
    ).fetchall()
    if not days:
        raise TokenshareError(
            f"{before.name} and {after.name} have no day in common; expected at least one"
        )
    totals = {}
    for side in ("before", "after"):
        ((tokens,),) = connection.execute(
            f"select cast(sum(tokens) as bigint) from {side} semi join common "
            "using (source, usage_date)"
        ).fetchall()
        totals[side] = int(tokens)
    changed = rows(connection, _ROWS)
    return Difference(
        before,
        after,
        days,
        first,
        last,
        _days_only(connection, "before", "after"),
        _days_only(connection, "after", "before"),
        totals["before"],
        totals["after"],
        sum(abs(row["tokens_changed"]) for row in changed),
        len(changed),
        rows(connection, _ORIGINS),
        changed,
    )


def compare_vintages(before: Path, after: Path) -> Difference:
    """Compare two vintages, each with the origins that it published.

    Nobody prunes them meanwhile. Raises VerificationError if either has changed since it was
    published.
    """
    with reading(before), reading(after):
        return _compare_folders({"before": before, "after": after})


def _compare_folders(folders: dict[str, Path]) -> Difference:
    sides = []
    for folder in folders.values():
        manifest = verify(folder, deep=False)
        newest = max((entry["as_of"] for entry in manifest["inputs"]), default="unknown")
        withheld = tuple(safe_text(entry["source"]) for entry in manifest.get("withheld", ()))
        sides.append(Side("vintage", manifest["vintage_id"], newest, withheld))
    files = {
        f"{side}_{table}": folder / "tables" / f"{table}.parquet"
        for side, folder in folders.items()
        for table in ("usage_daily", "share_by_lab_daily")
    }
    with open_files(files) as connection:
        for side, folder in folders.items():
            try:
                connection.execute(
                    f"""
                    create table {side} as
                    select usage.source, usage.usage_date, usage.model_permaslug, usage.tokens,
                        coalesce(labs.origin, 'unidentified') as origin
                    from {side}_usage_daily as usage
                    left join {side}_share_by_lab_daily as labs
                        on usage.source = labs.source and usage.usage_date = labs.period_start
                        and usage.lab_id = labs.lab_id and labs.lens = 'author_hq'
                    """
                )
            except duckdb.Error as error:
                raise VerificationError(
                    f"{folder}: the tables cannot be read as those of a vintage: {safe_text(error)}"
                ) from error
        return compare(connection, *sides)


def find_dump(name: str, records: list[DumpRecord]) -> DumpRecord:
    """The landed usage dump whose sha256 begins with `name`.

    Raises TokenshareError if there is no such dump or more than one.
    """
    usage = [r for r in records if SOURCES[r.source].kind == "usage"]
    found = [r for r in usage if name and r.sha256.startswith(name.lower())]
    record: DumpRecord = single_match(
        found, name, "landed usage dump", (r.sha256[:12] for r in usage)
    )
    return record


def compare_dumps(database: Path, before: DumpRecord, after: DumpRecord) -> Difference:
    """Compare two dumps of one source, with the origins in the working database.

    `database` must have been built from both dumps (see `pipeline.diff_dumps`).
    """
    if before.source != after.source:
        raise TokenshareError(
            f"{before.sha256[:12]} is of {before.source}, {after.sha256[:12]} of {after.source}; "
            "expected two dumps of the same source"
        )
    sides = []
    with duckdb.connect(str(database), read_only=True) as connection:
        for name, record in (("before", before), ("after", after)):
            sides.append(Side("dump", record.sha256, record.as_of.isoformat()))
            connection.execute(
                f"""
                create temp table {name} as
                select usage.source, usage.usage_date, usage.model_permaslug,
                    cast(sum(usage.tokens) as bigint) as tokens,
                    coalesce(max(attribution.headquarters), 'unidentified') as origin
                from staging.stg_usage as usage
                inner join raw.run_settings as run_settings on true
                left join intermediate.int_attribution as attribution
                    on usage.usage_date = attribution.usage_date
                    and usage.base_slug = attribution.base_slug
                    and run_settings.registry_view = attribution.registry_view
                where usage.source = '{record.source}' and usage.dump_sha256 = '{record.sha256}'
                group by all
                """
            )
        return compare(connection, *sides)


def was_built_from(database: Path, settings: Settings, records: Iterable[DumpRecord]) -> bool:
    """Was the working database built with these settings from dumps that include `records`?"""
    if not database.exists():
        return False
    try:
        with duckdb.connect(str(database), read_only=True) as connection:
            connection.execute("select 1 from intermediate.int_attribution limit 1").fetchall()
            held = {
                row
                for row in connection.execute(
                    "select source, dump_sha256, as_of from raw.dumps"
                ).fetchall()
            }
            reading = connection.execute(
                "select registry_view, registry_as_of from raw.run_settings"
            ).fetchall()
    except duckdb.Error:
        return False
    wanted = [(settings.registry_view, settings.registry_as_of)]
    return reading == wanted and held >= {
        (r.source, r.sha256, r.as_of.replace(tzinfo=None)) for r in records
    }
