"""Keep what a dump was read as, so that nobody parses it twice: two Parquet files per dump.

They lie in `warehouse/raw`, below a fingerprint of the code and contracts that read them, and are
named by the dump's hash and its `as_of`, which the checks depend on: a changed reader or another
`as_of` finds nothing and reads the dump again. Whoever has read a dump keeps it: landing, or
ingestion for dumps that were landed by an older version.
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


@dataclass(frozen=True)
class Kept:
    """The two files of one dump, whether they are there or not."""

    source: str
    sha256: str
    rows_path: Path
    quarantine_path: Path

    def counts(self) -> tuple[int, int, int] | None:
        """Good rows, quarantined rows, and quarantined fields of good rows.

        None if a file is missing or not whole: it is derived, so it is made anew.
        """
        try:
            good, bad = (
                pq.read_metadata(p).num_rows for p in (self.rows_path, self.quarantine_path)
            )
            if not bad:
                return good, 0, 0
            return good, *count_scopes(pq.read_table(self.quarantine_path, columns=["scope"]))
        except (OSError, pa.ArrowInvalid):
            return None

    def write(self, good: pa.Table, bad: pa.Table) -> None:
        """Write what `split_rows` returned."""
        # All rows of one source lie in one table of their own, quarantined ones of all in one.
        bad = bad.add_column(0, "source", pa.repeat(self.source, bad.num_rows))
        for table, path in ((bad, self.quarantine_path), (good, self.rows_path)):
            hashes = pa.repeat(self.sha256, table.num_rows)
            content = pa.BufferOutputStream()
            pq.write_table(table.add_column(0, "dump_sha256", hashes), content, compression="zstd")
            write_atomically(path, content.getvalue().to_pybytes())


def kept_dir(settings: Settings) -> Path:
    """Folder of all that the current reader has read."""
    reader = fingerprint(
        (_PACKAGE / "sources", _PACKAGE / "contracts" / "odcs.py", CONTRACTS_DIR / "raw")
    )
    return settings.warehouse_dir / "raw" / reader[:12]


def kept(source: str, sha256: str, as_of: datetime, settings: Settings) -> Kept:
    """What is kept, or will be, of one dump as it reads on `as_of`."""
    stem = kept_dir(settings) / source / f"{sha256}-{as_of:%Y%m%dT%H%M%S%f}"
    return Kept(
        source,
        sha256,
        stem.with_name(f"{stem.name}.parquet"),
        stem.with_name(f"{stem.name}.quarantine.parquet"),
    )
