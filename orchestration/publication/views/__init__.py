"""The views of the published database that readers of BI tools should take first: `bi_*.sql`.

Each is one query in a file of its own over the published tables: one lens, names joined in. The
comment at its beginning is YAML (see `Header`); what it says becomes the comments of the view and
of its columns. A view may read the views whose names come before its own.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from orchestration.contracts.odcs import shared_columns
from orchestration.errors import TokenshareError
from orchestration.settings import CONTRACTS_DIR
from orchestration.tables import sql_name, sql_text
from orchestration.words import countries

VIEWS_DIR = Path(__file__).parent
# A view cannot read a file, so the names of countries are in its query.
_COUNTRIES = "/* the rows of configuration/countries.csv */"


class Header(BaseModel):
    """The YAML in the comment at the beginning of a view's file.

    No two rows have the same `key`. `columns` describes the columns that the shared columns of the
    published contracts do not describe, or not as they are here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str
    key: tuple[str, ...]
    columns: dict[str, str] = {}


@dataclass(frozen=True)
class View:
    """One view: its name, what it says of itself, and its query."""

    name: str
    header: Header
    sql: str

    def describe(self, column: str) -> str:
        """The description of a column; "" if there is none."""
        shared = shared_columns(CONTRACTS_DIR / "published").get(column)
        return self.header.columns.get(column) or (shared and shared.description) or ""


def _country_rows() -> str:
    """The countries as rows of SQL, with the names that they have alone, not inside a sentence."""
    named = {code: name.removeprefix("the ") for code, name in sorted(countries().items())}
    return "".join(f"({sql_text(code)}, {sql_text(name)}), " for code, name in named.items())


@cache
def views() -> tuple[View, ...]:
    """All views, in the order in which they can be created.

    Raises TokenshareError that names the file if its header is not valid.
    """
    found = []
    for path in sorted(VIEWS_DIR.glob("bi_*.sql")):
        lines = path.read_text(encoding="utf-8").splitlines()
        end = next(n for n, line in enumerate(lines) if not line.startswith("--"))
        try:
            header = Header.model_validate(
                yaml.safe_load("\n".join(line[3:] for line in lines[:end]))
            )
        except (yaml.YAMLError, ValidationError) as error:
            raise TokenshareError(f"{path}: the header is not valid: {error}") from error
        sql = "\n".join(lines[end:]).replace(_COUNTRIES, _country_rows())
        found.append(View(path.stem, header, sql))
    return tuple(found)


def create_views(connection: duckdb.DuckDBPyConnection, cited: str) -> None:
    """Create every view, with comments, in a database with all published tables.

    `cited` is added to the comment of each view.
    """
    for view in views():
        connection.execute(f"create view {view.name} as {view.sql}")
        comment = f"{view.header.description} {cited}"
        connection.execute(f"comment on view {view.name} is {sql_text(comment)}")
        for column, *_ in connection.execute(f"describe {view.name}").fetchall():
            name = f"{view.name}.{sql_name(column)}"
            connection.execute(f"comment on column {name} is {sql_text(view.describe(column))}")


def read_views(connection: duckdb.DuckDBPyConnection, database: str) -> list[tuple[str, str]]:
    """Name and SQL of every view of a database, in whichever schema."""
    found: list[tuple[str, str]] = connection.execute(
        "select view_name, sql from duckdb_views() where database_name = $1 and not internal "
        "order by all",
        [database],
    ).fetchall()
    return found
