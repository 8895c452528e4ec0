"""`tokenshare serve-to`: a vintage in a real PostgreSQL, for readers who must not be disturbed."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import psycopg2
import pytest

from orchestration.cli import main
from orchestration.contracts.odcs import tables
from orchestration.errors import ServeError, TokenshareError, VerificationError
from orchestration.pipeline import left_out_error, serve_latest
from orchestration.postgres import grants, masked, serve
from orchestration.publication.views import views
from orchestration.run_log import read_runs
from orchestration.settings import Settings
from orchestration.tables import sql_name
from orchestration.terminal import settings_of
from tests.conftest import vintage_of
from tests.postgres import postgres_server

PASSWORD = "p@ss/w%rd-nothing-shows"
WRITTEN = quote(PASSWORD, safe="")
Output = pytest.CaptureFixture[str]
Ask = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """The folder of the socket of a server with a role that loads and one that reads."""
    with postgres_server() as (server, host):
        server.psql("create role loader login")
        server.psql("create role reader login")
        yield host


@pytest.fixture
def ask(host: str) -> Iterator[Ask]:
    """Run SQL in an empty database, as the role that loads or another one."""

    def ask(sql: str, user: str = "loader", database: str = "marts") -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(host=host, dbname=database, user=user)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []

    ask("drop database if exists marts", "postgres", "postgres")
    ask("create database marts owner loader", "postgres", "postgres")
    yield ask


@pytest.fixture
def url(host: str, ask: Ask) -> str:
    return f"postgresql://loader:{WRITTEN}@/marts?host={quote(host)}"


def with_url(settings: Settings, url: str, **given: Any) -> Settings:
    return settings_of(settings.data_dir, serve_to=url, **given)


def loaded(settings: Settings, url: str, **given: Any) -> Any:
    """Load the latest vintage."""
    return serve(vintage_of(settings).path, with_url(settings, url, **given))


def cells_of(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=repr)


def test_every_table_and_view_is_there_cell_by_cell_with_types_key_and_comments(
    restated_base: Settings, url: str, ask: Ask
) -> None:
    served = loaded(restated_base, url)
    vintage = vintage_of(restated_base)
    names = {*tables("published"), *(view.name for view in views())}
    assert served.tables == len(names) + 2
    counted = 0
    with duckdb.connect(str(vintage.path / "tokenshare.duckdb"), read_only=True) as database:
        for name in sorted(names):
            expected = database.table(name).fetchall()
            found = ask(f"select * from tokenshare.{name}")
            assert cells_of(found) == cells_of(expected), name
            counted += len(found)
        comments = {
            (table, column): (comment, kind.lower())
            for table, column, comment, kind in database.execute(
                "select table_name, column_name, comment, data_type from duckdb_columns() "
                "where not internal"
            ).fetchall()
        }
    assert served.rows == counted + 1 + len(names)
    said = {
        (table, column): (comment, kind)
        for table, column, comment, kind in ask(
            "select c.relname, a.attname, col_description(c.oid, a.attnum), "
            "format_type(a.atttypid, a.atttypmod) from pg_class c join pg_attribute a "
            "on a.attrelid = c.oid and attnum > 0 where c.relkind = 'r' "
            "and relnamespace = 'tokenshare'::regnamespace"
        )
        if table in names
    }
    same = {"varchar": "text", "double": "double precision"}
    assert {k: (c, t.replace("numeric", "decimal")) for k, (c, t) in said.items()} == {
        k: (c, same.get(t, t)) for k, (c, t) in comments.items()
    }
    keys = dict(
        ask(
            "select c.relname::text, array_agg(a.attname::text order by a.attname) from pg_index i "
            "join pg_class c on c.oid = i.indrelid join pg_attribute a on a.attrelid = c.oid "
            "and a.attnum = any(i.indkey) where i.indisprimary "
            "and relnamespace = 'tokenshare'::regnamespace group by 1"
        )
    )
    for name, table in tables("published").items():
        assert keys[name] == sorted(table.key)
    ((about,),) = ask(
        "select obj_description('tokenshare.bi_share_by_origin_weekly'::regclass, 'pg_class')"
    )
    assert vintage.manifest["citations"][0] in about
    ((id_, sha256, citation, license_),) = ask(
        "select vintage_id, manifest_sha256, citation, license from tokenshare.vintage"
    )
    assert (id_, sha256) == (vintage.vintage_id, vintage.manifest["manifest_sha256"])
    assert citation == "\n".join(vintage.manifest["citations"])
    assert "CC BY 4.0" in license_ or "CC-BY-4.0" in license_
    assert {name for (name,) in ask("select name from tokenshare.vintage_tables")} == names


def the_two(settings: Settings) -> tuple[Path, Path]:
    """The older and the newer vintage."""
    older, newer = sorted(settings.vintages_dir.iterdir())
    return older, newer


WHICH = "select vintage_id from tokenshare.vintage"
TOKENS = "select sum(tokens)::text from tokenshare.usage_daily"


def test_a_reader_sees_one_vintage_whole_never_waits_and_keeps_what_was_granted(
    restated_base: Settings, url: str, host: str, ask: Ask
) -> None:
    older, newer = the_two(restated_base)
    settings = with_url(restated_base, url)
    serve(older, settings)
    ask(grants("reader", "tokenshare"))
    ask("create view public.mine as select sum(tokens) as tokens from tokenshare.usage_daily")
    before = ask(TOKENS)
    with closing(psycopg2.connect(host=host, dbname="marts", user="reader")) as reading:
        reading.set_session(isolation_level="REPEATABLE READ")
        with reading.cursor() as cursor:
            cursor.execute("set statement_timeout = '5s'")
            cursor.execute(WHICH)
            assert cursor.fetchall() == [(older.name,)]
            serve(newer, settings)
            # What this reader began to read stays, whatever it reads next.
            for sql, expected in ((WHICH, [(older.name,)]), (TOKENS, before)):
                cursor.execute(sql)
                assert cursor.fetchall() == expected
    assert ask(WHICH, "reader") == [(newer.name,)]
    after = ask(TOKENS, "reader")
    assert after != before
    assert ask("select tokens::text from public.mine") == after


def test_a_reader_reads_also_what_is_made_anew_and_can_change_nothing(
    restated_base: Settings, url: str, ask: Ask
) -> None:
    older, newer = the_two(restated_base)
    settings = with_url(restated_base, url)
    serve(older, settings)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(TOKENS, "reader")
    ask(grants("reader", "tokenshare"))
    # As if an earlier version had published other columns, and a table that is no more.
    ask("alter table tokenshare.headline drop column share; drop table tokenshare.crossover")
    ask("create table tokenshare.gone (a text); insert into tokenshare.vintage_tables values "
        "('gone', '', '')")  # fmt: skip
    serve(newer, settings)
    for name in ("headline", "crossover", "usage_daily", "bi_labs", "vintage"):
        assert ask(f"select count(*) from tokenshare.{name}", "reader") > [(0,)], name
    assert ask("select to_regclass('tokenshare.gone')") == [(None,)]
    for sql in (
        "delete from tokenshare.headline",
        "insert into tokenshare.vintage_tables values ('a', 'b', 'c')",
        "update tokenshare.vintage set vintage_id = 'x'",
        "truncate tokenshare.headline",
        "drop table tokenshare.headline",
        "create table tokenshare.mine (a text)",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(sql, "reader")


def test_a_load_that_fails_changes_nothing(restated_base: Settings, url: str, ask: Ask) -> None:
    older, newer = the_two(restated_base)
    settings = with_url(restated_base, url)
    serve(older, settings)
    before = ask(TOKENS)
    # The last table of the load cannot be made anew, because of somebody's view.
    ask("alter table tokenshare.usage_daily add column more text")
    ask("create view public.mine as select * from tokenshare.usage_daily")
    with pytest.raises(ServeError, match=r"2BP01.*drop what depends on it") as failed:
        serve(newer, settings)
    assert "view mine depends on table tokenshare.usage_daily" in str(failed.value)
    assert (ask(WHICH), ask(TOKENS)) == ([(older.name,)], before)
    ask("drop view public.mine")
    serve(newer, settings)
    assert ask(WHICH) == [(newer.name,)]


def test_two_loads_at_once_follow_each_other(restated_base: Settings, url: str, ask: Ask) -> None:
    settings = with_url(restated_base, url)
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda folder: serve(folder, settings), the_two(restated_base)))
    ((last,),) = ask(WHICH)
    (served,) = [s for s in done if s.vintage_id == last]
    assert ask("select count(*) from tokenshare.vintage_tables") == [(served.tables - 2,)]


def test_what_is_there_already_is_not_loaded_again(
    small_base: Settings, url: str, ask: Ask
) -> None:
    settings = with_url(small_base, url)
    when = "select loaded_at from tokenshare.vintage"
    assert serve_latest(settings) == ""
    first = ask(when)
    assert serve_latest(settings) == ""
    assert ask(when) == first
    assert loaded(small_base, url).is_new
    assert ask(when) > first


def test_tables_of_other_people_are_left_alone(small_base: Settings, url: str, ask: Ask) -> None:
    ask("create table public.headline (a text); insert into public.headline values ('mine')")
    with pytest.raises(ServeError, match="has tables that no load has made: headline"):
        loaded(small_base, url, serve_to_schema="public")
    assert ask("select * from public.headline") == [("mine",)]
    loaded(small_base, url, serve_to_schema="other")
    ask("create table other.notes (a text); delete from other.vintage_tables where name = 'claims'")
    with pytest.raises(ServeError, match="tables of other people with the names of ours: claims"):
        loaded(small_base, url, serve_to_schema="other")
    ask("insert into other.vintage_tables values ('claims', '', '')")
    loaded(small_base, url, serve_to_schema="other")
    assert ask("select count(*) from other.notes") == [(0,)]


def test_only_a_vintage_that_is_what_was_published_is_loaded(
    small: Settings, url: str, ask: Ask
) -> None:
    loaded(small, url)
    copied = shutil.copytree(vintage_of(small).path, small.data_dir / vintage_of(small).vintage_id)
    table = copied / "tables" / "headline.parquet"
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    with pytest.raises(VerificationError, match=r"headline\.parquet"):
        serve(copied, with_url(small, url))
    assert ask(WHICH) == [(vintage_of(small).vintage_id,)]


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["tokenshare", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://loader:{p}@127.0.0.1:1/marts", "127.0.0.1.*port 1.*Connection refused"),
        ("postgresql://loader:{p}@no-such-host.invalid/marts", "could not translate host name"),
        ("postgresql://loader:{p}@/nothing?host={host}", 'database "nothing" does not exist'),
        ("postgresql://nobody:{p}@/marts?host={host}", 'role "nobody" does not exist'),
        ("postgresql://reader:{p}@/marts?host={host}", "permission denied.*42501.*must own"),
        ("postgresql://loader:{p}@/marts?host={host}&secret={p}", "psql with the same one shows"),
        ("postgresql://loader:{p}@/marts?host={host}&sslpassword={p}&port=x", "cannot connect"),
    ],
)
def test_an_error_is_one_line_without_the_password(
    address: str, said: str, small: Settings, host: str, ask: Ask,
    monkeypatch: pytest.MonkeyPatch, capsys: Output,
) -> None:  # fmt: skip
    given = address.format(p=WRITTEN, host=quote(host))
    published = small.latest_path.read_bytes()
    monkeypatch.setenv("TOKENSHARE_SERVE_TO", given)
    monkeypatch.setenv("TOKENSHARE_DEBUG", "1")
    assert call(monkeypatch, "serve-to", "--data-dir", str(small.data_dir)) == 14
    shown = "".join(capsys.readouterr())
    assert_hidden(shown)
    (line,) = [x for x in shown.splitlines() if x.startswith("error")]
    assert re.search(said, line), shown
    assert small.latest_path.read_bytes() == published


def assert_hidden(text: str) -> None:
    for part in (PASSWORD, WRITTEN, "w%rd", "nothing-shows"):
        assert part not in text


@pytest.mark.parametrize(
    "address",
    [
        "mysql://u:{p}@h/db", "h:{p}", f"postgresql://u:{PASSWORD}@h/db", "postgresql://u:a@{p}@h/db",
        "postgresql://u:1/{p}@h/db", "postgresql://u:{p}#@h/db", "postgresql://u:{p} x@h/db",
        "postgresql://u:{p}\n@h/db", "postgresql://[u:{p}@h/db", "postgresql:u:{p}@h/db",
        "postgresql://u@h:5432:{p}/db", "postgresql://u:{p}/db",
    ],
)  # fmt: skip
def test_an_address_that_could_be_read_in_two_ways_is_refused(
    address: str, small_base: Settings
) -> None:
    with pytest.raises(TokenshareError, match=r"TOKENSHARE_SERVE_TO: .*expected postgresql") as no:
        with_url(small_base, address.format(p="nothing-shows"))
    assert_hidden(str(no.value))


def test_an_address_is_shown_without_its_password_and_parameters() -> None:
    assert masked("postgres://u:secret@h:5432/db?sslpassword=x") == "postgres://u:***@h:5432/db"
    assert masked("postgresql://u@/db?host=/tmp/x") == "postgresql://u@/db"
    assert masked("postgresql:///db") == "postgresql:///db"


def test_the_command_says_what_it_did(
    small: Settings, url: str, ask: Ask, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    folder = ("--data-dir", str(small.data_dir))
    assert call(monkeypatch, "serve-to", url, "--json", *folder) == 0
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert document == {
        "vintage_id": vintage_of(small).vintage_id,
        "manifest_sha256": vintage_of(small).manifest["manifest_sha256"],
        "target": "postgresql://loader:***@/marts",
        "schema": "tokenshare",
        "tables": len(tables("published")) + len(views()) + 2,
        "rows": document["rows"],
        "is_new": True,
    }
    assert_hidden("".join(shown))
    assert call(monkeypatch, "serve-to", "--print-grants", 'odd"name', *folder) == 0
    script = capsys.readouterr().out
    role = sql_name('odd"name')
    ask(f"create role {role}", "postgres")
    ask(script)
    granted = "select has_table_privilege('odd\"name', 'tokenshare.headline', 'select')"
    assert ask(granted) == [(True,)]
    ask(f"drop owned by {role}; drop role {role}", "postgres")
    assert call(monkeypatch, "serve-to", *folder) == 14
    assert "set TOKENSHARE_SERVE_TO" in capsys.readouterr().err


def test_a_run_loads_what_the_last_one_could_not(
    small: Settings, url: str, ask: Ask, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """Nothing is new for these runs; what a run publishes is loaded by the same call."""
    published = small.latest_path.read_bytes()
    folder = ("--data-dir", str(small.data_dir))
    down = f"postgresql://loader:{WRITTEN}@127.0.0.1:1/marts"
    monkeypatch.setenv("TOKENSHARE_SERVE_TO", down)
    assert call(monkeypatch, "run", *folder) == 14
    said = capsys.readouterr().err
    assert (
        "PostgreSQL was not loaded: postgresql://loader:***@127.0.0.1:1/marts: connection" in said
    )
    assert_hidden(said)
    recorded = read_runs(small)[-1]
    assert (recorded.exit_code, recorded.outcome) == (14, "nothing_new")
    assert "PostgreSQL was not loaded" in recorded.error
    assert_hidden(recorded.error)
    assert small.latest_path.read_bytes() == published
    monkeypatch.setenv("TOKENSHARE_SERVE_TO", url)
    assert call(monkeypatch, "run", *folder) == 0
    assert ask(WHICH) == [(vintage_of(small).vintage_id,)]
    assert read_runs(small)[-1].exit_code == 0


def test_what_is_wrong_beside_it_is_said_too(small_base: Settings) -> None:
    vintage = vintage_of(small_base)
    refused = left_out_error(vintage, ["a.csv: refused"], "", "PostgreSQL was not loaded: x")
    assert (refused.exit_code, str(refused).splitlines()) == (
        3, ["a.csv: refused", "PostgreSQL was not loaded: x"],
    )  # fmt: skip
    not_pulled = left_out_error(vintage, [], "no answer", "PostgreSQL was not loaded: x")
    assert not_pulled.exit_code == 11
    assert "PostgreSQL was not loaded: x" in str(not_pulled)
    assert left_out_error(vintage, [], "", "x").exit_code == 14
    assert left_out_error(replace(vintage), []) is None
