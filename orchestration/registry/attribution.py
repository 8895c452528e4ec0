"""Run the dbt model `int_attribution` on any registry, any slugs and any days.

The model's file is rendered by Jinja with the project's own macros, as dbt does. A test compares
the result with what dbt compiles. dbt itself would take 5 s, and a command must answer within 1 s.
"""

from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

from orchestration.errors import TransformError
from orchestration.registry.registry import TABLES
from orchestration.settings import DBT_PROJECT_DIR

if TYPE_CHECKING:
    import duckdb
    import jinja2

MODEL = DBT_PROJECT_DIR / "models" / "intermediate" / "int_attribution.sql"
# The files of the macros that the model uses; parsing all macros would take another 0.1 s.
MACROS = ("portable", "registry")
# Each lens, and the license, with its column of int_attribution.
CUTS = {"author_hq": "headquarters", "base_lineage": "base_headquarters", "license": "license"}


def render(text: str, schema: str, **relations: str) -> str:
    """The SQL of a dbt model, or of a call of one of the project's macros.

    Seeds become tables of `schema`; `relations` has the other relations (`stg_usage`,
    `run_settings`). Raises TransformError if the text uses anything else of dbt.
    """
    import jinja2

    known = {name: f"{schema}.{name}" for name in TABLES} | relations

    def relation(*names: str) -> str:
        if names[-1] not in known:
            raise TransformError(
                f"{MODEL}: reads {'.'.join(names)}; expected one of {', '.join(sorted(known))}"
            )
        return known[names[-1]]

    try:
        return _template(text).render(ref=relation, source=relation)
    except jinja2.TemplateError as error:
        raise TransformError(f"{MODEL}: cannot be rendered without dbt: {error}") from error


@cache
def _template(text: str) -> "jinja2.Template":
    return _environment().from_string(text)


@cache
def _environment() -> "jinja2.Environment":
    """Jinja with the macros that the model uses."""
    import jinja2

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 (SQL)
    for name in MACROS:
        text = (DBT_PROJECT_DIR / "macros" / f"{name}.sql").read_text(encoding="utf-8")
        module: Any = environment.from_string(text).module
        environment.globals.update(
            {n: m for n, m in vars(module).items() if callable(m) and not n.startswith("_")}
        )
    return environment


def attribute(
    connection: "duckdb.DuckDBPyConnection", schema: str, slug_days: str, known_on: date
) -> str:
    """Create `<schema>.attribution`: one row per usage_date, base_slug and registry_view.

    `slug_days` is a relation with usage_date, base_slug and author. `schema` contains the registry.
    `known_on` is the day of the view `now`. Returns the name of the table.
    """
    connection.execute(
        f"create or replace table {schema}.run_settings as "
        "select ?::date as registry_as_of, 'now' as registry_view",
        [known_on],
    )
    sql = render(
        MODEL.read_text(encoding="utf-8"),
        schema,
        stg_usage=slug_days,
        run_settings=f"{schema}.run_settings",
        # Only usage is attributed here, not the models in task classifications.
        int_task_models=(
            f"(select usage_date as window_end, base_slug, author from {slug_days} where false)"
        ),
    )
    connection.execute(f"create or replace table {schema}.attribution as {sql}")
    return f"{schema}.attribution"
