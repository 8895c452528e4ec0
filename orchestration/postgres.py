"""Load a vintage into PostgreSQL, for BI tools and readers that want a server.

Each published table and each view of the vintage becomes a table of one schema, with its comments
and its key, in one transaction: readers see the old vintage until the new one is there whole. The
rows of a table whose columns are as before are deleted and copied anew, so that grants and other
people's views on it stay, and nobody waits; a table whose columns changed is made anew.

The address holds a password: no message, log or file has it. Nothing is computed here.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import duckdb
import pyarrow as pa

from orchestration.contracts.odcs import tables
from orchestration.errors import ServeError, safe_text
from orchestration.files import reading
from orchestration.publication.candidate import DATABASE_NAME
from orchestration.publication.manifest import DATA_INTERFACE_VERSION, read_manifest
from orchestration.publication.verify import verify
from orchestration.publication.views import views
from orchestration.settings import Settings
from orchestration.tables import open_database, sql_name, sql_text

Progress = Callable[[str], None]
Note = Callable[[str], None]

# Two tables of the schema that are not in the vintage. The second one is how the next load knows
# which tables are ours.
VINTAGE, LOADED = "vintage", "vintage_tables"
_CONNECT_SECONDS = "15"
# What PostgreSQL calls a type of the published tables.
_TYPES = {
    "VARCHAR": "text",
    "BIGINT": "bigint",
    "INTEGER": "integer",
    "DOUBLE": "double precision",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "timestamp without time zone",
}
_ARROW_OF_OURS = {"text": pa.string(), "bigint": pa.int64(),
                  "timestamp without time zone": pa.timestamp("us")}  # fmt: skip
# What to do, by PostgreSQL's code of the error.
_ADVICE = {
    "42501": "the role that loads must own the schema and its tables; for the first load it needs "
    "CREATE on the database",
    "2BP01": "the columns of the table changed, so it is made anew; drop what depends on it, load, "
    "and create that again",
    "55P03": "another session kept a table locked for longer than TOKENSHARE_LOCK_TIMEOUT_SECONDS",
    "53100": "the server's disk is full",
}
_SAYS_WHY = ("connection to server", "could not translate host name")


@dataclass(frozen=True)
class Served:
    """What a load did. `target` is the address without its password; `is_new` is False if this
    vintage was there already and nothing was done."""

    vintage_id: str
    manifest_sha256: str
    target: str
    schema: str
    tables: int = 0
    rows: int = 0
    is_new: bool = True


@dataclass(frozen=True)
class _Column:
    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class _Relation:
    """One table to load: `rows` reads its rows when they are needed."""

    name: str
    comment: str
    columns: tuple[_Column, ...]
    key: tuple[str, ...]
    rows: Callable[[], pa.Table]

    @property
    def types(self) -> dict[str, str]:
        return {c.name: c.type for c in self.columns}


def masked(url: str) -> str:
    """The address without its password and its parameters."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    name, colon, password = user.partition(":")
    shown = f"{name}:***" if colon and password else name
    return f"{parts.scheme}://{shown}{at}{host}{parts.path}"


def grants(role: str, schema: str) -> str:
    """SQL that lets a role read what is loaded into the schema, now and later."""
    reader, place = sql_name(role), sql_name(schema)
    return (
        "-- Run this with psql, as the role that `tokenshare serve-to` connects as, after the first"
        "\n-- load. The role may then read every table of the schema, also those that later loads"
        "\n-- make, and change none.\n"
        "begin;\n"
        f"grant usage on schema {place} to {reader};\n"
        f"grant select on all tables in schema {place} to {reader};\n"
        f"alter default privileges in schema {place} grant select on tables to {reader};\n"
        "commit;"
    )


