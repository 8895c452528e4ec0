"""Open the tables of a candidate or a vintage: one DuckDB view per Parquet file.

A vintage may be a stranger's: names and paths are quoted here and nowhere else, only files that
are asked for are opened, and DuckDB then reads and writes no other.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from orchestration.errors import VerificationError, plain

# DuckDB would load an extension, from the network even, for what a file says that it needs.
_NO_EXTENSIONS = {"autoload_known_extensions": False, "autoinstall_known_extensions": False}


def sql_text(value: object) -> str:
    """A SQL string literal; paths and contract texts may hold quotes."""
    return "'" + str(value).replace("'", "''") + "'"


def sql_name(name: str) -> str:
    """A SQL identifier, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def _literally(path: Path) -> str:
    """The path as DuckDB's pattern that only this very path matches."""
    return "".join(f"[{c}]" if c in "[*?" else c for c in str(path))


def parquet(path: Path) -> str:
    """SQL that reads this one Parquet file."""
    return f"read_parquet({sql_text(_literally(path))})"


def rows(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    values: Sequence[Any] | Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The rows of a query, each with its columns by name."""
    cursor = connection.execute(sql, values or [])
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def close_doors(connection: duckdb.DuckDBPyConnection, readable: Iterable[Path] = ()) -> None:
    """From now on this database reads `readable` and nothing else, and this cannot be undone."""
    paths = list(readable)
    allowed = [str(p) for p in paths] + [_literally(p) for p in paths]
    connection.execute("set allowed_paths = $1", [allowed])
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def open_files(
    files: Mapping[str, Path], database: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection with a view for each of the Parquet files, by its name, and no other access.

    A `database` is attached as `attached`, to be read.

    Raises VerificationError where a file cannot be read.
    """
    connection = duckdb.connect(config=_NO_EXTENSIONS)
    path = database
    try:
        if database is not None:
            connection.execute(f"attach {sql_text(database)} as attached (read_only, type duckdb)")
        for name, path in files.items():
            connection.execute(f"create view {sql_name(name)} as select * from {parquet(path)}")
        close_doors(connection, files.values())
    except (duckdb.Error, UnicodeError) as error:
        connection.close()
        raise VerificationError(f"{path}: cannot be read: {plain(error)}") from error
    return connection


def open_tables(
    tables_dir: Path, others: Mapping[str, Path] | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection of its own with a view for every published table that the folder holds.

    Files that no contract knows are not opened. `others` are opened beside, by their names.
    """
    from orchestration.contracts.odcs import tables

    paths = {name: tables_dir / f"{name}.parquet" for name in tables("published")}
    held = {name: path for name, path in paths.items() if path.exists()}
    return open_files({**held, **(others or {})})
