"""dbt's `adapter`, for what renders macros of the dbt project without dbt: sqlfluff, to which each
module of this folder is a name in Jinja (`library_path` in pyproject.toml), and tests."""

from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context


@pass_context
def dispatch(context: Context, name: str) -> Any:
    """The macro `duckdb__<name>` of the same file, or that of another `engine` of the context."""
    return context[f"{context.get('engine', 'duckdb')}__{name}"]
