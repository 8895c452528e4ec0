"""Split the rows of a dump into typed rows and quarantined rows, by the raw contract alone.

Each row gets the first check that it fails, in the order: malformed, each field of the contract,
duplicate key, rows per group. The checks are SQL made from the contract, so they cost the same
per row for ten thousand rows as for ten million.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from orchestration.contracts.odcs import Field, Table
from orchestration.sources.base import ParsedDump
from orchestration.tables import sql_text

_VALUE_LENGTH = 80

QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field("row_number", pa.int64(), nullable=False),
        pa.field("usage_date", pa.date32()),
        pa.field("code", pa.string(), nullable=False),
        pa.field("field", pa.string(), nullable=False),
        pa.field("value", pa.string()),
        pa.field("expected", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Check:
    """One way for a row to be wrong: `fails` and `value` are SQL over the incoming strings."""

    code: str
    field: str
    fails: str
    expected: str
    value: str


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _typed(field: Field) -> str:
    """SQL that turns the incoming string into the contract's type, NULL where it cannot."""
    column = _quote(field.source_name)
    if field.logical_type == "date":
        # try_strptime alone would read 2026-9-3 as a day
        return (
            rf"case when regexp_full_match({column}, '\d{{4}}-\d{{2}}-\d{{2}}') "
            f"then try_cast(try_strptime({column}, '%Y-%m-%d') as date) end"
        )
    return f"try_cast({column} as {field.sql_type})"


def field_checks(field: Field, as_of: datetime) -> Iterator[Check]:
    """The checks that the contract asks of one field, first things first."""
    column = _quote(field.source_name)
    present = f"coalesce({column}, '') <> ''"

    def check(code: str, fails: str, expected: str) -> Check:
        return Check(code, field.source_name, f"({present}) and ({fails})", expected, column)

    if field.required:
        yield Check("missing_value", field.source_name, f"not ({present})", "a value", column)
    if field.logical_type == "date":
        form = r"not regexp_full_match({c}, '\d{{4}}-\d{{2}}-\d{{2}}') or {t} is null"
        yield check(
            "impossible_date", form.format(c=column, t=_typed(field)), "a calendar date YYYY-MM-DD"
        )
        if field.minimum is not None:
            yield check(
                "date_too_early",
                f"{_typed(field)} < date {sql_text(field.minimum)}",
                f"{field.minimum} or later",
            )
        day = as_of.date().isoformat()
        yield check(
            "date_in_future", f"{_typed(field)} > date '{day}'", f"a day before {day}, the as_of"
        )
        yield check(
            "day_not_over", f"{_typed(field)} = date '{day}'", f"a day before {day}, the as_of"
        )
    elif field.logical_type == "integer":
        yield check(
            "not_an_integer",
            rf"not regexp_full_match({column}, '-?[0-9]+')",
            "a whole decimal number",
        )
        if field.minimum is not None:
            negative = f"try_cast({column} as hugeint) < {field.minimum}"
            yield check(
                "too_small", f"{negative} or {column} like '-%'", f"{field.minimum} or more"
            )
        if field.maximum is not None:
            # 38 digits and less fit hugeint; anything longer is too large without asking.
            yield check(
                "too_large",
                f"length({column}) > 38 or try_cast({column} as hugeint) > {field.maximum}",
                f"at most {field.maximum}",
            )
    elif field.logical_type == "number":
        yield check(
            "not_a_number",
            rf"not regexp_full_match({column}, '-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?')",
            "a decimal number",
        )
        yield check(
            "out_of_range",
            f"{_typed(field)} is null or {_typed(field)} < {field.minimum} "
            f"or {_typed(field)} > {field.maximum}",
            f"between {field.minimum} and {field.maximum}",
        )
        yield check(
            "too_precise",
            rf"{_typed(field)} = 0 and not regexp_full_match({column}, '-?[0.]+([eE].*)?')",
            f"0, or a number that {field.sql_type} does not round to 0",
        )
    if field.max_length is not None:
        yield check(
            "too_long",
            f"length({column}) > {field.max_length}",
            f"at most {field.max_length} characters",
        )
    if field.pattern is not None:
        yield check(
            "bad_form",
            f"not regexp_full_match({column}, {sql_text(field.pattern)})",
            f"text of the form {field.pattern}",
        )


