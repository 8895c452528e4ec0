"""Pulls of LiteLLM's spend logs from a real PostgreSQL."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import psycopg2
import pyarrow.parquet as pq
import pytest

from orchestration.cli import main
from orchestration.errors import PullError
from orchestration.landing.store import land, read_records
from orchestration.pulling.pull import PullResult, pull, pull_litellm
from orchestration.settings import Settings
from tests.integration.test_request_log_litellm import (
    CANARY,
    EXPECTED,
    FIXTURES,
    assert_no_canary,
    rows,
)
from tests.postgres import postgres_server
from tests.request_logs import quarantined, reduced, totals

PASSWORD = "a-password-that-nothing-shows"
NOW = datetime(2026, 11, 3, 2, 45, tzinfo=UTC)
# The columns of litellm-proxy-extras 0.4.110, as Prisma makes them in PostgreSQL.
_TYPES = {
    "spend": "double precision not null default 0.0",
    "total_tokens": "integer not null default 0",
    "prompt_tokens": "integer not null default 0",
    "completion_tokens": "integer not null default 0",
    "request_duration_ms": "integer",
    "startTime": "timestamp(3) not null",
    "endTime": "timestamp(3) not null",
    "completionStartTime": "timestamp(3)",
    "created_at": "timestamp(3) not null default current_timestamp",
    "updated_at": "timestamp(3) not null default current_timestamp",
    **dict.fromkeys(("metadata", "request_tags", "messages", "response", "proxy_server_request"),
                    "jsonb default '{}'"),
}  # fmt: skip
_READABLE = (
    'request_id, call_type, model, custom_llm_provider, status, cache_hit, "startTime", "endTime", '
    "updated_at, prompt_tokens, completion_tokens, total_tokens, spend, metadata"
)


class Database:
    """One database with LiteLLM's table, and a role that may read what a pull needs."""

    def __init__(self, host: str, name: str) -> None:
        self.host, self.name = host, name
        # With what LiteLLM's own address may have
        self.url = (
            f"postgresql://tokenshare:{PASSWORD}@/{name}?host={host}&schema=public"
            "&connection_limit=10&pool_timeout=60"
        )

    def execute(self, sql: str, values: Iterable[Any] = ()) -> None:
        connected = psycopg2.connect(host=self.host, dbname=self.name, user="postgres")
        with closing(connected), connected, connected.cursor() as cursor:
            cursor.execute(sql, list(values))

    def copy_out(self, sql: str, file: IO[bytes]) -> None:
        connected = psycopg2.connect(host=self.host, dbname=self.name, user="postgres")
        with closing(connected), connected, connected.cursor() as cursor:
            cursor.copy_expert(sql, file)

    def create(
        self, columns: Iterable[str], name: str = "LiteLLM_SpendLogs", end: str = ""
    ) -> None:
        listed = ", ".join(f'"{c}" {_TYPES.get(c, "text")}' for c in columns)
        self.execute(f'create table "{name}" ({listed}) {end}')

    def insert(self, some: Iterable[dict[str, Any]]) -> None:
        for row in some:
            names = ", ".join(f'"{name}"' for name in row)
            cells = [json.dumps(v) if _TYPES.get(k, "").startswith("jsonb") else v
                     for k, v in row.items()]  # fmt: skip
            marks = ", ".join(["%s"] * len(row))
            self.execute(f'insert into "LiteLLM_SpendLogs" ({names}) values ({marks})', cells)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Any, str]]:
    with postgres_server() as (server, host):
        server.psql(f"create role tokenshare login password '{PASSWORD}'")
        server.psql("create database litellm")
        server.psql("create database moved")
        yield server, host


@pytest.fixture
def database(server: tuple[Any, str]) -> Database:
    """An empty database."""
    found = Database(server[1], "litellm")
    found.execute("drop schema public cascade; create schema public")
    found.execute("grant usage on schema public to tokenshare")
    return found


@pytest.fixture
def settings(tmp_path: Path, database: Database) -> Settings:
    return Settings(
        data_dir=tmp_path / "data", shipped_history=False, litellm_database_url=database.url
    )