def serve(
    folder: Path,
    settings: Settings,
    progress: Progress = lambda _: None,
    note: Note = lambda _: None,
    *,
    only_if_new: bool = False,
) -> Served:
    """Load the vintage in this folder into the PostgreSQL of the settings, all tables in one
    transaction, after it is verified. `only_if_new` does nothing if it is what the server has.

    Raises ServeError that names the server without its password, and VerificationError if the
    folder is not what was published. The server then has what it had before.
    """
    if settings.serve_to is None:
        raise ServeError(
            "no PostgreSQL is named; give its address, or set TOKENSHARE_SERVE_TO (an address in a "
            "command can be seen in the list of processes)"
        )
    url, schema = settings.serve_to.get_secret_value(), settings.serve_to_schema
    with reading(folder), _connected(url) as cursor:
        manifest = read_manifest(folder)
        wanted = Served(manifest["vintage_id"], manifest["manifest_sha256"], masked(url), schema)
        _begin(cursor, settings)
        held = _held(cursor, schema)
        if only_if_new and _has(cursor, schema, held, wanted):
            return Served(**{**vars(wanted), "is_new": False})
        progress("verifying the vintage")
        verify(folder, note=note)
        _refuse_another_interface(manifest, folder)
        progress(f"loading into {wanted.target}")
        with closing(open_database(folder / DATABASE_NAME)) as database:
            relations = _relations(database, manifest)
            count = _load(cursor, schema, held, relations)
        cursor.connection.commit()
    return Served(**{**vars(wanted), "tables": len(relations), "rows": count})


def _refuse_another_interface(manifest: Mapping[str, Any], folder: Path) -> None:
    if (found := manifest["data_interface_version"]) != DATA_INTERFACE_VERSION:
        raise ServeError(
            f"{folder}: has data interface {safe_text(found)}, and this version loads "
            f"{DATA_INTERFACE_VERSION}; `tokenshare run` publishes a vintage of it"
        )


@contextmanager
def _connected(url: str) -> Iterator[Any]:
    """A cursor in a transaction, which is rolled back unless the caller commits.

    Raises ServeError for every error of the database.
    """
    try:
        import adbc_driver_postgresql.dbapi as driver
    except ImportError as error:
        raise ServeError(
            "adbc_driver_postgresql is missing: install tokenshare with the extra `postgres`"
        ) from error
    problem = ""
    try:
        with driver.connect(_with_timeout(url)) as connection, connection.cursor() as cursor:
            yield cursor
    except driver.Error as error:
        problem = _described(error, url)
    # Outside of `except`, so that the driver's own message is not kept with this one.
    if problem:
        raise ServeError(problem)


def _with_timeout(url: str) -> str:
    base, _, query = url.partition("?")
    given = parse_qsl(query, keep_blank_values=True)
    if "connect_timeout" not in dict(given):
        given.append(("connect_timeout", _CONNECT_SECONDS))
    return f"{base}?{urlencode(given)}"


def _described(error: Any, url: str) -> str:
    """What to say of an error of the driver: the server's own words in one line, without what is
    secret in the address, and what to do."""
    said = {
        (k.decode() if isinstance(k, bytes) else k): v.decode(errors="replace")
        for k, v in error.details or ()
    }
    if error.sqlstate is None and not said:
        # Of what libpq says of an address that it cannot read, parts may be the password.
        words = " ".join(str(error).partition("Failed to connect: ")[2].split())
        if not words.startswith(_SAYS_WHY):
            words = "libpq cannot connect with this address; psql with the same one shows why"
        code, advice = "", ""
    else:
        parts = ("PG_DIAG_MESSAGE_PRIMARY", "PG_DIAG_MESSAGE_DETAIL")
        words = "; ".join(said[part] for part in parts if part in said) or "no words"
        code = error.sqlstate or said.get("PG_DIAG_SQLSTATE", "")
        advice = _ADVICE.get(code, "")
    for secret in _secrets(url):
        words = words.replace(secret, "***")
    shown = safe_text(words, 500) + (f" ({code})" if code else "")
    return f"{masked(url)}: {shown}" + (f": {advice}" if advice else "")


def _secrets(url: str) -> list[str]:
    """What is secret in an address, as it is written and as it is meant; the longest first."""
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    found = {user.partition(":")[2], *(v for k, v in parse_qsl(parts.query) if "pass" in k)}
    return sorted({*found, *map(unquote, found)} - {""}, key=len, reverse=True)


