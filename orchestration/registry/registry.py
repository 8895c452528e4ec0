"""Load one version of the registry, seeds of a folder or tables of a vintage, into DuckDB.

Knows where versions lie and how their columns are typed; what the rows mean is the business of
the dbt models (see `attribution`).
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

_EVIDENCE = ("evidence_url", "checked_on", "confidence", "note")
_PERIOD = ("valid_from", "valid_to", "known_from")
# Columns that the code reads. A seed may have more; one that lacks a column after the first two
# was written before that column existed, and says nothing in it.
TABLES: dict[str, tuple[str, ...]] = {
    "labs": ("lab_id", "lab_name", "aliases", "headquarters", *_PERIOD, *_EVIDENCE),
    "authors": ("author", "lab_id", *_PERIOD, *_EVIDENCE),
    "models": (
        "base_slug", "lab_id", "license", "license_name", "valid_from", "valid_to", "base_model",
        "base_lab_id", "revealed_as", "revealed_on", "known_from", *_EVIDENCE,
    ),
    "routers": ("base_slug", "evidence_url", "checked_on", "note"),
    "unattributed_authors": ("author", "reason", "checked_on", "note"),
    "providers": ("provider_slug", "provider_name", "headquarters", *_PERIOD, *_EVIDENCE),
    "second_opinions": (
        "subject_kind", "subject", "field", "value", "opinion_source", "seen_on", "evidence_url",
        "detail",
    ),
}  # fmt: skip
# Without these two there is no registry; the others came later or may be empty.
_NEEDED = ("labs", "authors")
# A vintage publishes these; the rest is taken from the checkout.
PUBLISHED = {name: f"registry_{name}" for name in TABLES}
# Without a vintage, its prices are these.
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
        """Where this version keeps a table, or None where it has none."""
        name = f"{PUBLISHED[table]}.parquet" if self.is_vintage else f"{table}.csv"
        path = self.folder / name
        return path if path.exists() else None

    @property
    def judgements(self) -> Path:
        """Where its judged contradictions are: those of this checkout, or beside other seeds."""
        here = self.is_vintage or self.folder == SEEDS_DIR
        return (CONFIGURATION_DIR if here else self.folder) / "registry_judgements.yml"


WORKING = Version("working", SEEDS_DIR, is_vintage=False)


def latest_tables(settings: Settings) -> tuple[str, Path] | None:
    """Id and tables folder of the latest vintage, or None where nothing is published.

    `publication.vintage` knows more of a vintage, but costs 1.3 s to import.
    Raises VerificationError where `latest.json` leads nowhere.
    """
    if (latest := read_latest(settings.published_dir)) is None:
        return None
    folder, manifest = latest
    tables = folder / "tables"
    if not tables.is_dir():
        raise VerificationError(f"{tables}: is no folder; restore the vintage from a copy")
    return str(manifest["vintage_id"]), tables


def find_version(name: str, settings: Settings) -> Version:
    """The version that a name means: `working`, a folder of seeds, or a vintage (`find_vintage`).

    Raises TokenshareError naming what was looked for.
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
    return _with_registry(Version(vintage.name, vintage / "tables", is_vintage=True))


def _with_registry(version: Version) -> Version:
    if missing := [PUBLISHED[t] for t in _NEEDED if version.file(t) is None]:
        raise TokenshareError(
            f"{version.folder}: has no table {', '.join(missing)}: vintage {version.label} was "
            "published before vintages held their registry; compare with a folder of its seeds"
        )
    return version


def load(connection: "duckdb.DuckDBPyConnection", version: Version, schema: str) -> list[str]:
    """Create a schema with every table of TABLES; gives what a reader should know.

    A table that a vintage does not publish is that of this checkout.
    Raises TokenshareError naming file, row, field, value and what was expected.
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
    return [f"{version.label} does not hold {', '.join(borrowed)}: this checkout's are used"]


def load_table(
    connection: "duckdb.DuckDBPyConnection",
    path: Path | None,
    name: str,
    columns: tuple[str, ...],
) -> None:
    """Create a relation with these columns from a seed or a vintage's table; empty without a path.

    Raises TokenshareError naming file, row, field, value and what was expected.
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
            # No sniffing: a note may hold anything, and a small file misleads.
            source = (
                f"read_csv({sql_text(path)}, header = true, delim = ',', quote = '\"', "
                f"escape = '\"', nullstr = '', auto_detect = false, columns = {{{texts}}})"
            )
        if missing := [c for c in columns[:2] if c not in held]:
            raise TokenshareError(
                f"{path}: line 1: has no column {', '.join(missing)}; expected {','.join(columns)}"
            )
        # Read once: `explain` has a second for everything.
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
