"""Find the input files of the seeds, and check that they are the right ones.

`inputs.csv` lists each file with the sha256 of its decompressed content (so that it may be
compressed again), its date, its license and the public address where it is available.
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
    """The files in one folder or at one web address: those listed in `inputs.csv` or, if unchecked,
    any."""

    def __init__(self, place: str, output: Path = SEEDS, unchecked: bool = False) -> None:
        self.output = output
        self._place = place
        self._unchecked = unchecked
        self._downloads = tempfile.TemporaryDirectory()
        with TABLE.open(encoding="utf-8", newline="") as file:
            self._known = list(csv.DictReader(file))

    def paths(self, pattern: str) -> list[Path]:
        """The files whose names match the pattern, sorted.

        Exits if one is missing, or if its content does not have the sha256 in `inputs.csv`.
        """
        if self._unchecked:
            here = sorted(Path(self._place).glob(pattern))
            return here or sorted(ROOT.glob(pattern))
        return [self._checked(row) for row in self._known if fnmatch(row["file"], pattern)]

    def path(self, pattern: str) -> Path:
        """The only file whose name matches the pattern."""
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
                f"{row['sha256']}; {origin}. To use it anyway, pass --unchecked"
            )
        return path

    def catalogue(self) -> duckdb.DuckDBPyConnection:
        """A database with the table `catalogue`: taken_on, model (JSON); one row per model."""
        connection = duckdb.connect()
        connection.execute("set timezone = 'UTC'")
        connection.execute("create table catalogue (taken_on date, model json)")
        snapshots = self.paths("openrouter/models/[0-9]*.json.gz")
        if snapshots:
            connection.execute(_CATALOGUE, [[str(p) for p in snapshots]])
        return connection

    def write(self, seed: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Write one seed; None becomes an empty field."""
        with (self.output / seed).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])

    def write_query(self, seed: str, connection: duckdb.DuckDBPyConnection, sql: str) -> None:
        """Write the rows of a query as a seed."""
        rows = connection.execute(sql).fetchall()
        self.write(seed, [column[0] for column in connection.description or ()], rows)


def parse_arguments(description: str | None, output: Path = SEEDS) -> Inputs:
    """Parse the command line and return the inputs; `description` is the script's docstring, and
    `output` the folder that the script writes to unless the command line names another."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--inputs",
        required=True,
        metavar="FOLDER",
        help="folder or web address of the input files; tools/inputs.csv lists their names and "
        "contents, with the origin and license of each",
    )
    parser.add_argument(
        "--output", type=Path, default=output, metavar="FOLDER", help="folder to write to"
    )
    parser.add_argument(
        "--unchecked",
        action="store_true",
        help="use any files in the folder, such as newer states or another collection",
    )
    given = parser.parse_args()
    if given.unchecked and given.inputs.startswith(_WEB):
        parser.error("--unchecked needs a folder: the files at a web address cannot be listed")
    return Inputs(given.inputs, given.output, given.unchecked)
