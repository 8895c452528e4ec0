"""Create the working database with the schema `raw`, which has the sources of the dbt project.

Every run rebuilds the working database, so a killed run leaves nothing to repair. Only the run
itself opens it; readers use the complete copy in a vintage.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from orchestration.configuration.limits import limits
from orchestration.configuration.raw import load_configuration
from orchestration.contracts.odcs import tables
from orchestration.errors import TransformError
from orchestration.ingestion.ingest import Ingested
from orchestration.publication.manifest import Withheld
from orchestration.publication.withheld import left_out
from orchestration.request_logs import REQUEST_LOGS
from orchestration.settings import Settings
from orchestration.sources import SOURCES
from orchestration.sources.checks import QUARANTINE_SCHEMA
from orchestration.tables import sql_text
from orchestration.transformation.request_days import REQUEST_DAYS_SCHEMA, Day, reduce_requests

# Sums of tokens are 64-bit integers, and their squares must fit into 38 digits. This limit leaves a
# factor of 9. All tokens of the shipped history are 0.0022 of it.
_MOST_TOKENS = 10**18

_DUMPS_SCHEMA = pa.schema(
    [
        ("dump_sha256", pa.string()),
        ("source", pa.string()),
        ("as_of", pa.timestamp("us")),
        ("pulled_at", pa.timestamp("us")),
    ]
)
_REQUEST_ROWS_SCHEMA = pa.schema(
    [("source", pa.string()), ("usage_date", pa.date32()), ("rows", pa.int64())]
)


def _view(
    connection: duckdb.DuckDBPyConnection, name: str, paths: list[Path], schema: pa.Schema
) -> None:
    """Create a view of Parquet files, or an empty table with the same columns if there are none."""
    if paths:
        files = ", ".join(sql_text(p) for p in paths)
        connection.execute(f"create view raw.{name} as select * from read_parquet([{files}])")
    else:
        connection.register("empty", schema.empty_table())
        connection.execute(f"create table raw.{name} as select * from empty")
        connection.unregister("empty")


def _tables_with_tokens() -> dict[str, str]:
    """The raw tables with tokens, each with the date column by which its tokens are summed."""
    return {
        table.name: [f.name for f in table.fields if f.primary_key and f.sql_type == "date"][-1]
        for table in tables("raw").values()
        if any(f.name == "tokens" for f in table.fields)
    }


def _refuse_inexact_sums(connection: duckdb.DuckDBPyConnection, files: dict[str, str]) -> None:
    """Raise TransformError if the tokens of all days are more than can be summed exactly.

    Each single count is within the limits of its contract. The newest dump of each day is counted.
    The message names the dumps and days with the most tokens; `files` has the landed files by hash.
    """
    for table, day in _tables_with_tokens().items():
        found = connection.execute(
            f"""
            with days as (
                select dump_sha256, {day} as day, sum(tokens) as tokens
                from raw.{table} group by all
            ),
            newest as (
                select days.* from days inner join raw.dumps using (dump_sha256)
                qualify row_number() over (
                    partition by source, day order by as_of desc, pulled_at desc, dump_sha256 desc
                ) = 1
            )
            select dump_sha256, day, tokens, sum(tokens) over () as total_tokens
            from newest qualify total_tokens > {_MOST_TOKENS}
            order by tokens desc, day limit 3
            """
        ).fetchall()
        if found:
            days = "".join(
                f"\n  dump {sha:.12} ({files[sha]}), {day}: {tokens:,} tokens"
                for sha, day, tokens, _ in found
            )
            raise TransformError(
                f"{table}: the tokens of all days add up to {found[0][3]:,}; expected at most "
                f"{_MOST_TOKENS:,}, so that every sum is exact. The days with the most:{days}\n"
                "Land a newer dump of these days, or remove the folder of the dump from landing/."
            )


def _request_rows(days: Iterable[Day]) -> pa.Table:
    """The good rows of each day of the request logs whose rows are requests, not sums of them."""
    logs = [
        name
        for name, log in REQUEST_LOGS.items()
        if not any(field.name == "requests" for field in log.table.fields)
    ]
    return pa.Table.from_pylist(
        [
            {"source": day.source, "usage_date": day.usage_date, "rows": day.rows}
            for day in days
            if day.source in logs
        ],
        schema=_REQUEST_ROWS_SCHEMA,
    )


def create_working_database(
    ingested: Iterable[Ingested],
    settings: Settings,
    withheld: Sequence[Withheld] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Path:
    """Replace the working database by one that has only the schema `raw`; returns its path.

    The dumps of `withheld` are left out, and recorded for the candidate.

    Raises TransformError if the tokens of all days are more than can be summed exactly.
    """
    out = left_out(withheld)
    ingested = [i for i in ingested if (i.record.source, i.record.sha256) not in out]
    request_days = reduce_requests(ingested, settings, progress)
    path = settings.database_path
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in path.parent.glob(path.name + "*"):
        stale.unlink()
    dumps = pa.table(
        [
            [i.record.sha256 for i in ingested],
            [i.record.source for i in ingested],
            [i.record.as_of.replace(tzinfo=None) for i in ingested],
            [i.record.pulled_at.replace(tzinfo=None) for i in ingested],
        ],
        schema=_DUMPS_SCHEMA,
    )
    hash_column, source_column = (pa.field(n, pa.string()) for n in ("dump_sha256", "source"))
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema raw")
        connection.register("incoming_dumps", dumps)
        connection.execute("create table raw.dumps as select * from incoming_dumps")
        connection.execute(
            "create table raw.run_settings as "
            "select cast($1 as varchar) as registry_view, cast($2 as date) as registry_as_of, "
            "cast($3 as integer) as fresh_price_days, cast($4 as integer) as settled_after_hours, "
            "cast($5 as double) as tolerated_rows_share, cast($6 as varchar) as withheld, "
            "cast($7 as bigint) as small_cells",
            [
                settings.registry_view,
                settings.registry_as_of,
                limits().price_freshness.fresh_days,
                limits().settled_day.hours_after_day,
                limits().request_log_day.tolerated_rows_share,
                json.dumps([w.model_dump() for w in withheld]),
                settings.small_cells,
            ],
        )
        load_configuration(connection)
        _view(
            connection,
            "quarantine",
            # Nearly all of them are empty, and each that is read costs a run as much as a full one.
            [i.quarantine_path for i in ingested if i.quarantined_rows or i.quarantined_fields],
            pa.schema([hash_column, source_column, *QUARANTINE_SCHEMA]),
        )
        for source in SOURCES.values():
            table = source.table
            _view(
                connection,
                table.name,
                [i.rows_path for i in ingested if i.record.source == source.name],
                pa.schema([hash_column, pa.field("row_number", pa.int64()), *table.arrow_schema()]),
            )
        _view(connection, "request_days", [day.path for day in request_days], REQUEST_DAYS_SCHEMA)
        connection.register("incoming_rows", _request_rows(request_days))
        connection.execute("create table raw.request_rows as select * from incoming_rows")
        _refuse_inexact_sums(connection, {i.record.sha256: i.record.path for i in ingested})
    return path
