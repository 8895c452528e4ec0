"""Land and check a request log with DuckDB: the allowed columns of a file as text in one Parquet
file, then the number of good rows by day and the quarantine.

These two small files are kept like the rows of every other dump (see `sources.kept`); the good
rows themselves are typed again each time a day is reduced, which is cheaper than keeping them.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from orchestration.errors import RefusedDumpError, resource_problem, safe_text
from orchestration.files import BUILDING_PREFIX
from orchestration.request_logs.base import Head, RequestLog
from orchestration.request_logs.checks import good_days, good_rows, quarantine, tally
from orchestration.settings import Settings
from orchestration.sources.kept import UNREADABLE, KeptRows, kept
from orchestration.tables import parquet, sql_text

ROWS_FILE = "rows.parquet"
# Lines of a CSV file that could not be split into its columns, by number, with what is wrong.
MALFORMED_FILE = "malformed.parquet"
_WHERE = re.compile(r"at byte \d+ in line \d+|line \d+", re.IGNORECASE)


@dataclass(frozen=True)
class LandedRows:
    """The result of copying the allowed columns of a file."""

    rows: int
    malformed: int


@contextmanager
def connect(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that spills to the warehouse, within the memory limit; times without a
    zone are UTC. In a terminal a long query shows its progress."""
    settings.warehouse_dir.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"set memory_limit = {sql_text(settings.duckdb_memory)}")
        connection.execute(f"set temp_directory = {sql_text(settings.spill_dir)}")
        connection.execute("set TimeZone = 'UTC'")
        # DuckDB shows it on stdout after two seconds.
        connection.execute(f"set enable_progress_bar = {sys.stdout.isatty()}")
        yield connection


def copy_allowed(log: RequestLog, head: Head, folder: Path, settings: Settings) -> LandedRows:
    """Copy the allowed columns of a file to ROWS_FILE in a folder, in the order of its rows.

    Raises RefusedDumpError if the file cannot be read in its layout. What DuckDB says of it is not
    repeated, because it may quote the file.
    """
    target = folder / ROWS_FILE
    with connect(settings) as connection:
        try:
            ((rows,),) = connection.execute(
                # The lowest level writes a fifth faster, and no larger files of mostly ids.
                f"copy ({log.rows(head)}) to {sql_text(target)} "
                "(format parquet, compression zstd, compression_level 1)"
            ).fetchall()
            malformed = _keep_malformed(connection, folder) if head.kind == "csv" else 0
        # DuckDB's message may quote bytes of the file that are not UTF-8.
        except (duckdb.Error, UnicodeDecodeError) as error:
            if resource_problem(str(error)) is not None:
                raise
            where = _WHERE.search(str(error))
            raise RefusedDumpError(
                f"{head.name}: cannot be read as {log.name}"
                + (f": the problem is {safe_text(where[0])}" if where else "")
                + f"; expected {log.layouts}"
            ) from None
    return LandedRows(rows, malformed)


def _keep_malformed(connection: duckdb.DuckDBPyConnection, folder: Path) -> int:
    wrong = connection.sql(
        "select cast(line as bigint) as row_number, any_value(lower(cast(error_type as varchar))) "
        "as what from reject_errors group by all order by all"
    ).to_arrow_table()
    if wrong.num_rows:
        pq.write_table(wrong, folder / MALFORMED_FILE, compression="zstd")
    return int(wrong.num_rows)


def rows_with_numbers(folder: Path) -> str:
    """SQL for the landed rows of one folder, with `row_number` from 1."""
    return (
        "(select *, file_row_number + 1 as row_number from read_parquet("
        f"{parquet(folder / ROWS_FILE).removeprefix('read_parquet(')[:-1]}, "
        "file_row_number = true))"
    )


def typed_rows(log: RequestLog, folder: Path, kept_rows: KeptRows) -> str:
    """SQL for the typed good rows of one landed dump (see `checks.good_rows`)."""
    # The number of a malformed row is that of its line: it is not among the landed rows.
    quarantined = (
        f"(select * from {parquet(kept_rows.quarantine_path)} where code <> 'malformed_row')"
    )
    return good_rows(log.table, rows_with_numbers(folder), quarantined, log.time_field)


def keep(
    log: RequestLog, sha256: str, folder: Path, as_of: datetime, settings: Settings
) -> KeptRows:
    """Check the rows of a landed folder; writes the number of good rows by day, and the
    quarantine. Returns their paths."""
    found = kept(log.name, sha256, as_of, settings)
    found.rows_path.parent.mkdir(parents=True, exist_ok=True)
    rows = rows_with_numbers(folder)
    provenance = f"{sql_text(sha256)} as dump_sha256"
    bad = quarantine(log.table, "tallied", as_of)
    if (folder / MALFORMED_FILE).exists():
        bad = (
            "select row_number, 'row' as scope, null as row_key, null as usage_date, "
            "'malformed_row' as code, '*' as field, what as value, "
            "'a line with the columns of the header' as expected "
            f"from {parquet(folder / MALFORMED_FILE)} union all by name ({bad})"
        )
    queries = {
        found.quarantine_path: (
            f"select {provenance}, {sql_text(log.name)} as source, * from ({bad})"
        ),
        found.rows_path: f"select {provenance}, * from ({good_days('tallied')})",
    }
    with connect(settings) as connection:
        tallied = tally(log.table, rows, as_of, log.time_field)
        connection.execute(f"create temp table tallied as {tallied}")
        for path, query in queries.items():
            building = path.with_name(f"{BUILDING_PREFIX}{path.name}")
            # Every night reads the days of all dumps; of a few rows, zstd takes twice as long.
            compression = "snappy" if path == found.rows_path else "zstd"
            connection.execute(
                f"copy ({query}) to {sql_text(building)} "
                f"(format parquet, compression {compression})"
            )
            building.replace(path)
    return found


@dataclass(frozen=True)
class Checked:
    """What is known of a landed dump: its good rows by UTC day, its quarantined rows, and the
    quarantined fields of its good rows."""

    days: Mapping[date, int]
    quarantined_rows: int
    quarantined_fields: int

    @property
    def counts(self) -> tuple[int, int, int]:
        """The numbers of good rows, quarantined rows, and quarantined fields of good rows."""
        return sum(self.days.values()), self.quarantined_rows, self.quarantined_fields


def days_of(kept_rows: KeptRows) -> dict[date, int]:
    """The number of good rows by UTC day of a landed dump."""
    with pq.ParquetFile(kept_rows.rows_path) as file:
        table = file.read(["usage_date", "rows"], use_threads=False)
    return dict(zip(table["usage_date"].to_pylist(), table["rows"].to_pylist(), strict=True))


def checked(kept_rows: KeptRows) -> Checked | None:
    """What the two files say; None if one is missing or not complete."""
    try:
        return Checked(days_of(kept_rows), *kept_rows.quarantined())
    except UNREADABLE:
        return None
