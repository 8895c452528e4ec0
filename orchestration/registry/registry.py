"""Load a version of the registry into DuckDB: the seeds in a folder, or the tables of a vintage.

This module knows where versions are and which types their columns have. The dbt models know what
the rows mean (see `attribution`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.errors import TokenshareError, VerificationError
from orchestration.publication.manifest import find_vintage, read_latest
from orchestration.settings import CONFIGURATION_DIR, DBT_PROJECT_DIR, Settings
from orchestration.tables import parquet, sql_text

if TYPE_CHECKING:
    import duckdb

SEEDS_DIR = DBT_PROJECT_DIR / "seeds"

_EVIDENCE = ("evidence_url", "states", "checked_on", "confidence", "note")
_PERIOD = ("valid_from", "valid_to", "known_from")
# The columns that the code reads. A seed may have more. If it lacks a column after the first two,
# it was written before that column existed, and the column is NULL.
TABLES: dict[str, tuple[str, ...]] = {
    "labs": ("lab_id", "lab_name", "aliases", "headquarters", *_PERIOD, *_EVIDENCE),
    "authors": ("author", "lab_id", *_PERIOD, *_EVIDENCE),
    "models": (
        "base_slug", "lab_id", "license", "license_name", "valid_from", "valid_to", "base_model",
        "base_lab_id", "revealed_as", "revealed_on", "known_from", *_EVIDENCE,
    ),
    "routers": ("base_slug", "evidence_url", "states", "checked_on", "note"),
    "unattributed_authors": ("author", "reason", "checked_on", "note"),
    "providers": ("provider_slug", "provider_name", "headquarters", *_PERIOD, *_EVIDENCE),
    "second_opinions": (
        "subject_kind", "subject", "field", "value", "opinion_source", "seen_on", "evidence_url",
        "detail",
    ),
}  # fmt: skip
# A registry must have these two; the others were added later or may be empty.
_NEEDED = ("labs", "authors")
# The tables that a vintage publishes; the others are read from the checkout.
PUBLISHED = {name: f"registry_{name}" for name in TABLES}
# The columns of the price seed, which is read if there is no vintage.
PRICE_SEED = (
    "model_permaslug", "price_kind", "usd_per_million_tokens", "valid_from", "valid_to",
    "price_source",
)  # fmt: skip
_DATES = {"valid_from", "valid_to", "known_from", "checked_on", "revealed_on", "seen_on"}
_OTHER_TYPES = {"usd_per_million_tokens": "decimal(24,18)"}
_ALLOWED = {
    "license": ("open_weight", "closed", "unknown"),
    "confidence": ("high", "medium", "low", "contested"),
}


@dataclass(frozen=True)
class Version:
    """One version of the registry: a folder of seeds, or of a vintage's tables."""

    label: str
    folder: Path
    is_vintage: bool

    def file(self, table: str) -> Path | None:
        """The path of a table in this version, or None if it has no such table."""
        name = f"{PUBLISHED[table]}.parquet" if self.is_vintage else f"{table}.csv"
        path = self.folder / name
        return path if path.exists() else None

    @property
    def judgements(self) -> Path:
        """The path of the judgements: in this checkout or, for other seeds, beside them."""
        here = self.is_vintage or self.folder == SEEDS_DIR
        return (CONFIGURATION_DIR if here else self.folder) / "registry_judgements.yml"


WORKING = Version("working", SEEDS_DIR, is_vintage=False)


def latest_tables(settings: Settings) -> tuple[str, Path] | None:
    """The id and the tables folder of the latest vintage, or None if nothing is published.

    `publication.vintage` is not used, because importing it takes 1.3 s. Raises VerificationError if
    `latest.json` or the vintage that it names is damaged.
    """
    if (latest := read_latest(settings.published_dir)) is None:
        return None
    folder, manifest = latest
    tables = folder / "tables"
    if not tables.is_dir():
        raise VerificationError(f"{tables}: is not a folder; restore the vintage from a copy")
    return str(manifest["vintage_id"]), tables


def find_version(name: str, settings: Settings) -> Version:
    """The version with this name: `working`, a folder of seeds, or a vintage (`find_vintage`).

    Raises TokenshareError, which lists what is accepted, if there is no such version.
    """
    if name == "working":
        return WORKING
    seeds = Version(name, Path(name).expanduser(), is_vintage=False)
    if all(seeds.file(table) for table in _NEEDED):
        return seeds
    try:
        vintage = find_vintage(name, settings)
    except VerificationError:
        raise
    except TokenshareError as error:
        raise TokenshareError(
            f"{name!r} is not a version of the registry; expected `working` (the seeds of this "
            f"checkout), a folder with {' and '.join(f'{t}.csv' for t in _NEEDED)}, or a vintage: "
            f"{error}"
        ) from error
    return _require_registry(Version(vintage.name, vintage / "tables", is_vintage=True))


