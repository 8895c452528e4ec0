"""Reduce request logs to days: one small Parquet file for each source and UTC day, by dbt.

A file is named by the day and by everything that it was made from. So a day is reduced again if a
dump with rows of it arrives or goes, or if the code changes, and no other day is: late rows open
only their day, and the requests of other days are not read again. To find the open days, a night
opens the sidecar and two small files of every landed dump, 0.4 ms of CPU each. The working database
reads the files of the days only.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from orchestration.contracts.odcs import Table
from orchestration.files import BUILDING_PREFIX, fingerprint, remove_leftovers, sha256_bytes
from orchestration.ingestion.ingest import Ingested
from orchestration.landing.store import DumpRecord, check_content
from orchestration.request_logs import REQUEST_LOGS
from orchestration.request_logs.kept import days_of, typed_rows
from orchestration.settings import CONTRACTS_DIR, DBT_PROJECT_DIR, PROJECT_ROOT, Settings
from orchestration.sources.kept import kept
from orchestration.tables import sql_text
from orchestration.transformation.dbt import REDUCE, raise_on_failure, run_dbt

# The most rows and dumps that are reduced at once, unless a single day has more: what is done is
# done, if the run is stopped. dbt takes 2 s for a batch, and longer than in proportion for one with
# many dumps: 73,000 requests of 365 days in 365 dumps took 71 s at once, 24 s with up to 31 dumps
# each, 40 s with 16.
_ROWS_PER_BATCH = 50_000_000
_DUMPS_PER_BATCH = 31

REQUEST_DAYS_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("usage_date", pa.date32()),
        ("dump_sha256", pa.string()),
        ("model_name", pa.string()),
        ("provider_name", pa.string()),
        ("region", pa.string()),
        ("outcome", pa.string()),
        ("requests", pa.int64()),
        ("requests_with_tokens", pa.int64()),
        ("prompt_tokens", pa.int64()),
        ("cache_read_tokens", pa.int64()),
        ("cache_write_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("reasoning_tokens", pa.int64()),
        ("requests_with_cost", pa.int64()),
        ("cost_usd", pa.decimal128(28, 9)),
        ("own_key_cost_usd", pa.decimal128(28, 9)),
    ]
)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Day:
    """One day of one source: the dumps with rows of it, and where its reduction is kept."""

    source: str
    usage_date: date
    records: tuple[DumpRecord, ...]
    rows: int
    path: Path

    @property
    def is_open(self) -> bool:
        """Must it be reduced?"""
        return not self.path.exists()


def _folder(settings: Settings) -> Path:
    """The folder of all days that the current code has reduced."""
    code = (
        PROJECT_ROOT / "orchestration" / "request_logs",
        PROJECT_ROOT / "orchestration" / "transformation" / "request_days.py",
        CONTRACTS_DIR / "raw",
        DBT_PROJECT_DIR / "models" / "requests",
        DBT_PROJECT_DIR / "macros",
    )
    return settings.requests_dir / fingerprint(code)[:12]


def days(records: Iterable[DumpRecord], settings: Settings) -> list[Day]:
    """Every day of every request log among these dumps, by source, oldest first.

    Raises OSError if one of them is not ingested.
    """
    logs = (r for r in records if r.source in REQUEST_LOGS)
    return _days(
        ((r, days_of(kept(r.source, r.sha256, r.as_of, settings))) for r in logs), settings
    )


def ingested_days(ingested: Iterable[Ingested], settings: Settings) -> list[Day]:
    """Like `days`, without opening the files that `ingest_all` has read."""
    return _days(((i.record, i.days) for i in ingested), settings)


def _days(dumps: Iterable[tuple[DumpRecord, Mapping[date, int]]], settings: Settings) -> list[Day]:
    found: dict[tuple[str, date], list[tuple[DumpRecord, int]]] = {}
    for record, own in dumps:
        for day, rows in own.items():
            found.setdefault((record.source, day), []).append((record, rows))
    folder = _folder(settings)
    listed = []
    for (source, day), parts in sorted(found.items()):
        made_from = sorted(f"{r.sha256} {r.as_of.isoformat()}" for r, _ in parts)
        name = f"{day}-{sha256_bytes(chr(10).join(made_from).encode())[:16]}.parquet"
        records = tuple(r for r, _ in parts)
        listed.append(Day(source, day, records, sum(n for _, n in parts), folder / source / name))
    return listed


def _batches(days: Iterable[Day]) -> Iterator[list[Day]]:
    batch: list[Day] = []
    rows, dumps = 0, set[str]()
    for day in days:
        rows += day.rows
        dumps |= {r.sha256 for r in day.records}
        if batch and (rows > _ROWS_PER_BATCH or len(dumps) > _DUMPS_PER_BATCH):
            yield batch
            batch, rows, dumps = [], day.rows, {r.sha256 for r in day.records}
        batch.append(day)
    if batch:
        yield batch


def reduce_requests(
    ingested: Iterable[Ingested], settings: Settings, progress: Progress = lambda _: None
) -> list[Day]:
    """Reduce every day that is not reduced yet; returns all days.

    Raises what `reduce_days` raises.
    """
    wanted = ingested_days(ingested, settings)
    reduce_days([day for day in wanted if day.is_open], settings, progress)
    _remove_others({day.path for day in wanted}, settings)
    return wanted


def reduce_days(
    wanted: Sequence[Day], settings: Settings, progress: Progress = lambda _: None
) -> None:
    """Reduce these days, also those that are reduced already. If it is stopped, the days that are
    done stay done; if a day is reduced again, its file has the same bytes.

    The caller must hold the writer's lock. Raises CorruptLandingError if a dump of these days has
    changed since it was landed, and TransformError if dbt fails.
    """
    remove_leftovers(_folder(settings).glob("*"))
    for record in {r.path: r for day in wanted for r in day.records}.values():
        check_content(settings, record)
    done = 0
    for batch in _batches(wanted):
        dates = [d.usage_date for d in batch]
        progress(
            f"reducing {sum(d.rows for d in batch):,} requests of {min(dates)} to {max(dates)} "
            f"(day {done + 1} of {len(wanted)})"
        )
        _reduce(batch, settings)
        done += len(batch)


@dataclass(frozen=True)
class Reduced:
    """What a day that is reduced has: its requests, and the tokens that marts count."""

    requests: int
    tokens: int


def contents(wanted: Iterable[Day]) -> dict[Path, Reduced]:
    """What the reduced ones of these days have, by file. A day may have nothing: a log has rows
    that are no requests."""
    found = {day.path: Reduced(0, 0) for day in wanted if not day.is_open}
    if not found:
        return {}
    files = ", ".join(sql_text(path) for path in found)
    with duckdb.connect() as connection:
        rows = connection.execute(
            "select filename, cast(sum(requests) as bigint), cast(coalesce(sum("
            # As `stg_request_usage` counts them.
            "prompt_tokens + completion_tokens) filter (outcome not in ('cached', 'test')), 0) "
            f"as bigint) from read_parquet([{files}], filename = true) group by filename"
        ).fetchall()
    return found | {Path(name): Reduced(requests, tokens) for name, requests, tokens in rows}


def _remove_others(wanted: set[Path], settings: Settings) -> None:
    current = _folder(settings)
    for path in current.glob("*/*.parquet"):
        if path not in wanted and not path.name.startswith(BUILDING_PREFIX):
            path.unlink(missing_ok=True)
    for folder in settings.requests_dir.glob("*"):
        if folder != current:
            shutil.rmtree(folder, ignore_errors=True)


def create_reducing_database(batch: Sequence[Day], settings: Settings) -> Path:
    """Create the database in which dbt reduces these days, with a view of the good rows of each
    request log; returns its path."""
    # dbt takes the name of the file for that of the database.
    database = settings.warehouse_dir / "reducing" / settings.database_path.name
    shutil.rmtree(database.parent, ignore_errors=True)
    database.parent.mkdir(parents=True)
    with duckdb.connect(str(database)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("create schema raw")
        for name, log in REQUEST_LOGS.items():
            own = [day for day in batch if day.source == name]
            connection.execute(_raw_view(name, log.table, own, settings))
    return database


def _reduce(batch: Sequence[Day], settings: Settings) -> None:
    """Reduce some days in a database of their own, and keep the result of each."""
    database = create_reducing_database(batch, settings)
    raise_on_failure(run_dbt(settings, REDUCE, database))
    with duckdb.connect(str(database)) as connection:
        for day in batch:
            day.path.parent.mkdir(parents=True, exist_ok=True)
            building = day.path.with_name(f"{BUILDING_PREFIX}{day.path.name}")
            connection.execute(
                f"copy (select {', '.join(REQUEST_DAYS_SCHEMA.names)} "
                "from requests.request_days where source = "
                f"{sql_text(day.source)} and usage_date = date {sql_text(day.usage_date)} "
                f"order by all) to {sql_text(building)} (format parquet, compression zstd)"
            )
            building.replace(day.path)
    shutil.rmtree(database.parent)


def _raw_view(name: str, table: Table, own: Sequence[Day], settings: Settings) -> str:
    """SQL for the view `raw.<name>`: the typed good rows of these days, with their dump."""
    if not own:
        columns = ", ".join(
            f"cast(null as {type_}) as {column}"
            for column, type_ in (
                ("dump_sha256", "varchar"),
                ("as_of", "timestamp"),
                ("row_number", "bigint"),
                ("usage_date", "date"),
                *((f.sql_name, f.sql_type) for f in table.fields),
            )
        )
        return f"create view raw.{name} as select {columns} limit 0"
    dates = {day.usage_date for day in own}
    wanted = ", ".join(f"date {sql_text(date)}" for date in sorted(dates))
    records = {r.sha256: r for day in own for r in day.records}
    log = REQUEST_LOGS[name]
    parts = []
    for r in records.values():
        own_rows = kept(name, r.sha256, r.as_of, settings)
        rows = f"({typed_rows(log, (settings.landing_dir / r.path).parent, own_rows)})"
        if not days_of(own_rows).keys() <= dates:
            # Not a condition: that would read every time once more for each of the days.
            rows += f" semi join (select unnest([{wanted}]) as usage_date) using (usage_date)"
        parts.append(
            f"select {sql_text(r.sha256)} as dump_sha256, "
            f"timestamp {sql_text(r.as_of.replace(tzinfo=None))} as as_of, * from {rows}"
        )
    return f"create view raw.{name} as {' union all '.join(parts)}"