def _begin(cursor: Any, settings: Settings) -> None:
    """Begin the transaction, and wait for another load into the same schema."""
    wait = sql_text(f"{settings.lock_timeout_seconds * 1000:.0f}")
    for name, value in (("lock_timeout", wait), ("standard_conforming_strings", "'on'")):
        cursor.execute(f"select set_config('{name}', {value}, true)")
    place = sql_text(settings.serve_to_schema)
    cursor.execute(f"select pg_advisory_xact_lock(hashtext('tokenshare'), hashtext({place}))")


def _fetched(cursor: Any, sql: str) -> list[tuple[Any, ...]]:
    cursor.execute(sql)
    return list(cursor.fetchall())


def _held(cursor: Any, schema: str) -> dict[str, dict[str, str]] | None:
    """The tables and views of the schema, each with its columns and their types; None if there is
    no such schema."""
    place = sql_text(schema)
    if not _fetched(cursor, f"select 1 from pg_namespace where nspname = {place}"):
        return None
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in _fetched(
        cursor,
        "select c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod) "
        "from pg_class as c join pg_namespace as n on c.relnamespace = n.oid "
        "left join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
        f"where n.nspname = {place} and c.relkind in ('r', 'p', 'v', 'm', 'f') "
        "order by c.relname, a.attnum",
    ):
        columns = found.setdefault(table, {})
        if column is not None:
            columns[column] = kind
    return found


def _ours(cursor: Any, schema: str, held: Mapping[str, Any]) -> set[str]:
    """The tables of the schema that an earlier load made.

    Raises ServeError if the schema has tables, and no load made it.
    """
    if not {VINTAGE, LOADED} <= held.keys():
        if held:
            raise ServeError(
                f"schema {schema} has tables that no load has made: "
                f"{safe_text(', '.join(sorted(held)))}; name another schema by --schema or "
                "TOKENSHARE_SERVE_TO_SCHEMA"
            )
        return set()
    place = f"{sql_name(schema)}.{sql_name(LOADED)}"
    return {VINTAGE, LOADED, *(name for (name,) in _fetched(cursor, f"select name from {place}"))}


def _has(cursor: Any, schema: str, held: Mapping[str, Any] | None, wanted: Served) -> bool:
    """Does the server have this vintage?"""
    if not held or not {VINTAGE, LOADED} <= held.keys():
        return False
    place = f"{sql_name(schema)}.{sql_name(VINTAGE)}"
    found = _fetched(cursor, f"select manifest_sha256 from {place}")
    return found == [(wanted.manifest_sha256,)]


def _load(
    cursor: Any,
    schema: str,
    held: Mapping[str, dict[str, str]] | None,
    relations: Sequence[_Relation],
) -> int:
    """Replace what the schema has by `relations`; returns how many rows they have."""
    if held is None:
        cursor.execute(f"create schema {sql_name(schema)}")
    ours = _ours(cursor, schema, held or {})
    names = {r.name for r in relations}
    if taken := sorted((held or {}).keys() & names - ours):
        raise ServeError(
            f"schema {schema} has tables of other people with the names of ours: "
            f"{', '.join(taken)}; rename them, or name another schema"
        )
    for name in sorted((held or {}).keys() & ours - names):
        cursor.execute(f"drop table {sql_name(schema)}.{sql_name(name)}")
    count = 0
    for relation in relations:
        place = f"{sql_name(schema)}.{sql_name(relation.name)}"
        found = (held or {}).get(relation.name)
        if found == relation.types:
            cursor.execute(f"delete from {place}")
        else:
            if found is not None:
                cursor.execute(f"drop table {place}")
            cursor.execute(_create(place, relation))
        cursor.execute(_comment(place, relation))
        content = relation.rows()
        cursor.adbc_ingest(relation.name, content, mode="append", db_schema_name=schema)
        count += content.num_rows
    return count


def _create(place: str, relation: _Relation) -> str:
    columns = [f"{sql_name(c.name)} {c.type}" for c in relation.columns]
    key = ", ".join(sql_name(name) for name in relation.key)
    return f"create table {place} ({', '.join([*columns, f'primary key ({key})'])})"


