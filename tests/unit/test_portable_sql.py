"""SQL of the dbt project that only one engine knows is in `macros/portable.sql` alone.

The list is what DuckDB and Spark were seen to differ in. `make test-spark` builds every model on
Spark, so it finds what is not in the list; this test says so in a second, and without Spark.
"""

import re
from pathlib import Path

import pytest
from jinja2 import Environment

from orchestration.settings import DBT_PROJECT_DIR
from tools.jinja import adapter

# Where the engines may differ: the macros that say how, and what only one of them materializes.
OF_ONE_ENGINE = {"portable.sql", "spark.sql", "seed.sql", "table.sql"}
ONLY_DUCKDB = {
    r"\bstring_agg\s*\(": "joined_text()",
    r"\bas\s+varchar\b": "string",
    r"\bhugeint\b": "decimal(38, 0)",
    r"\bdate_?diff\s*\(": "days_between() or minutes_between()",
    r"\bdistinct\s+on\b": "qualify row_number() over (…) = 1",
    r"\barg_(?:min|max)\s*\(": "min_by() or max_by()",
    r"\bexclude\s*\(": "all_columns_but()",
    r"\bquantile_(?:cont|disc)\s*\(": "percentile_cont(…) within group (…)",
    r"\bstrftime\s*\(": "a macro",
    r"\b(?:generate_series|range|unnest|struct_pack|list_\w+)\s*\(": "a macro",
    r"\bread_(?:parquet|csv|json)\s*\(": "a source or a seed",
    r"\berror\s*\(": "fail_with()",
    r"\bregexp_(?:matches|replace)\s*\(": "matches() or regexp_replaced()",
    r"(?<!:)//": "floor(… / …)",
    r"\bhash\s*\(": "hash_of()",
    r'"\w+"': "quoted()",
}
ONLY_SPARK = {
    r"\blistagg\s*\(": "joined_text()",
    r"\bexcept\s*\(": "all_columns_but()",
    r"\brlike\b": "matches()",
    r"\bxxhash64\s*\(": "hash_of()",
    r"\braise_error\s*\(": "fail_with()",
    r"\bexplode\s*\(": "json_rows()",
    r"`": "quoted()",
}


def sql_files() -> list[Path]:
    return sorted(
        path
        for folder in ("models", "macros", "tests")
        for path in (DBT_PROJECT_DIR / folder).rglob("*.sql")
        if path.name not in OF_ONE_ENGINE
    )


def without_prose(text: str) -> str:
    """SQL without comments, Jinja and the texts between quotes, which both engines read alike."""
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", text, flags=re.S)
    text = re.sub(r"--[^\n]*", " ", text)
    return re.sub(r"'(?:[^']|'')*'", "''", text)


def constructs(text: str) -> list[str]:
    """What only one engine knows, each with what to write instead."""
    sql = without_prose(text)
    return [
        f"{found.group().strip()}: write {instead}"
        for pattern, instead in (ONLY_DUCKDB | ONLY_SPARK).items()
        if (found := re.search(pattern, sql, flags=re.I))
    ]


def test_the_sql_of_the_dbt_project_is_for_both_engines() -> None:
    files = sql_files()
    assert len(files) > 80
    wrong = {
        str(p.relative_to(DBT_PROJECT_DIR)): constructs(p.read_text(encoding="utf-8"))
        for p in files
    }
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize(
    "sql",
    [
        "select string_agg(a, ',' order by a) from t", "select cast(a as varchar)",
        'select 1 as "window"', "select a // 2", "select listagg(a) within group (order by a)",
        "select * exclude (a) from t", "select * except (a) from t",
        "select date_diff('day', a, b)", "select arg_min(a, b) from t", "select `window` from t",
    ],
)  # fmt: skip
def test_a_construct_of_one_engine_is_found(sql: str) -> None:
    assert len(constructs(sql)) == 1


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_a_macro_that_is_dispatched_has_a_version_for_each_engine(engine: str) -> None:
    text = (DBT_PROJECT_DIR / "macros" / "portable.sql").read_text(encoding="utf-8")
    context = {"adapter": adapter, "engine": engine}
    macros = vars(Environment(autoescape=False).from_string(text).make_module(context))
    dispatched = re.findall(r"adapter\.dispatch\('(\w+)'\)", text)
    assert len(dispatched) > 5
    versions = {name for name in macros if name.startswith(f"{engine}__")}
    assert versions == {f"{engine}__{name}" for name in dispatched}
    for name in dispatched:
        macro, version = macros[name], macros[f"{engine}__{name}"]
        assert macro.arguments == version.arguments
        assert macro(*macro.arguments) == version(*macro.arguments)


def test_comments_and_texts_are_no_constructs() -> None:
    assert constructs("-- Spark: listagg\nselect 'a // b', {{ quoted('window') }} from t") == []
