"""Typed rows and what is quarantined of every landed dump. What landing has read is not read again;
what it has not (shipped dumps, those of another version of the reader) is read here, once."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestration.files import BUILDING_PREFIX, remove_leftovers
from orchestration.landing.store import DumpRecord, read_dump
from orchestration.settings import Settings
from orchestration.sources import SOURCES, parse
from orchestration.sources.checks import split_rows
from orchestration.sources.kept import kept, kept_dir


@dataclass(frozen=True)
class Ingested:
    """The two files of one dump and what they hold: rows, and bad fields of good rows."""

    record: DumpRecord
    rows_path: Path
    quarantine_path: Path
    good_rows: int
    quarantined_rows: int
    quarantined_fields: int


def ingest(record: DumpRecord, settings: Settings) -> Ingested:
    """The rows of one landed dump, which is read if this reader has not read it before.

    Raises CorruptLandingError if the dump has to be read and has changed since it was landed.
    """
    found = kept(record.source, record.sha256, record.as_of, settings)
    if not found.is_there:
        source = SOURCES[record.source]
        parsed = parse(read_dump(record, settings), source)
        found.write(*split_rows(parsed, source.table, record.as_of))
    return Ingested(record, found.rows_path, found.quarantine_path, *found.counts())


def ingest_all(records: Iterable[DumpRecord], settings: Settings) -> list[Ingested]:
    """The rows of every dump; removes what older readers left behind and what is read no more."""
    ingested = [ingest(r, settings) for r in records]
    current = kept_dir(settings)
    remove_leftovers(current.glob("*"))
    wanted = {p for i in ingested for p in (i.rows_path, i.quarantine_path)}
    for path in current.glob("*/*.parquet"):
        # What another process is writing right now is its own.
        if path not in wanted and not path.name.startswith(BUILDING_PREFIX):
            path.unlink(missing_ok=True)
    for folder in current.parent.glob("*"):
        if folder != current:
            shutil.rmtree(folder, ignore_errors=True)
    return ingested
