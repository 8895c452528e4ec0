"""The good rows and the quarantine of a request log, as SQL made from its contract.

The same checks as for every other dump, without those that compare rows: a repeated request is no
error here, and dbt counts it once. A quarantined value may be a piece of a prompt that slipped into
the wrong column, so only its length is kept.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from orchestration.contracts.odcs import Field, Table
from orchestration.sources.checks import Check, field_checks, typed
from orchestration.tables import sql_name, sql_text


def _numbered(checks: Sequence[Check]) -> str:
    """SQL for the number of the first check that a row fails, or 0."""
    cases = " ".join(f"when {c.fails} then {i}" for i, c in enumerate(checks, start=1))
    return f"case {cases} else 0 end" if cases else "0"


def _split(table: Table) -> tuple[list[Field], list[Field]]:
    needed = [f for f in table.fields if f.source_name in table.needed_fields]
    return needed, [f for f in table.fields if f not in needed]


def good_rows(table: Table, rows: str, as_of: datetime, time_field: str) -> str:
    """SQL for the typed good rows: `row_number`, `usage_date` and the columns of the contract.

    `rows` is SQL with the landed rows: one column of text per field, and `row_number`. A bad
    optional field is NULL.
    """
    needed, optional = _split(table)
    failed = _numbered([c for f in needed for c in field_checks(f, as_of)])
    columns = [f"{typed(f)} as {sql_name(f.name)}" for f in needed]
    for field in optional:
        wrong = " or ".join(f"({c.fails})" for c in field_checks(field, as_of))
        value = f"case when not ({wrong}) then {typed(field)} end" if wrong else typed(field)
        columns.append(f"{value} as {sql_name(field.name)}")
    day = next(typed(f) for f in table.fields if f.name == time_field)
    return (
        f"select row_number, cast({day} as date) as usage_date, {', '.join(columns)} "
        f"from {rows} where {failed} = 0"
    )


def quarantine(table: Table, rows: str, as_of: datetime, time_field: str) -> str:
    """SQL for the quarantine: bad rows with scope `row`, bad optional fields with scope `field`.

    It has the columns of `sources.checks.QUARANTINE_SCHEMA`, in the order of rows.
    """
    needed, optional = _split(table)
    day = next(typed(f) for f in table.fields if f.name == time_field)
    row_checks = [c for f in needed for c in field_checks(f, as_of)]
    failed = _numbered(row_checks)
    parts = [_findings("row", row_checks, f"select *, {failed} as failed from {rows}", day)]
    for field in optional:
        if checks := list(field_checks(field, as_of)):
            of_field = (
                f"select *, case when {failed} = 0 then {_numbered(checks)} else 0 end as failed "
                f"from {rows}"
            )
            parts.append(_findings("field", checks, of_field, day))
    return f"select * from ({' union all '.join(parts)}) order by row_number, scope desc, field"


def _findings(scope: str, checks: Sequence[Check], judged: str, day: str) -> str:
    def of_check(text: Callable[[Check], str]) -> str:
        cases = " ".join(f"when {i} then {text(c)}" for i, c in enumerate(checks, start=1))
        return f"case failed {cases} end"

    length = of_check(lambda c: f"length({c.value}) || ' characters'")
    return (
        f"select row_number, '{scope}' as scope, cast(null as varchar) as row_key, "
        # Python's dates end with the year 9999.
        f"case when year({day}) <= 9999 then cast({day} as date) end as usage_date, "
        f"{of_check(lambda c: sql_text(c.code))} as code, "
        f"{of_check(lambda c: sql_text(c.field))} as field, "
        f"{length} as value, "
        f"{of_check(lambda c: sql_text(c.expected))} as expected "
        f"from ({judged}) where failed <> 0"
    )
