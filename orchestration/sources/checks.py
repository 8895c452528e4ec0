"""Split the rows of a dump into typed rows and quarantine, by the raw contract alone.

The quarantine states the first check that a row fails. The order is: malformed row, each required
field, duplicate key, rows per group. A row with a bad optional field is still a good row: that
field becomes NULL, and its value goes to the quarantine with scope `field`. The checks are SQL
made from the contract, so the cost per row is the same for ten thousand rows and for ten million.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.contracts.odcs import Field, Table
from orchestration.sources.base import ParsedDump
from orchestration.tables import sql_text

# The clocks of the machine that wrote a dump and of this one may differ, but not by more.
CLOCK_TOLERANCE = timedelta(hours=1)
_VALUE_LENGTH = 80
_KEY_LENGTH = 1000

QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field("row_number", pa.int64(), nullable=False),
        # `row`: the row is not counted; `field`: the row is counted, but this field is NULL
        pa.field("scope", pa.string(), nullable=False),
        # The key in the dump, to know which rows were listed but could not be read
        pa.field("row_key", pa.string()),
        pa.field("usage_date", pa.date32()),
        pa.field("code", pa.string(), nullable=False),
        pa.field("field", pa.string(), nullable=False),
        pa.field("value", pa.string()),
        pa.field("expected", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Check:
    """One check of a row. `fails` and `value` are SQL over the incoming strings."""

    code: str
    field: str
    fails: str
    expected: str
    value: str


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def typed(field: Field) -> str:
    """SQL that casts the incoming string to the type of the contract, or to NULL if it cannot."""
    column = _quote(field.source_name)
    if field.logical_type == "date":
        # try_strptime alone would accept 2026-9-3
        return (
            rf"case when regexp_full_match({column}, '\d{{4}}-\d{{2}}-\d{{2}}') "
            f"then try_cast(try_strptime({column}, '%Y-%m-%d') as date) end"
        )
    if field.logical_type == "timestamp":
        # A time without a zone is UTC, if that is the zone of the connection. A cast back would go
        # through the calendars of ICU, which takes twenty times as long.
        return f"make_timestamp(epoch_us(try_cast({column} as timestamptz)))"
    return f"try_cast({column} as {field.sql_type})"


def field_checks(field: Field, as_of: datetime, value: str = "") -> Iterator[Check]:
    """The checks that the contract demands of one field, in the order in which they are applied.

    `value` is the name of a column that has the typed value, if there is one.
    """
    column = _quote(field.source_name)
    value = value or typed(field)
    present = f"coalesce({column}, '') <> ''"

    def check(code: str, fails: str, expected: str) -> Check:
        return Check(code, field.source_name, f"({present}) and ({fails})", expected, column)

    if field.required:
        yield Check("missing_value", field.source_name, f"not ({present})", "a value", column)
    if field.logical_type == "date":
        form = r"not regexp_full_match({c}, '\d{{4}}-\d{{2}}-\d{{2}}') or {t} is null"
        yield check("impossible_date", form.format(c=column, t=value), "a calendar date YYYY-MM-DD")
        if field.minimum is not None:
            yield check(
                "date_too_early",
                f"{value} < date {sql_text(field.minimum)}",
                f"{field.minimum} or later",
            )
        day = as_of.date().isoformat()
        yield check("date_in_future", f"{value} > date '{day}'", f"a day before {day}, the as_of")
        yield check("day_not_over", f"{value} = date '{day}'", f"a day before {day}, the as_of")
    elif field.logical_type == "timestamp":
        yield check("impossible_time", f"{value} is null", "an ISO-8601 time")
        if field.minimum is not None:
            yield check(
                "time_too_early",
                f"{value} < timestamp {sql_text(field.minimum)}",
                f"{field.minimum} or later",
            )
        latest = f"{as_of.astimezone(UTC) + CLOCK_TOLERANCE:%Y-%m-%d %H:%M:%S}"
        yield check(
            "time_in_future",
            f"{value} > timestamp '{latest}'",
            f"a time before {latest} UTC, an hour after the as_of",
        )
    elif field.logical_type == "integer":
        yield check(
            "not_an_integer",
            rf"not regexp_full_match({column}, '-?[0-9]+')",
            "a whole decimal number",
        )
        if field.minimum is not None:
            yield check(
                "too_small",
                f"{value} < {field.minimum} or {column} like '-%'",
                f"{field.minimum} or more",
            )
        if field.maximum is not None:
            # What is a whole number and does not fit into the type is larger than it.
            yield check(
                "too_large",
                f"{value} is null or {value} > {field.maximum}",
                f"at most {field.maximum}",
            )
        if field.part_of is not None:
            whole = f"try_cast({_quote(field.part_of)} as hugeint)"
            yield check(
                "larger_than_whole",
                f"coalesce(try_cast({column} as hugeint) > {whole}, false)",
                f"at most {field.part_of}, which it is a part of",
            )
    elif field.logical_type == "number":
        yield check(
            "not_a_number",
            rf"not regexp_full_match({column}, '-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?')",
            "a decimal number",
        )
        yield check(
            "out_of_range",
            f"{value} is null or {value} < {field.minimum} or {value} > {field.maximum}",
            f"between {field.minimum} and {field.maximum}",
        )
        yield check(
            "too_precise",
            rf"{value} = 0 and not regexp_full_match({column}, '-?[0.]+([eE].*)?')",
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


def count_scopes(quarantine: pa.Table) -> tuple[int, int]:
    """The number of rows and the number of fields in a table of QUARANTINE_SCHEMA."""
    fields = pc.sum(pc.equal(quarantine["scope"], "field")).as_py() or 0
    return quarantine.num_rows - fields, fields


def split_rows(parsed: ParsedDump, table: Table, as_of: datetime) -> tuple[pa.Table, pa.Table]:
    """The typed good rows (`row_number` and the contract's columns), and the quarantine.

    Of identical rows the first is a good row, and the others are quarantined. Rows that share a
    key but differ are all quarantined, because nobody can know which one is right. A bad optional
    field of a good row is NULL there, and in the quarantine with scope `field`.
    """
    needed = [f for f in table.fields if f.source_name in table.needed_fields]
    optional = [f for f in table.fields if f.source_name not in table.needed_fields]
    malformed = dict(parsed.malformed)
    for number, fields in parsed.unreadable.items():
        for name, what in fields.items():
            if name in table.needed_fields:
                malformed.setdefault(number, f"{name} is {what}")
    incoming = replace(parsed, malformed=malformed).table()
    whole = f"a whole row of {', '.join(parsed.fields)}"
    checks = [
        Check("malformed_row", "*", "malformed is not null", whole, "malformed"),
        *(c for f in needed for c in field_checks(f, as_of)),
    ]
    field_labels = {f.source_name: list(field_checks(f, as_of)) for f in optional}
    if parsed.window and (day := next((f for f in table.fields if f.logical_type == "date"), None)):
        start, end = parsed.window
        checks.append(
            Check(
                "outside_window",
                day.source_name,
                f"{typed(day)} not between date '{start}' and date '{end}'",
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
    # One column per optional field: the number of the check that it fails, or 0
    findings = "".join(
        ", case "
        + " ".join(f"when {c.fails} then {i}" for i, c in enumerate(found, start=1))
        + f" else 0 end as {_quote('finding ' + name)}"
        for name, found in field_labels.items()
        if found
    )
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
                select *, case {cases} else 0 end as failed{findings} from incoming
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
        columns = ", ".join(
            (
                f"case when {_quote('finding ' + f.source_name)} = 0 then {typed(f)} end"
                if field_labels.get(f.source_name)
                else typed(f)
            )
            + f" as {_quote(f.name)}"
            for f in table.fields
        )
        good = connection.sql(
            f"select row_number, {columns} from judged where failed = 0 order by row_number"
        ).to_arrow_table()
        day_sql = next(
            (typed(f) for f in table.fields if f.logical_type == "date"), "cast(null as date)"
        )
        # For years that Python's dates do not cover, DuckDB would return text.
        day_sql = f"case when year({day_sql}) between 1 and 9999 then {day_sql} end"
        value_of = "\n".join(f"when {i} then {c.value}" for i, c in enumerate(labels, start=1))
        # Each label with the optional field that it is about, or '' if it is about the row.
        named = [("", i, c) for i, c in enumerate(labels, start=1)]
        named += [(f, i, c) for f, own in field_labels.items() for i, c in enumerate(own, start=1)]
        connection.register(
            "labels",
            pa.table(
                {
                    "finding_of": [f for f, _, _ in named],
                    "failed": [i for _, i, _ in named],
                    **{k: [getattr(c, k) for _, _, c in named] for k in ("code", "field")},
                    "expected": [c.expected for _, _, c in named],
                }
            ),
        )
        unreadable = [(n, f, w) for n, own in parsed.unreadable.items() for f, w in own.items()]
        connection.register(
            "unreadable",
            pa.table(
                {
                    "row_number": pa.array([n for n, _, _ in unreadable], pa.int64()),
                    "field": pa.array([f for _, f, _ in unreadable], pa.string()),
                    "what": pa.array([w for _, _, w in unreadable], pa.string()),
                }
            ),
        )
        row_of = f"nullif(left({key_text}, {_KEY_LENGTH}), '') as row_key, {day_sql} as usage_date"
        of_field = f"row_number, 'field' as scope, {row_of}"
        parts = [
            f"""
            select row_number, 'row' as scope, {row_of}, labels.code, labels.field,
                left(case failed {value_of} end, {_VALUE_LENGTH}) as value, labels.expected
            from judged
            inner join labels using (failed)
            where labels.finding_of = ''
            """
        ]
        for name in (name for name, own in field_labels.items() if own):
            finding = _quote("finding " + name)
            parts.append(
                f"""
                select {of_field}, labels.code, labels.field,
                    left({_quote(name)}, {_VALUE_LENGTH}) as value, labels.expected
                from judged
                inner join labels
                    on labels.failed = {finding} and labels.finding_of = {sql_text(name)}
                where judged.failed = 0
                """
            )
        parts.append(
            f"""
            select {of_field}, 'malformed_field' as code, unreadable.field,
                unreadable.what as value, 'text or a number' as expected
            from judged
            inner join unreadable using (row_number)
            where judged.failed = 0
            """
        )
        # Ordered by row, then as in the contract.
        found = " union all ".join(
            f"select *, {i} as place from ({p})" for i, p in enumerate(parts)
        )
        bad = connection.sql(
            f"select * exclude (place) from ({found}) order by row_number, place, field"
        ).to_arrow_table()
    schema = pa.schema([pa.field("row_number", pa.int64(), nullable=False), *table.arrow_schema()])
    return good.cast(schema), bad.cast(QUARANTINE_SCHEMA)
