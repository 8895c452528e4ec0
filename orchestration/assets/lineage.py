"""Column lineage for the UI: from which columns the columns of a model are computed."""

import dagster as dg
import duckdb
from sqlglot import MappingSchema, exp
from sqlglot.lineage import Node, lineage

_DIALECT = "duckdb"


def known_columns(connection: duckdb.DuckDBPyConnection) -> MappingSchema:
    """The columns of all tables of a database, which `column_lineage` needs to read `select *`."""
    tables: dict[str, dict[str, dict[str, dict[str, str]]]] = {}
    for database, schema, table, column, sql_type in connection.execute(
        "select table_catalog, table_schema, table_name, column_name, data_type "
        "from information_schema.columns"
    ).fetchall():
        columns = tables.setdefault(database, {}).setdefault(schema, {}).setdefault(table, {})
        columns[column] = sql_type
    return MappingSchema(tables, dialect=_DIALECT)


def column_lineage(sql: str, known: MappingSchema) -> dg.TableColumnLineage:
    """The columns of other assets that each column of a compiled model is computed from.

    Columns that only select rows (in `where`, `on` or `group by`) are not among them.
    """
    # Without trim_selects, 80 models take 0.7 s of CPU instead of 14, with the same result.
    columns = lineage(None, sql, known, dialect=_DIALECT, trim_selects=False, copy=False)
    return dg.TableColumnLineage({name: _sources(node) for name, node in columns.items()})


def _sources(column: Node) -> list[dg.TableColumnDep]:
    read = {
        (node.expression.db, node.expression.name, exp.to_column(node.name).name)
        for node in column.walk()
        if isinstance(node.expression, exp.Table)
    }
    return [
        dg.TableColumnDep(
            asset_key=["raw", table] if schema == "raw" else [table], column_name=name
        )
        for schema, table, name in sorted(read)
    ]
