"""Every macro that the engines spell differently, on both of them, with the same rows."""

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest
from jinja2 import Environment

from orchestration.settings import DBT_PROJECT_DIR, Settings
from orchestration.transformation.spark import spark_session
from tools.jinja import adapter

pytestmark = pytest.mark.spark

PORTABLE = (DBT_PROJECT_DIR / "macros" / "portable.sql").read_text(encoding="utf-8")
ROWS = """(
    select * from (
        values
        (1, 'a', 'b:free x', date '2026-01-31', timestamp '2026-01-31 23:59:59.5', '100',
            '[{"from": "1", "to": "2"}, {"from": "x"}]'),
        (2, 'é', 'Ünï_9', date '2024-02-29', timestamp '2024-02-29 00:00:00', '2359', '[]'),
        (3, null, null, null, null, null, null),
        (4, 'B', '', date '2026-03-01', timestamp '2026-03-01 12:00:01', '0', '[{}]')
    ) as rows (id, name, text, day, moment, clock, list)
) as given"""
MARCH = "date '2026-03-01'"
Macros = Any
# The value of a row, or of the whole table, by the macro of this name.
CASES: dict[str, Callable[[Macros], str]] = {
    "joined_text": lambda m: f"select {m.joined_text('name', ', ')} from {ROWS}",
    "quoted": lambda m: f"select id as {m.quoted('window')} from {ROWS}",
    "days_between": lambda m: f"select id, {m.days_between('day', MARCH)} from {ROWS}",
    "minutes_between": lambda m: (
        "select id, cast("
        + m.minutes_between("moment", "cast('2026-03-01 00:00:30' as timestamp)")
        + f" as bigint) from {ROWS}"
    ),
    "json_rows": lambda m: f"select id, {m.json_rows('list', ['from', 'to'])} as found from {ROWS}",
    "matches": lambda m: f"select id, {m.matches('text', '^[a-z]:.*x$')} from {ROWS}",
    "all_columns_but": lambda m: f"select {m.all_columns_but(['day', 'moment'])} from {ROWS}",
    "regexp_replaced": lambda m: (
        f"select id, {m.regexp_replaced('text', '([a-z])([_:])', '$2-$1')} from {ROWS}"
    ),
    "period_start": lambda m: (
        f"select id, {m.period_start('day', 'weekly')}, {m.period_start('day', 'monthly')} "
        f"from {ROWS}"
    ),
    "clock_time": lambda m: f"select id, {m.clock_time('clock')} from {ROWS}",
    "with_variant": lambda m: f"select id, {m.with_variant('text', 'name')} from {ROWS}",
}
# Not compared here: `fail_with` and `hash_of` are below, `generate_schema_name` needs dbt, and the
# others are plain comparisons, the same text for both.
OTHERS = {
    "fail_with", "hash_of", "generate_schema_name",
    "fraction", "valid_on", "corrects", "covers", "overlaps", "days_of",
}  # fmt: skip


def macros(engine: str) -> Macros:
    context = {"adapter": adapter, "engine": engine}
    return Environment(autoescape=False).from_string(PORTABLE).make_module(context)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), engine="spark")
    with spark_session(settings) as session:
        for name, value in {
            # As users have it, with dbt-spark and the profile.
            "spark.sql.adaptive.enabled": "true",
            "spark.sql.codegen.wholeStage": "true",
            "spark.sql.codegen.factoryMode": "FALLBACK",
            "spark.sql.ansi.enabled": "false",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.timestampType": "TIMESTAMP_NTZ",
        }.items():
            session.conf.set(name, value)
        yield session


def plain(value: Any) -> Any:
    """Spark's rows within rows as the dictionaries that DuckDB gives."""
    return value.asDict() if hasattr(value, "asDict") else value


def on_spark(session: Any, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(map(plain, row)) for row in session.sql(sql).collect()]


def on_duckdb(sql: str) -> list[tuple[Any, ...]]:
    return duckdb.sql(sql).fetchall()


@pytest.mark.parametrize("name", CASES)
def test_a_macro_gives_the_same_on_both_engines(session: Any, name: str) -> None:
    spark, duck = (CASES[name](macros(engine)) for engine in ("spark", "duckdb"))
    expected = on_duckdb(duck)
    assert len(expected) > 0
    assert sorted(on_spark(session, spark), key=str) == sorted(expected, key=str)


def test_no_macro_is_forgotten() -> None:
    made = macros("duckdb")
    names = {name for name in dir(made) if "__" not in name and callable(getattr(made, name))}
    assert names == {*CASES, *OTHERS}


def test_a_hash_is_one_of_64_bits_of_the_text_on_both_engines(session: Any) -> None:
    for engine, run in (("spark", lambda sql: on_spark(session, sql)), ("duckdb", on_duckdb)):
        made = macros(engine)
        rows = run(f"select {made.hash_of('name')} from {ROWS} where name is not null")
        again = run(f"select {made.hash_of('name')} from {ROWS} where name is not null")
        assert rows == again
        assert len(set(rows)) == 3
        assert all(-(2**63) <= value < 2**64 for (value,) in rows)


def test_a_failure_is_raised_with_its_message_on_both_engines(session: Any) -> None:
    for engine, run in (("spark", lambda sql: on_spark(session, sql)), ("duckdb", on_duckdb)):
        failing = macros(engine).fail_with("'row ' || cast(id as string)")
        with pytest.raises(Exception, match="row 4"):
            run(f"select case when id = 4 then {failing} end from {ROWS}")