def split_rows(parsed: ParsedDump, table: Table, as_of: datetime) -> tuple[pa.Table, pa.Table]:
    """Typed good rows (`row_number` and the contract's columns) and quarantined rows.

    Identical copies of a row count once, the copies are quarantined; rows that share a key but
    differ are all quarantined, because nobody can know which one is right.
    """
    incoming = parsed.table()
    whole = f"a whole row of {', '.join(parsed.fields)}"
    checks = [
        Check("malformed_row", "*", "malformed is not null", whole, "malformed"),
        *(c for f in table.fields for c in field_checks(f, as_of)),
    ]
    if parsed.window and (day := next((f for f in table.fields if f.logical_type == "date"), None)):
        start, end = parsed.window
        checks.append(
            Check(
                "outside_window",
                day.source_name,
                f"{_typed(day)} not between date '{start}' and date '{end}'",
                f"a day from {start} to {end}, the dump's own window",
                _quote(day.source_name),
            )
        )
    key_names = ", ".join(f.source_name for f in table.fields if f.primary_key)
    key = ", ".join(_quote(f.source_name) for f in table.fields if f.primary_key)
    key_text = f"concat_ws(', ', {key})"
    values = ", ".join(_quote(f.source_name) for f in table.fields)
    n = len(checks)
    group, max_rows = table.max_rows_per_group or (None, 0)
    group_check = (
        f"when count(*) filter (where failed = 0) over (partition by {_quote(group)}) > {max_rows} "
        f"then {n + 3}"
        if group
        else ""
    )
    cases = "\n".join(f"when {c.fails} then {i}" for i, c in enumerate(checks, start=1))
    labels = [
        *checks,
        Check("duplicate_row", key_names, "", f"one row per {key_names}", key_text),
        Check("conflicting_rows", key_names, "", f"one row per {key_names}", key_text),
        Check(
            "too_many_rows",
            group or "*",
            "",
            f"at most {max_rows} rows per {group}",
            _quote(group) if group else "null",
        ),
    ]
    with duckdb.connect() as connection:
        connection.execute("set preserve_insertion_order = true")
        connection.register("incoming", incoming)
        connection.execute(f"""
            create temp table judged as
            with fields as (
                select *, case {cases} else 0 end as failed from incoming
            ),
            copies as (
                select
                    * replace (
                        case
                            when failed <> 0 then failed
                            when row_number() over (
                                partition by failed, {values} order by row_number
                            ) > 1 then {n + 1}
                            else 0
                        end as failed
                    )
                from fields
            ),
            conflicts as (
                select
                    * replace (
                        case
                            when failed <> 0 then failed
                            when count(*) over (partition by failed, {key}) > 1 then {n + 2}
                            else 0
                        end as failed
                    )
                from copies
            )
            select
                * replace (
                    case when failed <> 0 then failed {group_check} else 0 end as failed
                )
            from conflicts
        """)
        typed = ", ".join(f"{_typed(f)} as {_quote(f.name)}" for f in table.fields)
        good = connection.sql(
            f"select row_number, {typed} from judged where failed = 0 order by row_number"
        ).to_arrow_table()
        day_sql = next(
            (_typed(f) for f in table.fields if f.logical_type == "date"), "cast(null as date)"
        )
        # Years that Python has no date for: DuckDB would give text in their place.
        day_sql = f"case when year({day_sql}) between 1 and 9999 then {day_sql} end"
        value_of = "\n".join(f"when {i} then {c.value}" for i, c in enumerate(labels, start=1))
        named = {f: [getattr(c, f) for c in labels] for f in ("code", "field", "expected")}
        connection.register("labels", pa.table({"failed": range(1, len(labels) + 1), **named}))
        bad = connection.sql(f"""
            select
                row_number, {day_sql} as usage_date, labels.code, labels.field,
                left(case failed {value_of} end, {_VALUE_LENGTH}) as value, labels.expected
            from judged inner join labels using (failed)
            order by row_number
        """).to_arrow_table()
    schema = pa.schema([pa.field("row_number", pa.int64(), nullable=False), *table.arrow_schema()])
    return good.cast(schema), bad.cast(QUARANTINE_SCHEMA)
