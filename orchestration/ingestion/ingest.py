"""The typed rows and the quarantine of every landed dump.

A dump that landing has read is not read again. Others (shipped dumps, and dumps that another
version of the reader has read) are read here, once.
"""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from orchestration.files import BUILDING_PREFIX, remove_leftovers
from orchestration.landing.store import DumpRecord, check_content, read_dump
from orchestration.request_logs import REQUEST_LOGS
from orchestration.request_logs.kept import checked, keep
from orchestration.settings import Settings
from orchestration.sources import SOURCES, parse
from orchestration.sources.checks import count_scopes, split_rows
from orchestration.sources.kept import kept, kept_dir


@dataclass(frozen=True)
class Ingested:
    """The two files of one dump, and how many good rows, quarantined rows and quarantined fields
    of good rows they contain. Of a request log the first has the number of good rows by day, which
    is `days`."""

    record: DumpRecord
    rows_path: Path
    quarantine_path: Path
    good_rows: int
    quarantined_rows: int
    quarantined_fields: int
    days: Mapping[date, int] = field(default_factory=dict)


def ingest(record: DumpRecord, settings: Settings) -> Ingested:
    """The rows of one landed dump. The dump is read only if this reader has not read it before.

    Raises CorruptLandingError if the dump must be read and has changed since it was landed.
    """
    found = kept(record.source, record.sha256, record.as_of, settings)
    if log := REQUEST_LOGS.get(record.source):
        known = checked(found)
        if known is None:
            check_content(settings, record)
            folder = (settings.landing_dir / record.path).parent
            known = checked(keep(log, record.sha256, folder, record.as_of, settings))
            assert known, found.rows_path
        return Ingested(record, found.rows_path, found.quarantine_path, *known.counts, known.days)
    counts = found.counts()
    if counts is None:
        source = SOURCES[record.source]
        parsed = parse(read_dump(record, settings), source)
        good, bad = split_rows(parsed, source.table, record.as_of)
        found.write(good, bad)
        counts = (good.num_rows, *count_scopes(bad))
    return Ingested(record, found.rows_path, found.quarantine_path, *counts)


def ingest_all(records: Iterable[DumpRecord], settings: Settings) -> list[Ingested]:
    """The rows of every dump. Removes files of older readers and of dumps that are not in
    `records`."""
    ingested = [ingest(r, settings) for r in records]
    current = kept_dir(settings)
    remove_leftovers(current.glob("*"))
    wanted = {p for i in ingested for p in (i.rows_path, i.quarantine_path)}
    for path in current.glob("*/*.parquet"):
        # A file that another process is writing stays.
        if path not in wanted and not path.name.startswith(BUILDING_PREFIX):
            path.unlink(missing_ok=True)
    for folder in current.parent.glob("*"):
        if folder != current:
            shutil.rmtree(folder, ignore_errors=True)
    return ingested