def pulled(settings: Settings, now: datetime = NOW) -> PullResult:
    return pull_litellm(settings, clock=lambda: now)


def row_of(row: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {**row, **values}


def landed_rows(settings: Settings) -> list[dict[str, Any]]:
    """The rows of all dumps, without the different ways to write the same time and number."""
    found = [
        row
        for record in read_records(settings)
        for row in pq.read_table(settings.landing_dir / record.path).to_pylist()
    ]
    for row in found:
        row["spend"] = float(row["spend"])
        row["startTime"] = row["startTime"].rstrip("0").rstrip(".")
    return sorted(found, key=lambda row: row["request_id"])


def of_the_file(tmp_path: Path) -> list[dict[str, Any]]:
    settings = Settings(data_dir=tmp_path / "file", shipped_history=False)
    land(FIXTURES / "spendlogs.jsonl", settings)
    return landed_rows(settings)


def assert_nothing_leaked(settings: Settings, *texts: str) -> None:
    assert_no_canary(settings)
    for file in (f for f in settings.data_dir.rglob("*") if f.is_file()):
        assert PASSWORD.encode() not in file.read_bytes(), file
    for text in texts:
        assert PASSWORD not in text
        assert CANARY.decode() not in text


def test_the_first_pull_has_the_rows_of_the_table_and_later_ones_what_is_new(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    database.create(rows()[0])
    database.execute('alter table "LiteLLM_SpendLogs" add primary key (request_id)')
    database.execute(f'grant select ({_READABLE}) on "LiteLLM_SpendLogs" to tokenshare')
    database.insert(rows())
    first = pulled(settings)
    (landed,) = first.landed
    assert (landed.good_rows, landed.quarantined_rows, landed.quarantined_fields) == (12, 0, 0)
    assert landed_rows(settings) == of_the_file(tmp_path)
    record = landed.record
    assert (record.layout, record.as_of, record.as_of_origin) == ("csv/spendlogs", NOW, "file_name")
    assert record.original_name == "2026-11-03T02-45-00Z.csv"
    # The newest change is at 00:01 on the second, so one at 00:00:59 a day before is out of reach.
    new = row_of(rows()[0], request_id="new", startTime="2026-11-02 11:59:00",
                 updated_at="2026-11-02 12:00:00")  # fmt: skip
    late = row_of(rows()[0], request_id="late", updated_at="2026-11-01 12:00:00")
    database.insert([new, late])
    database.execute(
        'update "LiteLLM_SpendLogs" set spend = 1, updated_at = %s where request_id = %s',
        ["2026-11-02 08:00:00", "chatcmpl-openai"],
    )
    database.execute(
        'update "LiteLLM_SpendLogs" set spend = 1, updated_at = %s where request_id = %s',
        ["2026-11-01 00:00:59", "chatcmpl-writes-beside"],
    )
    (second,) = pulled(settings, NOW + timedelta(days=1)).landed
    # All twelve but the one that is out of reach, and two more
    assert second.good_rows == 13
    found = totals(reduced([], settings))
    assert found["requests"] == EXPECTED["requests"] + 2
    # The changed row counts as it is now.
    more = 2 * Decimal("0.00535") + 1 - Decimal("0.00535")
    assert found["cost_usd"] == EXPECTED["cost_usd"] + more
    assert quarantined(settings) == []
    # Now the newest change is at noon of the second.
    (third,) = pulled(settings, NOW + timedelta(days=2)).landed
    ids = pq.read_table(settings.landing_dir / third.record.path)["request_id"].to_pylist()
    assert sorted(ids) == [
        "chatcmpl-openai", "embedding", "late", "new", "reads-beside", "reasoning-estimated",
    ]  # fmt: skip
    assert not list(settings.pulls_dir.glob("*.csv"))
    assert_nothing_leaked(settings, *first.notices)


def test_an_old_partitioned_table_and_its_dump(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    """28 columns without updated_at, as of 2025, partitioned by the owner's script."""
    names = next(
        line for line in (FIXTURES / "pg_dump.sql").read_text(encoding="utf-8").splitlines()
        if line.startswith("COPY")
    )  # fmt: skip
    columns = [c.strip(' "') for c in names.split("(")[1].split(")")[0].split(",")]
    database.create(columns, end='partition by range ("startTime")')
    database.execute(
        'create table "LiteLLM_SpendLogs_p20261101" partition of "LiteLLM_SpendLogs" '
        "for values from ('2026-11-01') to ('2026-11-02')"
    )
    database.execute(
        'create table "LiteLLM_SpendLogs_pdefault" partition of "LiteLLM_SpendLogs" default'
    )
    database.execute('grant select on "LiteLLM_SpendLogs" to tokenshare')
    database.insert([{name: row[name] for name in columns} for row in rows()])
    (landed,) = pulled(settings).landed
    assert landed.good_rows == 12
    assert landed_rows(settings) == of_the_file(tmp_path)
    state = json.loads((settings.pulls_dir / "litellm.json").read_text(encoding="utf-8"))
    assert state["watermark"] == "2026-11-02T00:01:00"
    (again,) = pulled(
        settings.model_copy(update={"litellm_overlap_hours": 1}), NOW + timedelta(days=1)
    ).landed
    assert again.good_rows == 3
    assert_nothing_leaked(settings)
    # What PostgreSQL copies out, in the frame that pg_dump gives it, has the same rows.
    listed = ", ".join(f'"{c}"' for c in columns)
    with (tmp_path / "dump.sql").open("wb") as dump:
        for part in ("LiteLLM_SpendLogs_p20261101", "LiteLLM_SpendLogs_pdefault"):
            dump.write(f'COPY public."{part}" ({listed}) FROM stdin;\n'.encode())
            database.copy_out(f'copy "{part}" ({listed}) to stdout', dump)
            dump.write(b"\\.\n\n\n")
    own = Settings(data_dir=tmp_path / "dumped", shipped_history=False)
    assert land(tmp_path / "dump.sql", own).record.layout == "copy/spendlogs"
    assert landed_rows(own) == of_the_file(tmp_path)


def test_a_table_without_rows_lands_nothing(database: Database, settings: Settings) -> None:
    database.create(rows()[0])
    database.execute('grant select on "LiteLLM_SpendLogs" to tokenshare')
    result = pulled(settings)
    assert result.landed == ()
    assert result.notices == ("litellm_spendlogs: the table has no new rows",)
    assert read_records(settings) == []


def test_another_database_is_read_from_its_beginning(
    database: Database, settings: Settings
) -> None:
    """The other one is of a version that states failures in `metadata` alone."""
    other, newest, refused = Database(database.host, "moved"), rows()[-1], rows()[5]
    for name in ("status", "cache_hit", "custom_llm_provider", "updated_at"):
        del refused[name]
    for one, row in ((database, newest), (other, refused)):
        one.create(row)
        one.execute('grant select on "LiteLLM_SpendLogs" to tokenshare')
        one.insert([row])
    pulled(settings.model_copy(update={"litellm_overlap_hours": 0}))
    moved = Settings(
        data_dir=settings.data_dir, shipped_history=False, litellm_database_url=other.url,
        litellm_overlap_hours=0,
    )  # fmt: skip
    pulled(moved, NOW + timedelta(days=1))
    found = {row["request_id"]: row["status"] for row in landed_rows(settings)}
    assert found == {newest["request_id"]: "success", refused["request_id"]: "failure"}


def test_a_clock_that_is_ahead_makes_no_gap(database: Database, settings: Settings) -> None:
    database.create(rows()[0])
    database.execute('grant select on "LiteLLM_SpendLogs" to tokenshare')
    database.insert([row_of(rows()[0], updated_at="2999-01-01 00:00:00")])
    pulled(settings)
    database.execute('update "LiteLLM_SpendLogs" set updated_at = current_timestamp')
    assert pulled(settings, NOW + timedelta(days=1)).landed[0].good_rows == 1


def test_what_the_database_refuses_is_said_without_its_words(
    database: Database, settings: Settings
) -> None:
    def problem(**changes: Any) -> str:
        with pytest.raises(PullError) as caught:
            pulled(settings.model_copy(update=changes))
        # Nothing of the database's error is kept with it.
        assert caught.value.__context__ is None
        assert_nothing_leaked(settings, str(caught.value))
        assert database.host not in str(caught.value)
        return str(caught.value)

    def address(text: str) -> dict[str, Any]:
        return {"litellm_database_url": Settings(litellm_database_url=text).litellm_database_url}

    assert 'has no table "LiteLLM_SpendLogs" with request_id, startTime,' in problem()
    database.create(rows()[0])
    assert "InsufficientPrivilege (42501): the role must have SELECT" in problem()
    database.execute('grant select on "LiteLLM_SpendLogs" to tokenshare')
    # A view that waits, and one that writes
    database.execute("create schema slow; create schema writes; create table writes.seen (n int)")
    database.execute("create function writes.see() returns int language sql volatile as "
                     "'insert into writes.seen values (1) returning 1'")  # fmt: skip
    for schema, condition in (("slow", "pg_sleep(5) is not null"), ("writes", "writes.see() = 1")):
        database.execute(
            f'create view {schema}."LiteLLM_SpendLogs" as select * from public."LiteLLM_SpendLogs" '
            f"where {condition}; grant usage on schema {schema} to tokenshare; "
            f"grant all on all tables in schema {schema} to tokenshare"
        )
    database.insert(rows()[:1])
    slow = address(database.url.replace("=public", "=slow"))
    said = problem(**slow, litellm_timeout_seconds=0.2)
    assert "QueryCanceled (57014): it took longer than TOKENSHARE_LITELLM_TIMEOUT_SECONDS" in said
    writes = address(database.url.replace("=public", "=writes"))
    assert "ReadOnlySqlTransaction (25006)" in problem(**writes)
    for unreachable in (
        f"postgresql://tokenshare:{PASSWORD}@127.0.0.1:1/nothing",
        f"postgresql://tokenshare:{PASSWORD}@/nothing?host={database.host}",
        f"postgresql://tokenshare:{PASSWORD}@/x?nonsense={database.host}",
        f"host={database.host} {PASSWORD}",
    ):
        assert "no connection; psql with the address in TOKEN" in problem(**address(unreachable))
    assert not list(settings.pulls_dir.iterdir())
    assert len(pulled(settings).landed) == 1


def test_the_nightly_pull_has_it_and_neither_keeps_the_other_from_landing(
    database: Database, settings: Settings
) -> None:
    database.create(rows()[0])
    database.execute('grant select on "LiteLLM_SpendLogs" to tokenshare')
    database.insert(rows())
    nowhere = Settings(source_url="http://127.0.0.1:9").source_url
    offline = settings.model_copy(update={"source_url": nowhere, "pull_retries": 0})
    result = pull(offline)
    assert result.failure, "the rankings are not reachable"
    assert [landed.record.source for landed in result.landed] == ["litellm_spendlogs"]
    database.execute('drop table "LiteLLM_SpendLogs"')
    failed = pull(offline)
    assert failed.failure == result.failure
    assert [n for n in failed.notices if n.startswith("litellm_spendlogs: TOKENSHARE_LITELLM_DATA")]


def test_the_command(
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    database.create(rows()[0])
    database.execute('grant select on "LiteLLM_SpendLogs" to tokenshare')
    database.insert(rows())
    command = ["tokenshare", "pull", "--litellm", "--data-dir", str(settings.data_dir)]
    monkeypatch.setattr(sys, "argv", command)

    def run() -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), "".join(capsys.readouterr())

    monkeypatch.delenv("TOKENSHARE_LITELLM_DATABASE_URL", raising=False)
    code, said = run()
    assert (code, "TOKENSHARE_LITELLM_DATABASE_URL is not set" in said) == (11, True)
    monkeypatch.setenv("TOKENSHARE_LITELLM_DATABASE_URL", database.url)
    code, landed = run()
    assert (code, "1 dump(s) landed with 0 calls" in landed) == (0, True), landed
    monkeypatch.setenv("TOKENSHARE_LITELLM_DATABASE_URL", f"{database.url}&nonsense=1")
    code, refused = run()
    assert code == 11
    assert_nothing_leaked(settings, landed, refused, repr(Settings()))
