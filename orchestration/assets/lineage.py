"""Column lineage for the UI: from which columns the columns of a model are computed."""

import dagster as dg
import duckdb
from sqlglot import MappingSchema, exp
from sqlglot.lineage import Node, lineage

from orchestration.transformation.spark import SCHEMA

# dbt puts this before the name of a schema on Spark.
_PREFIX = {"duckdb": "", "spark": f"{SCHEMA}_"}
_RAW = {f"{prefix}raw" for prefix in _PREFIX.values()}


def known_columns(connection: duckdb.DuckDBPyConnection, engine: str) -> MappingSchema:
    """The columns of all tables of a database, by the names that they had on the engine that built
    them; `column_lineage` needs them to read `select *`."""
    tables: dict[str, dict[str, dict[str, str]]] = {}
    for schema, table, column, sql_type in connection.execute(
        "select table_schema, table_name, column_name, data_type from information_schema.columns"
    ).fetchall():
        columns = tables.setdefault(f"{_PREFIX[engine]}{schema}", {}).setdefault(table, {})
        columns[column] = sql_type
    return MappingSchema(tables, dialect=engine)


def column_lineage(sql: str, known: MappingSchema) -> dg.TableColumnLineage:
    """The columns of other assets that each column of a compiled model is computed from.

    Columns that only select rows (in `where`, `on` or `group by`) are not among them.
    """
    # Without trim_selects, 80 models take 0.7 s of CPU instead of 14, with the same result.
    columns = lineage(None, sql, known, dialect=known.dialect, trim_selects=False, copy=False)
    return dg.TableColumnLineage({name: _sources(node) for name, node in columns.items()})


def _sources(column: Node) -> list[dg.TableColumnDep]:
    read = {
        (node.expression.db, node.expression.name, exp.to_column(node.name).name)
        for node in column.walk()
        if isinstance(node.expression, exp.Table)
    }
    return [
        dg.TableColumnDep(asset_key=["raw", table] if schema in _RAW else [table], column_name=name)
        for schema, table, name in sorted(read)
    ]
