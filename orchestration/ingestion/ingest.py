"""Ingest landed dumps into `warehouse/raw`: typed rows and what is quarantined, one file each.

Files are named by the dump's hash and its `as_of`, which the checks depend on, in a folder per
source below a fingerprint of the code and contracts that read it: an unchanged dump is read once,
and a changed reader or another `as_of` reads it again.
"""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.contracts.odcs import tables
from orchestration.files import BUILDING_PREFIX, fingerprint
from orchestration.landing.store import DumpRecord
from orchestration.settings import CONTRACTS_DIR, PROJECT_ROOT, Settings
from orchestration.sources import SOURCES, Dump, parse
from orchestration.sources.checks import count_scopes, split_rows

_PACKAGE = PROJECT_ROOT / "orchestration"


@dataclass(frozen=True)
class Ingested:
    """The two files of one dump and what they hold: rows, and bad fields of good rows."""

    record: DumpRecord
    rows_path: Path
    quarantine_path: Path
    good_rows: int
    quarantined_rows: int
    quarantined_fields: int


def raw_dir(settings: Settings) -> Path:
    """Folder of the current reader's output."""
    reader = fingerprint(
        (
            _PACKAGE / "sources",
            _PACKAGE / "ingestion",
            _PACKAGE / "contracts" / "odcs.py",
            CONTRACTS_DIR / "raw",
        )
    )
    return settings.warehouse_dir / "raw" / reader[:12]


def _write(table: pa.Table, path: Path) -> None:
    temporary = path.with_name(f"{BUILDING_PREFIX}{os.getpid()}-{path.name}")
    pq.write_table(table, temporary, compression="zstd")
    temporary.replace(path)


def _row_count(path: Path) -> int | None:
    """Rows of a Parquet file, None where it is missing or damaged: it is derived, so made anew."""
    try:
        rows: int = pq.read_metadata(path).num_rows
    except (OSError, pa.ArrowInvalid):
        return None
    return rows


def ingest(record: DumpRecord, settings: Settings) -> Ingested:
    """Read one landed dump; a no-op where this reader has read it before."""
    folder = raw_dir(settings) / record.source
    key = f"{record.sha256}-{record.as_of:%Y%m%dT%H%M%S%f}"
    rows_path = folder / f"{key}.parquet"
    quarantine_path = folder / f"{key}.quarantine.parquet"
    if _row_count(rows_path) is None or _row_count(quarantine_path) is None:
        folder.mkdir(parents=True, exist_ok=True)
        source = SOURCES[record.source]
        # Without limits: it was within those of the day on which it was landed.
        dump = Dump.read(settings.landing_dir / record.path, not_after=record.as_of)
        good, bad = split_rows(parse(dump, source), tables("raw")[source.contract], record.as_of)
        # All rows of one source lie in one table of their own, quarantined ones of all in one.
        bad = bad.add_column(0, "source", pa.repeat(record.source, bad.num_rows))
        for table, path in ((bad, quarantine_path), (good, rows_path)):
            hashes = pa.repeat(record.sha256, table.num_rows)
            _write(table.add_column(0, "dump_sha256", hashes), path)
    good_rows = _row_count(rows_path)
    assert good_rows is not None
    bad_rows, bad_fields = count_scopes(pq.read_table(quarantine_path, columns=["scope"]))
    return Ingested(record, rows_path, quarantine_path, good_rows, bad_rows, bad_fields)


def ingest_all(records: Iterable[DumpRecord], settings: Settings) -> list[Ingested]:
    """Read every dump; remove what older readers left behind and what is read no more."""
    ingested = [ingest(r, settings) for r in records]
    current = raw_dir(settings)
    wanted = {p for i in ingested for p in (i.rows_path, i.quarantine_path)}
    for path in current.glob("*/*.parquet"):
        if path not in wanted:
            path.unlink(missing_ok=True)
    for folder in current.parent.glob("*"):
        if folder != current:
            shutil.rmtree(folder, ignore_errors=True)
    return ingested
