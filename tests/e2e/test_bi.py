"""The five questions of docs/bi.md, asked where readers ask them: through SQLAlchemy on the DuckDB
that BI drivers have, and in PostgreSQL. In Superset: tests/bi."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import psycopg2
import pytest

from orchestration.contracts.odcs import tables
from orchestration.postgres import serve
from orchestration.publication.views import views
from orchestration.publication.vintage import Vintage
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.terminal import settings_of
from tests.bi_questions import CHARTS, questions, table_of
from tests.postgres import postgres_server

Shipped = tuple[Settings, Vintage]

# What every tool on SQLAlchemy asks when a person connects it, such as Superset and Redash.
SQLALCHEMY = """
import json, sys
sys.path.insert(0, sys.argv[1])
import duckdb, sqlalchemy
engine = sqlalchemy.create_engine(
    "duckdb:///" + sys.argv[2], connect_args={"read_only": True, "config": {"threads": 1}}
)
found = sqlalchemy.inspect(engine)
columns = {name: {c["name"]: c["comment"] for c in found.get_columns(name, "main")}
           for name in sys.argv[4:]}
with engine.connect() as connection:
    rows = [[list(map(str, row)) for row in connection.execute(sqlalchemy.text(sql))]
            for sql in json.loads(sys.argv[3])]
    try:
        connection.execute(sqlalchemy.text("create table mine (a integer)"))
        refused = ""
    except sqlalchemy.exc.DBAPIError as error:
        refused = str(error)
print(json.dumps([
    duckdb.__version__, found.get_table_names("main"), found.get_view_names("main"), columns,
    rows, refused,
]))
"""


@pytest.fixture(scope="module")
def expected(shipped: Shipped) -> list[list[tuple[Any, ...]]]:
    """The rows that answer each question, by the DuckDB of the pipeline."""
    path = shipped[1].path / "tokenshare.duckdb"
    with duckdb.connect(str(path), read_only=True) as database:
        return [database.execute(sql).fetchall() for sql in questions()]


@pytest.mark.parametrize("number", range(len(CHARTS)))
def test_a_question_takes_one_view_and_no_lens_or_validity(number: int) -> None:
    sql = questions()[number]
    assert table_of(sql) == CHARTS[number].table
    assert not [word for word in ("lens", "valid_", "known_", "join", "registry") if word in sql]


def test_sqlalchemy_on_the_duckdb_of_bi_tools_lists_views_with_comments_and_answers(
    shipped: Shipped, expected: list[list[tuple[Any, ...]]]
) -> None:
    folder = Path(sys.prefix) / "readers" / "duckdb_engine"
    assert folder.is_dir(), f"{folder} is missing; `make readers` installs it"
    path = shipped[1].path / "tokenshare.duckdb"
    names = [view.name for view in views()]
    said = subprocess.run(
        [sys.executable, "-c", SQLALCHEMY, folder, path, json.dumps(questions()), *names],
        capture_output=True, encoding="utf-8", check=False, env={**os.environ, "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    version, held, readable, columns, rows, refused = json.loads(said.stdout)
    assert version.startswith("1.5.")
    assert set(tables("published")) <= set(held) | set(readable)
    assert set(names) <= set(readable)
    with duckdb.connect(str(path), read_only=True) as database:
        for name in names:
            described = {
                column: comment
                for column, comment in database.execute(
                    "select column_name, comment from duckdb_columns() where table_name = $1",
                    [name],
                ).fetchall()
            }
            assert columns[name] == described
            assert all(described.values())
    assert rows == [[list(map(str, row)) for row in answer] for answer in expected]
    assert "read-only" in refused


@pytest.fixture(scope="module")
def served(shipped: Shipped) -> Iterator[Any]:
    """A connection to a PostgreSQL with the shipped history."""
    settings, vintage = shipped
    with postgres_server() as (_, host):
        url = f"postgresql://postgres@/postgres?host={quote(host)}"
        serve(vintage.path, settings_of(settings.data_dir, serve_to=url))
        connected = psycopg2.connect(
            host=host, dbname="postgres", user="postgres", options="-c search_path=tokenshare"
        )
        with closing(connected):
            yield connected


@pytest.mark.parametrize("number", range(len(CHARTS)))
def test_postgresql_answers_the_same(
    number: int, served: Any, expected: list[list[tuple[Any, ...]]]
) -> None:
    with served.cursor() as cursor:
        cursor.execute(questions()[number])
        assert cursor.fetchall() == expected[number] != []


def test_the_sql_of_the_page_for_postgresql_runs_there(served: Any) -> None:
    page = (PROJECT_ROOT / "docs" / "bi.md").read_text(encoding="utf-8")
    blocks = re.findall(r"<!-- on PostgreSQL -->\n```sql\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    with served.cursor() as cursor:
        for block in blocks:
            for sql in block.split(";")[:-1]:
                cursor.execute(sql)
                assert cursor.description is None or cursor.fetchall()
