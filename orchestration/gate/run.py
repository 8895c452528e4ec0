"""The gate: run Great Expectations on exactly the bytes of a candidate.

There are two suites: `contracts`, derived from the data contracts of the published tables, and
`relations`, the SQL files of `rules/`. For each rule DuckDB makes a small data frame from the
candidate's Parquet files, and one expectation is checked on it. Great Expectations is imported
inside the function that uses it, because the import takes 7 s.
"""

import logging
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from functools import cache, partial
from pathlib import Path
from typing import Any
from warnings import filterwarnings

import duckdb
import pandas as pd
import pyarrow as pa

from orchestration.contracts.odcs import Table, tables
from orchestration.errors import GateRefusedError
from orchestration.gate.rules import NO_ROWS, Rule, Severity, create_scope, rules
from orchestration.landing.gaps import Gap
from orchestration.tables import open_tables, sql_text

_ROWS_SHOWN = 20


@dataclass(frozen=True)
class RuleResult:
    """The result of one rule. `rows` has a text for each of the first failing rows.

    `sources` has the same texts by the source that is at fault; empty if the rule names no source.
    """

    suite: str
    rule: str
    severity: Severity
    passed: bool
    title: str
    observed: str
    failing: int
    rows: list[str] = field(default_factory=list)
    sources: dict[str, list[str]] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        if self.passed:
            return "pass"
        return "fail" if self.severity == "blocker" else "warn"

    @classmethod
    def from_entry(cls, entry: dict[str, Any]) -> "RuleResult":
        """The result that an entry of a manifest describes."""
        return cls(**{f.name: entry[f.name] for f in fields(cls) if f.name in entry})

    def entry(self) -> dict[str, Any]:
        """The entry for the manifest and for `gate/results.json`."""
        return {**asdict(self), "verdict": self.outcome}


@dataclass(frozen=True)
class _Term:
    """One condition that a contract sets for a table. `fails` is SQL that is true if a row breaks
    it."""

    code: str
    table: Table
    column: str
    must_be: str
    fails: str


@dataclass(frozen=True)
class _Question:
    """A data frame, one expectation on it, and how to describe a failing row."""

    suite: str
    rule: str
    severity: Severity
    title: str
    frame: pd.DataFrame
    expectation: str
    arguments: dict[str, Any]
    message: Callable[[dict[str, Any]], str]
    needs_rows: bool = False
    # Descriptions of the given rows of the frame, by the source that is at fault.
    by_source: Callable[[Sequence[int]], dict[str, list[str]]] = lambda rows: {}