def _require_registry(version: Version) -> Version:
    if missing := [PUBLISHED[t] for t in _NEEDED if version.file(t) is None]:
        raise TokenshareError(
            f"{version.folder}: has no table {', '.join(missing)}: vintage {version.label} was "
            "published before vintages contained their registry; use a folder with its seeds "
            "instead"
        )
    return version


def load(connection: "duckdb.DuckDBPyConnection", version: Version, schema: str) -> list[str]:
    """Create a schema with every table of TABLES; returns notices for the user.

    A table that a vintage does not publish is read from this checkout. Raises TokenshareError that
    names file, row, field, value and what was expected.
    """
    borrowed = []
    connection.execute(f"create schema {schema}")
    for table, columns in TABLES.items():
        path = version.file(table)
        if path is None and version.is_vintage and (path := WORKING.file(table)):
            borrowed.append(table)
        load_table(connection, path, f"{schema}.{table}", columns)
    if not borrowed:
        return []
    return [f"{version.label} does not have {', '.join(borrowed)}: those of this checkout are used"]


def load_table(
    connection: "duckdb.DuckDBPyConnection",
    path: Path | None,
    name: str,
    columns: tuple[str, ...],
) -> None:
    """Create a relation with these columns from a seed or a vintage's table; empty without a path.

    Raises TokenshareError that names file, row, field, value and what was expected.
    """
    import duckdb

    if path is None:
        typed = ", ".join(_typed(column, held=False) for column in columns)
        connection.execute(f"create table {name} as select {typed} limit 0")
        return
    try:
        if path.suffix == ".parquet":
            source = parquet(path)
            described = connection.execute(f"describe select * from {source}").fetchall()
            held = [str(row[0]) for row in described]
        else:
            held = _header(path)
            texts = ", ".join(f"{sql_text(column)}: 'varchar'" for column in held)
            # Types are not detected: a note may contain anything, and a small file misleads.
            source = (
                f"read_csv({sql_text(path)}, header = true, delim = ',', quote = '\"', "
                f"escape = '\"', nullstr = '', auto_detect = false, columns = {{{texts}}})"
            )
        if missing := [c for c in columns[:2] if c not in held]:
            raise TokenshareError(
                f"{path}: line 1: has no column {', '.join(missing)}; expected {','.join(columns)}"
            )
        # The file is read only once, because `explain` must answer within a second.
        raw = f"{name}_as_written"
        connection.execute(
            f"create table {raw} as select *, row_number() over () as row from {source}"
        )
        _refuse_wrong_values(connection, path, raw, [c for c in columns if c in held])
        typed = ", ".join(_typed(column, column in held) for column in columns)
        connection.execute(f"create view {name} as select {typed} from {raw}")
    except (duckdb.Error, OSError, UnicodeDecodeError) as error:
        raise TokenshareError(f"{path}: not readable: {error}") from error


def _header(path: Path) -> list[str]:
    import csv

    with path.open(newline="", encoding="utf-8") as stream:
        return next(csv.reader(stream), [])


def _typed(column: str, held: bool) -> str:
    kind = "date" if column in _DATES else _OTHER_TYPES.get(column, "varchar")
    return f"cast({column if held else 'null'} as {kind}) as {column}"


def _refuse_wrong_values(
    connection: "duckdb.DuckDBPyConnection", path: Path, raw: str, columns: list[str]
) -> None:
    checks = [
        (c, f"{c} is not null and try_cast({c} as date) is null", "a day such as 2026-08-31")
        for c in columns
        if c in _DATES
    ]
    checks += [
        (c, f"{c} not in {allowed}", " or ".join(allowed))
        for c, allowed in _ALLOWED.items()
        if c in columns
    ]
    checks.append((columns[0], f"{columns[0]} is null", "a value"))
    which = " ".join(f"when {condition} then {n}" for n, (_, condition, _) in enumerate(checks))
    values = " ".join(f"when {n} then cast({c} as varchar)" for n, (c, _, _) in enumerate(checks))
    bad = connection.execute(
        f"select row, problem, case problem {values} end from ("
        f"select *, case {which} end as problem from {raw}"
        ") where problem is not null order by row limit 1"
    ).fetchone()
    if bad:
        column, _, expected = checks[bad[1]]
        raise TokenshareError(
            f"{path}: row {bad[0]}: {column}: value {bad[2]!r}; expected {expected}"
        )
