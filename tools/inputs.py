"""Where the inputs of the seeds come from, and that they are the right ones.

`inputs.csv` names each file with the sha256 of its content (decompressed, so that it may be packed
anew), its date, its license and the public address at which it can be had.
"""

import argparse
import csv
import gzip
import hashlib
import tempfile
import urllib.request
from collections.abc import Iterable, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).resolve().parent.parent
SEEDS = ROOT / "dbt_project" / "seeds"
_WEB = ("https://", "http://")
TABLE = Path(__file__).with_name("inputs.csv")

# One row per model and dated snapshot of OpenRouter's catalogue; the day is the file's name.
_CATALOGUE = """
    insert into catalogue
    select
        cast(regexp_extract(parse_filename(filename), '^\\d{4}-\\d{2}-\\d{2}') as date) as taken_on,
        unnest(data) as model
    from read_json(
        ?, columns = {'data': 'JSON[]'}, filename = true, maximum_object_size = 100000000
    )
"""


class Inputs:
    """The files below one folder or address that `inputs.csv` names, or any, if unchecked."""

    def __init__(self, place: str, output: Path = SEEDS, unchecked: bool = False) -> None:
        self.output = output
        self._place = place
        self._unchecked = unchecked
        self._downloads = tempfile.TemporaryDirectory()
        with TABLE.open(encoding="utf-8", newline="") as file:
            self._known = list(csv.DictReader(file))

    def paths(self, pattern: str) -> list[Path]:
        """The files whose names match, sorted.

        Ends the script if one is missing or has another content than `inputs.csv` says.
        """
        if self._unchecked:
            here = sorted(Path(self._place).glob(pattern))
            return here or sorted(ROOT.glob(pattern))
        return [self._checked(row) for row in self._known if fnmatch(row["file"], pattern)]

    def path(self, pattern: str) -> Path:
        """The one file whose name matches."""
        (found,) = self.paths(pattern)
        return found

    def _checked(self, row: dict[str, str]) -> Path:
        name = row["file"]
        origin = f"it is of {row['dated']}, from {row['address']} ({row['license']})"
        path = Path(self._place) / name
        if self._place.startswith(_WEB):
            path = Path(self._downloads.name) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):
                urllib.request.urlretrieve(f"{self._place.rstrip('/')}/{name}", path)  # noqa: S310  # _WEB
        if not path.exists():
            path = ROOT / name  # what this project ships
        if not path.is_file():
            raise SystemExit(f"{name}: is not in {self._place}; {origin}")
        content = path.read_bytes()
        found = hashlib.sha256(gzip.decompress(content) if path.suffix == ".gz" else content)
        if found.hexdigest() != row["sha256"]:
            raise SystemExit(
                f"{name}: its content has the sha256 {found.hexdigest()}, expected "
                f"{row['sha256']}; {origin}. --unchecked takes it all the same"
            )
        return path

    def catalogue(self) -> duckdb.DuckDBPyConnection:
        """A database with the table `catalogue`: taken_on, model (JSON)."""
        connection = duckdb.connect()
        connection.execute("set timezone = 'UTC'")
        connection.execute("create table catalogue (taken_on date, model json)")
        snapshots = self.paths("openrouter/models/[0-9]*.json.gz")
        if snapshots:
            connection.execute(_CATALOGUE, [[str(p) for p in snapshots]])
        return connection

    def write(self, seed: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Write one seed; None is an empty field."""
        with (self.output / seed).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])

    def write_query(self, seed: str, connection: duckdb.DuckDBPyConnection, sql: str) -> None:
        """Write the rows of a query as a seed."""
        rows = connection.execute(sql).fetchall()
        self.write(seed, [column[0] for column in connection.description or ()], rows)


def arguments(description: str | None) -> Inputs:
    """What the command line says; `description` is the script's docstring."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--inputs",
        required=True,
        metavar="FOLDER",
        help="folder, or web address, below which the input files are, by the names and with "
        "the contents that tools/inputs.csv states beside the origin and license of each",
    )
    parser.add_argument(
        "--output", type=Path, default=SEEDS, metavar="FOLDER", help="folder of the seeds"
    )
    parser.add_argument(
        "--unchecked",
        action="store_true",
        help="take whatever files are in the folder: newer states, or another collection",
    )
    given = parser.parse_args()
    if given.unchecked and given.inputs.startswith(_WEB):
        parser.error("--unchecked needs a folder, whose files it can list")
    return Inputs(given.inputs, given.output, given.unchecked)
