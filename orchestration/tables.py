"""Open the tables of a candidate or a vintage: one DuckDB view per Parquet file."""

from pathlib import Path

import duckdb


def sql_text(value: object) -> str:
    """A SQL string literal; paths and contract texts may hold quotes."""
    return "'" + str(value).replace("'", "''") + "'"


def open_tables(tables_dir: Path) -> duckdb.DuckDBPyConnection:
    """A connection of its own with a view for every `<table>.parquet` of the folder."""
    connection = duckdb.connect()
    for path in sorted(tables_dir.glob("*.parquet")):
        connection.execute(
            f"create view {path.stem} as select * from read_parquet({sql_text(path)})"
        )
    return connection
