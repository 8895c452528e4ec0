"""The good rows and the quarantine of a request log, as SQL made from its contract.

The same checks as for every other dump, without those that compare rows: a repeated request is no
error here, and dbt counts it once. A quarantined value may be a piece of a prompt that slipped into
the wrong column, so only its length is kept.

All findings come from one scan of the rows; whoever reads the good rows later takes these findings
and checks nothing again.
"""

from collections.abc import Sequence
from datetime import datetime

from orchestration.contracts.odcs import Field, Table
from orchestration.sources.checks import Check, field_checks, typed
from orchestration.tables import sql_name, sql_text


def _typed_name(field: Field) -> str:
    return sql_name(f"typed {field.name}")


def _finding_name(field: Field) -> str:
    return sql_name(f"finding {field.name}")


def _checks(table: Table, as_of: datetime) -> tuple[list[Check], dict[Field, list[Check]]]:
    """The checks of a whole row, and those of each optional field that has some."""
    of_row: list[Check] = []
    of_field: dict[Field, list[Check]] = {}
    for field in table.fields:
        found = list(field_checks(field, as_of, _typed_name(field)))
        if field.source_name in table.needed_fields:
            of_row += found
        elif found:
            of_field[field] = found
    return of_row, of_field


def _first_failed(checks: Sequence[Check]) -> str:
    """SQL for the number of the first check that a row fails, or 0."""
    cases = " ".join(f"when {c.fails} then {i}" for i, c in enumerate(checks, start=1))
    return f"case {cases} else 0 end" if cases else "0"


def _judged(table: Table, rows: str, as_of: datetime, time_field: str) -> str:
    """SQL for all rows with `usage_date`, and the check that each one fails: `failed` of the row,
    and a finding of each optional field."""
    of_row, of_field = _checks(table, as_of)
    values = ", ".join(f"{typed(f)} as {_typed_name(f)}" for f in table.fields)
    findings = "".join(f", {_first_failed(c)} as {_finding_name(f)}" for f, c in of_field.items())
    day = next(_typed_name(f) for f in table.fields if f.name == time_field)
    return (
        f"select *, cast({day} as date) as usage_date, {_first_failed(of_row)} as failed{findings} "
        f"from (select *, {values} from {rows})"
    )


def good_rows(table: Table, rows: str, quarantined: str, time_field: str) -> str:
    """SQL for the typed good rows: `row_number`, `usage_date` and the columns of the contract.

    `rows` is SQL with the landed rows: one column of text per field, and `row_number`. Nothing is
    checked again: `quarantined` is SQL with what `quarantine` found in them. A bad optional field
    is NULL.
    """
    columns = []
    for field in table.fields:
        value = typed(field)
        if field.source_name not in table.needed_fields:
            is_bad = f"list_contains(bad_fields, {sql_text(field.source_name)})"
            value = f"case when bad_fields is null or not {is_bad} then {value} end"
        columns.append(f"{value} as {sql_name(field.name)}")
    day = next(typed(f) for f in table.fields if f.name == time_field)
    return (
        f"select row_number, cast({day} as date) as usage_date, {', '.join(columns)} from {rows} "
        "left join (select row_number, bool_or(scope = 'row') as is_bad, list(field) as bad_fields "
        f"from {quarantined} group by row_number) as found using (row_number) "
        "where is_bad is not true"
    )


def tally(table: Table, rows: str, as_of: datetime, time_field: str) -> str:
    """SQL for the number of rows by `usage_date` and by what is wrong with them: `is_good`, and
    `findings`, NULL for a row without one, else unique to its row.

    It scans the rows once; `good_days` and `quarantine` read what it finds.
    """
    of_row, of_field = _checks(table, as_of)

    def found(scope: str, number: str, first: int, checks: Sequence[Check]) -> str:
        lengths = " ".join(f"when {i} then {c.value}" for i, c in enumerate(checks, start=1))
        return (
            f"case when {number} <> 0 then {{'row_number': row_number, 'scope': '{scope}', "
            f"'label': {first} + {number}, 'length': length(case {number} {lengths} end)}} end"
        )

    wrong = " or ".join(["failed <> 0", *(f"{_finding_name(f)} <> 0" for f in of_field)])
    first = len(of_row)
    listed = []
    for field, checks in of_field.items():
        listed.append(found("field", _finding_name(field), first, checks))
        first += len(checks)
    return (
        "select usage_date, failed = 0 as is_good, "
        f"case when failed <> 0 then [{found('row', 'failed', 0, of_row)}] "
        f"when {wrong} then [{', '.join(listed)}] end as findings, count(*) as rows "
        f"from ({_judged(table, rows, as_of, time_field)}) group by all"
    )


def good_days(tallied: str) -> str:
    """SQL for the number of good rows by `usage_date`, from the rows of `tally`."""
    return (
        f"select usage_date, cast(sum(rows) as bigint) as rows from {tallied} where is_good "
        "group by all order by all"
    )


def quarantine(table: Table, tallied: str, as_of: datetime) -> str:
    """SQL for the quarantine, from the rows of `tally`: bad rows with scope `row`, bad optional
    fields with scope `field`.

    It has the columns of `sources.checks.QUARANTINE_SCHEMA`, in the order of rows.
    """
    of_row, of_field = _checks(table, as_of)
    checks = [*of_row, *(c for found in of_field.values() for c in found)]
    labels = ", ".join(
        f"({i}, {sql_text(c.code)}, {sql_text(c.field)}, {sql_text(c.expected)})"
        for i, c in enumerate(checks, start=1)
    )
    return (
        "select f.row_number, f.scope, cast(null as varchar) as row_key, "
        # Python's dates end with the year 9999.
        "case when year(usage_date) <= 9999 then usage_date end as usage_date, "
        "code, field, f.length || ' characters' as value, expected "
        f"from (select usage_date, unnest(findings) as f from {tallied}) "
        f"inner join (values {labels}) as labels (label, code, field, expected) "
        "on f.label = labels.label order by f.row_number, field"
    )