def _pandas(table: pa.Table) -> pd.DataFrame:
    """The table as a pandas frame, in which integers stay integers even if a column has NULLs."""
    nullable = {
        pa.int64(): pd.Int64Dtype(),
        pa.int32(): pd.Int32Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    return table.to_pandas(types_mapper=nullable.get)


_TERM_TITLES = {
    "KEY": "every table has one row per key of its contract",
    "REFERENCE": "every row that a contract lets refer to another table finds its row there",
    "VALUE_RANGE": "numbers lie within the limits of their contract",
    "VALUE_SET": "values are among those that their contract lists",
    "VALUE_FORM": "texts have the form that their contract states",
}


def rule_titles() -> dict[str, str]:
    """The title of every rule of the gate, by its code."""
    return {**_TERM_TITLES, **{r.code: r.title for r in rules()}}


def blocking_rules() -> set[str]:
    """The codes of the rules that stop a publication; the others warn."""
    return {*_TERM_TITLES, *(r.code for r in rules() if r.severity == "blocker")}


def contract_terms(table: Table) -> Iterator[_Term]:
    """The conditions that the contract sets for the values of one table.

    Column names, types and required values are not among them: the export has already refused a
    table without them (see `publication/candidate.py`).
    """
    for column in table.fields:
        name, sql = column.name, column.sql_name
        if column.minimum is not None or column.maximum is not None:
            low, high = column.minimum, column.maximum
            inside = " and ".join(
                part
                for part in (
                    f"{sql} >= {low}" if low is not None else "",
                    f"{sql} <= {high}" if high is not None else "",
                )
                if part
            )
            must_be = f"in [{'-∞' if low is None else low}, {'∞' if high is None else high}]"
            yield _Term("VALUE_RANGE", table, name, must_be, f"not ({inside})")
        if column.enum:
            listed = ", ".join(sql_text(value) for value in column.enum)
            yield _Term("VALUE_SET", table, name, f"one of {listed}", f"{sql} not in ({listed})")
        if column.pattern:
            form = f"not regexp_full_match({sql}, {sql_text(column.pattern)})"
            yield _Term("VALUE_FORM", table, name, f"of the form {column.pattern}", form)
    key = ", ".join(table.key)
    yield _Term(
        "KEY",
        table,
        key,
        "one row per key",
        f"({key}) in (select ({key}) from {table.name} group by all having count(*) > 1)",
    )
    for reference in table.references:
        columns = ", ".join(reference.columns)
        yield _Term(
            "REFERENCE",
            table,
            columns,
            f"in {reference.table}",
            f"({columns}) not in (select ({', '.join(reference.to)}) from {reference.table})",
        )


def _contract_questions(
    connection: duckdb.DuckDBPyConnection, pool: ThreadPoolExecutor
) -> Iterator[_Question]:
    """One question per kind of contract term, over a profile with one row per term.

    DuckDB makes the profile, with one scan per table. In pandas, 10 million rows would take 25 s
    and 5.5 GB. Each expectation takes 8 ms, whatever the number of rows.
    """

    def profile(table: Table) -> tuple[int, ...]:
        """The number of failing rows for each term of one table."""
        # Terms are counted one by one only if any fails: planning takes 0.5 ms for each of more
        # than a thousand terms.
        terms = list(contract_terms(table))
        cursor = connection.cursor()
        values = " or ".join(f"({t.fails})" for t in terms if t.code != "KEY") or "false"
        key = f"select {', '.join(table.key)} from {table.name} group by all having count(*) > 1"
        (sound,) = cursor.execute(
            f"select not exists (select 1 from {table.name} where {values}) and not exists ({key})"
        ).fetchall()
        if sound == (True,):
            return (0,) * len(terms)
        counts = ", ".join(f"count(*) filter (where {t.fails})" for t in terms)
        (row,) = cursor.execute(f"select {counts} from {table.name}").fetchall()
        return tuple(row)

    published = tables("published").values()
    terms = [t for table in published for t in contract_terms(table)]
    failing = [n for counted in pool.map(profile, published) for n in counted]

    def message(row: dict[str, Any]) -> str:
        term = terms[row["term"]]
        named = dict.fromkeys([*term.table.key, *term.column.split(", ")])
        columns = ", ".join(f'"{column}"' for column in named)
        found = connection.sql(
            f"select {columns} from {term.table.name} where {term.fails} "
            f"order by all limit {_ROWS_SHOWN}"
        )
        shown = [
            ", ".join(f"{c}={v}" for c, v in zip(found.columns, values, strict=True))
            for values in found.fetchall()
        ]
        return (
            f"{term.table.name}.{term.column}: {row['failing_rows']} rows are not {term.must_be}: "
            + "; ".join(shown)
        )

    def by_source(code: str, rows: Sequence[int]) -> dict[str, list[str]]:
        """Descriptions of the failing rows by source; empty if one of the tables has no source."""
        found: dict[str, list[str]] = {}
        of_code = [i for i, t in enumerate(terms) if t.code == code]
        for i in (of_code[row] for row in rows):
            term = terms[i]
            if "source" not in {f.name for f in term.table.fields}:
                return {}
            sources = connection.sql(
                f"select distinct source from {term.table.name} where {term.fails} order by 1"
            )
            for (source,) in sources.fetchall():
                text = message({"term": i, "failing_rows": failing[i]})
                found.setdefault(str(source), []).append(text)
        return found

    for code, title in _TERM_TITLES.items():
        rows = [
            (i, t.table.name, t.column, t.must_be, failing[i])
            for i, t in enumerate(terms)
            if t.code == code
        ]
        yield _Question(
            "contracts",
            code,
            "blocker",
            title,
            pd.DataFrame(rows, columns=["term", "table_name", "column", "must_be", "failing_rows"]),
            "ExpectColumnValuesToBeBetween",
            {"column": "failing_rows", "max_value": 0},
            message,
            by_source=partial(by_source, code),
        )


def _relation_question(rule: Rule, connection: duckdb.DuckDBPyConnection) -> _Question | RuleResult:
    """The question of one rule, or a failed result if its query cannot be run."""
    expected = rule.header
    cursor = connection.cursor()
    try:
        frame = cursor.sql(f"select * from ({rule.frame_sql()}) order by all").to_arrow_table()
        least, greatest = rule.bounds(cursor)
    except duckdb.Error as error:
        return _not_asked("relations", rule.code, rule.severity, rule.title, str(error))
    judged = _pandas(frame)

    def by_source(rows: Sequence[int]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for source, own in judged.iloc[list(rows)].groupby("source", dropna=False):
            shown = own.head(_ROWS_SHOWN).to_dict("records")
            found[str(source)] = [rule.describe({str(k): v for k, v in r.items()}) for r in shown]
        return found

    if expected.one_of:
        expectation, arguments = "InSet", {"value_set": list(expected.one_of)}
    else:
        expectation, arguments = "Between", {"min_value": least, "max_value": greatest}
    return _Question(
        "relations",
        rule.code,
        rule.severity,
        rule.title,
        judged,
        f"ExpectColumnValuesToBe{expectation}",
        {"column": expected.judged, **arguments},
        rule.describe,
        expected.rows == "needed",
        by_source if expected.judges == "source" else lambda rows: {},
    )


def _not_asked(suite: str, rule: str, severity: Severity, title: str, why: str) -> RuleResult:
    """A failed result for a rule that could not be run."""
    return RuleResult(suite, rule, severity, False, title, why, 1, [why])


def connect(
    tables_dir: Path,
    previous_tables_dir: Path | None,
    absent: Collection[str] = (),
    gaps: Collection[Gap] = (),
    small_cells: int = 0,
) -> duckdb.DuckDBPyConnection:
    """A connection with every relation that a rule may read (see `rules`).

    Rows of `absent` sources are left out of the previous vintage: these sources are withheld, not
    restated.
    """
    names = ("usage_daily", "price_history")
    paths = {n: previous_tables_dir / f"{n}.parquet" for n in names} if previous_tables_dir else {}
    previous = {f"previous_{n}": path for n, path in paths.items() if path.exists()}
    connection = open_tables(tables_dir, previous)
    for name in names:
        if f"previous_{name}" not in previous:
            connection.execute(f"create view previous_{name} as select * from {name} where false")
    if absent and "previous_usage_daily" in previous:
        connection.execute("alter view previous_usage_daily rename to all_previous_usage_daily")
        connection.execute(
            "create view previous_usage_daily as from all_previous_usage_daily "
            f"where source not in ({', '.join(sql_text(name) for name in sorted(absent))})"
        )
    create_scope(connection, gaps, small_cells)
    return connection


@cache
def _validator() -> "_Validator":
    """The validator, made once per process, because making it takes longer than running a rule."""
    return _Validator()


class _Validator:
    """Great Expectations with one ephemeral context."""

    def __init__(self) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        logging.getLogger("great_expectations").setLevel(logging.WARNING)
        # It imports pyspark if that is installed, and uses nothing of it here.
        filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        import great_expectations as gx

        self._gx = gx
        from great_expectations.data_context.types.base import (
            DataContextConfig,
            InMemoryStoreBackendDefaults,
            ProgressBarsConfig,
        )

        # Without temporary docs sites: each run would leave a folder of them in /tmp.
        config = DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            progress_bars=ProgressBarsConfig(globally=False),
        )
        self._context = gx.get_context(mode="ephemeral", project_config=config)
        # One asset for all frames, because every added asset makes the next one slower to add.
        self._batches = (
            self._context.data_sources.add_pandas("candidate")
            .add_dataframe_asset("frame")
            .add_batch_definition_whole_dataframe("frame")
        )

    def ask(self, question: _Question) -> RuleResult:
        """Check one question and return its result."""
        q = question
        if q.needs_rows and q.frame.empty:
            return _not_asked(q.suite, q.rule, q.severity, q.title, NO_ROWS)
        column = q.arguments["column"]
        batch = self._batches.get_batch(
            batch_parameters={"dataframe": q.frame[[column]].reset_index(drop=True)}
        )
        expectation = getattr(self._gx.expectations, q.expectation)(**q.arguments)
        # Failing rows are looked up only if there are any, because that takes as long again.
        result = batch.validate(expectation, result_format={"result_format": "BOOLEAN_ONLY"})
        if not result.success:
            result = batch.validate(expectation, result_format={"result_format": "COMPLETE"})
        if result.exception_info and result.exception_info.get("raised_exception"):
            text = str(result.exception_info.get("exception_message"))
            return _not_asked(q.suite, q.rule, q.severity, q.title, text)
        unexpected = set((result.result or {}).get("unexpected_index_list") or [])
        # Expectations ignore NULL; here a value that could not be computed is a failure.
        unexpected |= {i for i, missing in enumerate(q.frame[column].isna()) if missing}
        rows = sorted(unexpected)
        shown = [q.message(q.frame.iloc[i].to_dict()) for i in rows[:_ROWS_SHOWN]]
        return RuleResult(
            q.suite,
            q.rule,
            q.severity,
            bool(result.success) and not rows,
            q.title,
            _observed(q.frame, column, len(rows)),
            len(rows),
            shown,
            q.by_source(rows),
        )


def _observed(frame: pd.DataFrame, column: str, failing: int) -> str:
    """A short text about the observed values: their range if they are numbers, else counts."""
    values = frame[column].dropna()
    numbers = pd.api.types.is_numeric_dtype(values.dtype)
    if len(values) and numbers and not pd.api.types.is_bool_dtype(values.dtype):
        low, high = (f"{v:.6g}" if isinstance(v, float) else str(v) for v in _min_and_max(values))
        return f"{column} from {low} to {high} in {len(frame)} rows"
    return f"{failing} of {len(frame)} rows fail"


def _min_and_max(values: "pd.Series[Any]") -> tuple[Any, Any]:
    return values.min(), values.max()


def judge(rule: Rule, connection: duckdb.DuckDBPyConnection) -> RuleResult:
    """Run one rule on a connection that `connect` opened, and return its result."""
    return _judged(_relation_question(rule, connection))


def _judged(asked: _Question | RuleResult) -> RuleResult:
    return asked if isinstance(asked, RuleResult) else _validator().ask(asked)


def run_gate(
    tables_dir: Path,
    previous_tables_dir: Path | None,
    absent: Collection[str] = (),
    gaps: Collection[Gap] = (),
    small_cells: int = 0,
    *,
    only: Collection[str] | None = None,
) -> list[RuleResult]:
    """Run the rules on the tables of a candidate.

    `previous_tables_dir` has the tables of the previous vintage, or is None if there is none.
    `absent` sources are withheld from the candidate (see `connect`). `gaps` are days that a pull
    found to be unreachable. Groups of request logs with fewer requests than `small_cells` must not
    be there. `only` limits the run to some rules, for an investigation; publishing runs them all.
    """
    asked = set(rule_titles()) if only is None else set(only)
    results: list[RuleResult] = []
    # DuckDB makes the next frames in other threads while Great Expectations checks one.
    with (
        connect(tables_dir, previous_tables_dir, absent, gaps, small_cells) as connection,
        ThreadPoolExecutor(max_workers=2) as pool,
    ):
        relations = pool.map(
            lambda rule: _relation_question(rule, connection),
            [r for r in rules() if r.code in asked],
        )
        if asked & set(_TERM_TITLES):
            questions = _contract_questions(connection, pool)
            results += [_judged(q) for q in questions if q.rule in asked]
        results += [_judged(q) for q in relations]
    return results


def blockers(results: Sequence[RuleResult]) -> list[RuleResult]:
    """The results that stop a publication."""
    return [r for r in results if r.outcome == "fail"]


def warnings(results: Sequence[RuleResult]) -> list[RuleResult]:
    """The results that do not stop a publication, but are published with the vintage."""
    return [r for r in results if r.outcome == "warn"]


def raise_if_blocked(results: Sequence[RuleResult], candidate: Path) -> None:
    """Raise GateRefusedError, with the rule, observed value and rows of each failed blocker, if any
    blocker failed."""
    failed = blockers(results)
    if failed:
        lines = [f"the gate refused the candidate: {len(failed)} blocker(s) failed"]
        for result in failed:
            lines.append(f"  {result.rule}: {result.title}")
            lines.append(f"    observed: {result.observed}; {result.failing} failing")
            by_source = [f"{s}: {row}" for s, rows in result.sources.items() for row in rows]
            lines += [f"    {row}" for row in (by_source or result.rows)]
            if result.failing > len(result.rows):
                lines.append(f"    … and {result.failing - len(result.rows)} more")
        lines.append(f"nothing of it was published; the candidate is kept in {candidate}")
        raise GateRefusedError("\n".join(lines), tuple(results))
