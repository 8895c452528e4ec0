"""Keep the rows that were read from a dump, so that it is parsed only once: two Parquet files each.

The files are in `warehouse/raw`, in a folder named by the fingerprint of the code and contracts
that read them. Their names have the hash of the dump and its `as_of`, which the checks depend on.
With a changed reader or another `as_of` there is no such file, and the dump is read again. The
room that reads a dump also keeps its rows: landing or, for dumps that an older version landed,
ingestion.

Every night opens the files of all dumps, so it uses `pq.ParquetFile`; `pq.read_table`, which makes
a data set of each file, takes six times as long.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.files import fingerprint, write_atomically
from orchestration.settings import CONTRACTS_DIR, PROJECT_ROOT, Settings
from orchestration.sources.checks import count_scopes

_PACKAGE = PROJECT_ROOT / "orchestration"
_READERS = (
    _PACKAGE / "sources",
    _PACKAGE / "request_logs",
    _PACKAGE / "contracts" / "odcs.py",
    CONTRACTS_DIR / "raw",
)
# What pyarrow raises for a file that is missing or not complete, or lacks a column.
UNREADABLE = (OSError, ValueError, KeyError)


@dataclass(frozen=True)
class KeptRows:
    """The paths of the two files of one dump. The files may not exist yet."""

    source: str
    sha256: str
    rows_path: Path
    quarantine_path: Path

    def counts(self) -> tuple[int, int, int] | None:
        """The numbers of good rows, quarantined rows, and quarantined fields of good rows.

        None if a file is missing or not complete: both can be derived again.
        """
        try:
            return pq.read_metadata(self.rows_path).num_rows, *self.quarantined()
        except UNREADABLE:
            return None

    def quarantined(self) -> tuple[int, int]:
        """The numbers of quarantined rows, and of quarantined fields of good rows.

        Raises one of UNREADABLE if the file is missing or not complete.
        """
        with pq.ParquetFile(self.quarantine_path) as file:
            if not file.metadata.num_rows:
                return 0, 0
            return count_scopes(file.read(["scope"], use_threads=False))

    def write(self, good: pa.Table, bad: pa.Table) -> None:
        """Write the two tables that `split_rows` returned."""
        # Each source has a table for its rows; all sources share one table for the quarantine.
        bad = bad.add_column(0, "source", pa.repeat(self.source, bad.num_rows))
        for table, path in ((bad, self.quarantine_path), (good, self.rows_path)):
            hashes = pa.repeat(self.sha256, table.num_rows)
            content = pa.BufferOutputStream()
            pq.write_table(table.add_column(0, "dump_sha256", hashes), content, compression="zstd")
            write_atomically(path, content.getvalue().to_pybytes())


def kept_dir(settings: Settings) -> Path:
    """The folder with all files that the current reader has written."""
    return settings.warehouse_dir / "raw" / fingerprint(_READERS)[:12]


def kept(source: str, sha256: str, as_of: datetime, settings: Settings) -> KeptRows:
    """The paths of the files of one dump, read with this `as_of`."""
    stem = kept_dir(settings) / source / f"{sha256}-{as_of:%Y%m%dT%H%M%S%f}"
    return KeptRows(
        source,
        sha256,
        stem.with_name(f"{stem.name}.parquet"),
        stem.with_name(f"{stem.name}.quarantine.parquet"),
    )
