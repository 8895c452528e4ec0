"""The gate's rules across rows, days and tables: `<subject>/<CODE>.sql`, one file per rule.

A rule is a query that makes a small frame, and one expectation on a column of that frame. The query
does the arithmetic, so that an analyst can read it and run it on the `tokenshare.duckdb` of a
vintage (docs/operations.md explains how). The comment at its beginning, up to the first blank
line, contains the rest (see `Header`). A rule does not repeat what a contract states about a
column: `gate.run.contract_terms` checks that.

A rule may read these relations: every published table; `shares`, the rows of all share tables with
their `table_name`; `share_lenses (table_name, lens)`; `limits`, one row with a struct for each
section of `configuration/gate.yml`; `configured_claims (claim_id)`; `gaps (source, first_day,
last_day, reason)`, the days that a pull found to be unreachable (see `landing/gaps.py`);
`small_cells (least_requests)`, what a group of a request log must have, or 0; and
`previous_usage_daily` and `previous_price_history`, the same tables of the previous vintage, empty
if there is none.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb
import pyarrow as pa
import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
    model_validator,
)

from orchestration.configuration.claims import rule_sets_and_claims
from orchestration.configuration.limits import limits
from orchestration.contracts.odcs import Table, tables
from orchestration.errors import TokenshareError
from orchestration.files import to_json
from orchestration.landing.gaps import Gap
from orchestration.tables import rows

RULES_DIR = Path(__file__).parent

Severity = Literal["blocker", "warning"]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Header(BaseModel):
    """The YAML in the comment at the beginning of a rule's file.

    `title` may contain limits in braces, and `message` columns of a failing row. `judged` is the
    column whose value must be between `min` and `max` (SQL, in which `limits` can be used) or
    `one_of` some values; NULL and NaN fail. `limits` lists every key of gate.yml that the file
    uses. With `rows: needed` an empty frame fails. With `accepts_days` a row is left out if a human
    has accepted its `usage_date` in gate.yml. `verified` rules need only the tables of a vintage:
    `tokenshare verify` runs them again. With `judges: source` the column `source` names the source
    that is at fault in a failing row. If that is not the primary source, it is withheld, and the
    others are published.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    severity: Severity
    title: Text
    judged: Annotated[str, StringConstraints(pattern=r"^[a-z_]+$")]
    min: Annotated[str, BeforeValidator(str)] = ""
    max: Annotated[str, BeforeValidator(str)] = ""
    one_of: tuple[bool | int, ...] = ()
    limits: tuple[str, ...] = ()
    rows: Literal["any", "needed"] = "any"
    accepts_days: bool = False
    verified: bool = False
    judges: Literal["candidate", "source"] = "candidate"
    message: Text

    @model_validator(mode="after")
    def _expects_one_thing(self) -> "Header":
        if bool(self.one_of) == bool(self.min or self.max):
            raise ValueError("expected either one_of, or min, max or both")
        if self.verified and (self.limits or self.accepts_days or self.severity != "blocker"):
            raise ValueError("verified: true is for blockers without limits and accepts_days only")
        if self.judges == "source" and self.severity != "blocker":
            raise ValueError("judges: source is for blockers only: a warning withholds no source")
        return self


