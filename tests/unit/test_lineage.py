"""From which columns a column is computed, in the SQL of both engines."""

import dagster as dg
import duckdb
import pytest

from orchestration.assets.lineage import column_lineage, known_columns


@pytest.mark.parametrize(
    ("engine", "sql"),
    [
        (
            "duckdb",
            'with rows as (select * exclude (slug) from "tokenshare"."raw"."feed") '
            'select rows.*, m.lab from rows join "tokenshare"."marts"."models" as m on true',
        ),
        (
            "spark",
            "with rows as (select * except (slug) from tokenshare_raw.feed) "
            "select rows.*, m.`lab` from rows join tokenshare_marts.models as m on true",
        ),
    ],
)
def test_columns_are_traced_to_the_same_assets_on_both_engines(engine: str, sql: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("create schema raw; create table raw.feed (slug text, tokens bigint)")
        connection.execute("create schema marts; create table marts.models (slug text, lab text)")
        found = column_lineage(sql, known_columns(connection, engine))
    assert found.deps_by_column == {
        "tokens": [dg.TableColumnDep(asset_key=["raw", "feed"], column_name="tokens")],
        "lab": [dg.TableColumnDep(asset_key=["models"], column_name="lab")],
    }