def _comment(place: str, relation: _Relation) -> str:
    """All comments of a table as one statement, because each takes a way to the server and back."""
    lines = [f"comment on table {place} is {sql_text(relation.comment)};"]
    lines += [
        f"comment on column {place}.{sql_name(c.name)} is {sql_text(c.comment)};"
        for c in relation.columns
    ]
    return f"do {sql_text('begin ' + ' '.join(lines) + ' end')}"


def _postgres_type(duckdb_type: str) -> str:
    """Raises KeyError for a type that no published table may have."""
    if decimal := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", duckdb_type):
        return f"numeric({decimal[1]},{decimal[2]})"
    return _TYPES[duckdb_type]


def _relations(database: duckdb.DuckDBPyConnection, manifest: Mapping[str, Any]) -> list[_Relation]:
    """Every table and view of a vintage's database as a table, and the two about the vintage."""
    keys = {t.name: t.key for t in tables("published").values()}
    keys |= {view.name: view.header.key for view in views()}
    comments = dict(
        database.execute(
            "select table_name, comment from duckdb_tables() where not internal "
            "union all select view_name, comment from duckdb_views() where not internal"
        ).fetchall()
    )
    found = []
    for name in sorted(comments):
        columns = database.execute(
            "select column_name, data_type, coalesce(comment, '') from duckdb_columns() "
            "where table_name = $1 and not internal order by column_index",
            [name],
        ).fetchall()
        found.append(
            _Relation(
                name,
                comments[name] or "",
                tuple(_Column(c, _postgres_type(kind), text) for c, kind, text in columns),
                keys[name],
                # The default binds this name, not that of the last table.
                lambda name=name: database.table(name).to_arrow_table(),  # type: ignore[misc]
            )
        )
    return [*found, *_about(manifest, found)]


def _about(manifest: Mapping[str, Any], loaded: Sequence[_Relation]) -> list[_Relation]:
    """The tables that say which vintage this is and which tables it has."""
    now = datetime.now(UTC).replace(tzinfo=None)
    made = datetime.fromisoformat(manifest["created_at"]).astimezone(UTC).replace(tzinfo=None)
    text, time = "text", "timestamp without time zone"
    licenses = sorted({str(entry["license"]) for entry in manifest["inputs"]})
    vintage = {
        ("vintage_id", text, "Name of the vintage that these tables are; one row."):
            manifest["vintage_id"],
        ("created_at", time, "When it was made (UTC)."): made,
        ("loaded_at", time, "When it was loaded into this database (UTC)."): now,
        ("data_interface_version", text, "Version of the names and meanings of the tables."):
            manifest["data_interface_version"],
        ("manifest_sha256", text, "sha256 of its manifest; `tokenshare verify` prints the same."):
            manifest["manifest_sha256"],
        ("citation", text, "What must go with every copy and picture of the data."):
            "\n".join(manifest["citations"]),
        ("license", text, "Licenses of the sources."): "; ".join(licenses),
    }  # fmt: skip
    described = [(r.name, "view for readers" if r.name.startswith("bi_") else "full data",
                  r.comment) for r in loaded]  # fmt: skip
    names, kinds, comments = zip(*described, strict=True)
    listed = {
        ("name", text, "Name of the table."): names,
        ("kind", text, "`view for readers`: one lens, names beside codes; `full data`: the rest."):
            kinds,
        ("description", text, "What a row of it is, and the citation."): comments,
    }  # fmt: skip
    return [
        _of_ours(VINTAGE, "Which vintage this schema has, and what to cite.", "vintage_id",
                 {k: [v] for k, v in vintage.items()}),
        _of_ours(LOADED, "One row per table of this schema that is part of the vintage.", "name",
                 listed),
    ]  # fmt: skip


def _of_ours(
    name: str, comment: str, key: str, cells: Mapping[tuple[str, str, str], Sequence[Any]]
) -> _Relation:
    content = pa.table(
        [pa.array(values, _ARROW_OF_OURS[kind]) for (_, kind, _), values in cells.items()],
        names=[column for column, _, _ in cells],
    )
    columns = tuple(_Column(*described) for described in cells)
    return _Relation(name, comment, columns, (key,), lambda: content)
