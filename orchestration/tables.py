"""Open the tables of a candidate or a vintage: one DuckDB view per Parquet file.

A vintage may come from a stranger. So names and paths are quoted in this module and nowhere else,
only the requested files are opened, and DuckDB can then read and write no others.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from orchestration.errors import VerificationError, safe_text

# Without this, a file could make DuckDB load an extension, even from the network.
_NO_EXTENSIONS = {"autoload_known_extensions": False, "autoinstall_known_extensions": False}


def sql_text(value: object) -> str:
    """A SQL string literal; the value may contain quotes."""
    return "'" + str(value).replace("'", "''") + "'"


def sql_name(name: str) -> str:
    """A quoted SQL identifier; the name may contain any character."""
    return '"' + name.replace('"', '""') + '"'


def _escape_glob(path: Path) -> str:
    """The path as a glob pattern of DuckDB that matches only this path."""
    return "".join(f"[{c}]" if c in "[*?" else c for c in str(path))


def parquet(path: Path) -> str:
    """SQL that reads this one Parquet file."""
    return f"read_parquet({sql_text(_escape_glob(path))})"


def rows(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    values: Sequence[Any] | Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The rows of a query, each with its columns by name."""
    cursor = connection.execute(sql, values or [])
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def restrict_file_access(
    connection: duckdb.DuckDBPyConnection, readable: Iterable[Path] = ()
) -> None:
    """Let this database read the files `readable` and no others. It cannot be undone."""
    paths = list(readable)
    allowed = [str(p) for p in paths] + [_escape_glob(p) for p in paths]
    connection.execute("set allowed_paths = $1", [allowed])
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def open_files(
    files: Mapping[str, Path], database: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection with a view for each Parquet file, by its name, and no access to other files.

    A `database` is attached read-only as `attached`.

    Raises VerificationError if a file cannot be read.
    """
    connection = duckdb.connect(config=_NO_EXTENSIONS)
    path = database
    try:
        if database is not None:
            connection.execute(f"attach {sql_text(database)} as attached (read_only, type duckdb)")
        for name, path in files.items():
            connection.execute(f"create view {sql_name(name)} as select * from {parquet(path)}")
        restrict_file_access(connection, files.values())
    except (duckdb.Error, UnicodeError) as error:
        connection.close()
        raise VerificationError(f"{path}: cannot be read: {safe_text(error)}") from error
    return connection


def open_database(path: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the database of a vintage, without access to other files.

    Raises VerificationError if it cannot be read.
    """
    try:
        connection = duckdb.connect(str(path), read_only=True, config=_NO_EXTENSIONS)
    except duckdb.Error as error:
        raise VerificationError(f"{path}: cannot be read: {safe_text(error)}") from error
    restrict_file_access(connection)
    return connection


def open_tables(
    tables_dir: Path, others: Mapping[str, Path] | None = None
) -> duckdb.DuckDBPyConnection:
    """A new connection with a view for every published table that the folder has.

    Files that no contract describes are not opened. `others` are opened as well, by their names.
    """
    from orchestration.contracts.odcs import tables

    paths = {name: tables_dir / f"{name}.parquet" for name in tables("published")}
    held = {name: path for name, path in paths.items() if path.exists()}
    return open_files({**held, **(others or {})})