@dataclass(frozen=True)
class Rule:
    """One named rule."""

    code: str
    header: Header
    sql: str

    @property
    def severity(self) -> Severity:
        return self.header.severity

    @property
    def title(self) -> str:
        """The title, with the values of the limits that it contains."""
        return self.header.title.format_map(dict(limits()))

    def frame_sql(self) -> str:
        """The rule's query, without the days that a human has accepted."""
        days = [a.usage_date for a in limits().accepted if a.rule == self.code]
        listed = ", ".join(f"date '{day}'" for day in days)
        kept = f"where usage_date not in ({listed})" if days and self.header.accepts_days else ""
        return f"select * from ({self.sql}) {kept}"

    def tables(self, connection: duckdb.DuckDBPyConnection) -> set[str]:
        """The published tables that its query reads."""
        names = set(connection.get_table_names(self.sql))
        return names - {"shares", "share_lenses", "small_cells"} | (
            set(share_tables()) if "shares" in names else set()
        )

    def bounds(self, connection: duckdb.DuckDBPyConnection) -> tuple[Any, Any]:
        """The smallest and the largest value that pass; None if there is no such bound."""
        low, high = (self.header.min or "null", self.header.max or "null")
        relation = "from limits" if self.header.limits else ""
        ((least, greatest),) = connection.execute(f"select {low}, {high} {relation}").fetchall()
        return least, greatest

    def describe(self, row: Mapping[str, Any]) -> str:
        """A text that describes a failing row."""
        try:
            return self.header.message.format_map(row)
        except (TypeError, ValueError):  # NULL instead of a number
            return ", ".join(f"{name}={value}" for name, value in row.items())

    def failing_rows(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        """Descriptions of the failing rows, found by DuckDB without Great Expectations."""
        judged = self.header.judged
        if self.header.one_of:
            good = f"{judged} in ({', '.join(str(v).lower() for v in self.header.one_of)})"
        else:
            low, high = self.bounds(connection)
            good = f"not isnan(cast({judged} as double))"
            good += "" if low is None else f" and {judged} >= {low}"
            good += "" if high is None else f" and {judged} <= {high}"
        frame = self.frame_sql()
        judged_rows = rows(
            connection,
            f"select *, coalesce({good}, false) as rule_passed from ({frame}) order by all",
        )
        if not judged_rows and self.header.rows == "needed":
            return [NO_ROWS]
        return [self.describe(row) for row in judged_rows if not row.pop("rule_passed")]


NO_ROWS = "no rows to judge"
_LIMIT_IN_SQL = re.compile(r"\blimits\.([a-z_]+(?:\.[a-z_]+)?)")
_LIMIT_IN_TITLE = re.compile(r"\{([a-z_.]+)")


def read_rule(path: Path) -> Rule:
    """Read the rule in one file.

    Raises TokenshareError that names the file and the wrong key of its header.
    """
    text = path.read_text(encoding="utf-8")
    lines = []
    for line in text.splitlines():
        if not line.startswith("-- "):
            break
        lines.append(line[3:])
    try:
        header = Header.model_validate(yaml.safe_load("\n".join(lines)))
    except yaml.YAMLError as error:
        raise TokenshareError(f"{path}: the header is not YAML: {error}") from error
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'the header'}: {e['msg']}" for e in error.errors()
        )
        raise TokenshareError(f"{path}: {said}") from error
    body = "\n".join(text.splitlines()[len(lines) :]).strip().removesuffix(";")
    used = {
        *_LIMIT_IN_SQL.findall(f"{body}\n{header.min}\n{header.max}"),
        *_LIMIT_IN_TITLE.findall(header.title),
    }
    if used != set(header.limits):
        raise TokenshareError(
            f"{path}: limits: lists {sorted(header.limits)}, but the file uses {sorted(used)}; "
            "list exactly those"
        )
    return Rule(path.stem, header, body)


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, blockers and warnings, in the order of their files.

    Raises TokenshareError if a file is not a valid rule.
    """
    return tuple(read_rule(path) for path in sorted(RULES_DIR.glob("*/*.sql")))


def share_tables() -> dict[str, Table]:
    """The published tables whose rows are shares of all tokens of a period, by name."""
    return {
        name: table
        for name, table in tables("published").items()
        if name.startswith("share_by_") and "rank" in {f.name for f in table.fields}
    }


def create_shares(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `shares` and `share_lenses` beside the tables; `by_hand.sql` does the same."""
    found = share_tables()
    union = " union all by name ".join(f"select '{n}' as table_name, * from {n}" for n in found)
    lenses = ", ".join(
        f"('{name}', '{lens}')"
        for name, table in found.items()
        for lens in ("author_hq", "base_lineage", "serving_hq")
        if lens == "author_hq" or "origin" in {f.name for f in table.fields}
    )
    connection.execute(f"create view shares as {union}")
    connection.execute(f"create view share_lenses (table_name, lens) as values {lenses}")


def create_small_cells(connection: duckdb.DuckDBPyConnection, small_cells: int) -> None:
    """Make `small_cells` beside the tables; `by_hand.sql` does the same."""
    connection.execute(f"create view small_cells as select {int(small_cells)} as least_requests")


def create_scope(
    connection: duckdb.DuckDBPyConnection, gaps: Iterable[Gap] = (), small_cells: int = 0
) -> None:
    """Create what the rules read beside the tables of a candidate and of the previous vintage."""
    create_shares(connection)
    create_small_cells(connection, small_cells)
    sections = limits().document()
    del sections["accepted"]
    # As JSON text: without any days there would be no struct.
    sections["known_missing_days"] = to_json(sections["known_missing_days"]).decode()
    claims = [claim.claim_id for claim in rule_sets_and_claims()[1]]
    connection.register("limits_read", pa.Table.from_pylist([sections]))
    connection.register("claims_read", pa.table({"claim_id": pa.array(claims, pa.string())}))
    connection.execute("create table limits as from limits_read")
    connection.execute("create table configured_claims as from claims_read")
    connection.execute(
        "create table gaps (source varchar, first_day date, last_day date, reason varchar)"
    )
    for gap in gaps:
        connection.execute(
            "insert into gaps values (?, ?, ?, ?)",
            [gap.source, gap.first_day, gap.last_day, gap.reason],
        )
    connection.unregister("limits_read")
    connection.unregister("claims_read")
