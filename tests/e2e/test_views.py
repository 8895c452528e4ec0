"""The views for readers say what the tables say: once, with names, and nothing else."""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from orchestration.contracts.odcs import tables
from orchestration.publication.candidate import stored_views
from orchestration.publication.views import VIEWS_DIR, views
from orchestration.publication.vintage import Vintage
from orchestration.settings import Settings
from orchestration.tables import rows

Shipped = tuple[Settings, Vintage]
SUBJECTS, GRAINS = ("origin", "lab", "model"), ("weekly", "monthly")
PAIRS = [(subject, grain) for subject in SUBJECTS for grain in GRAINS]
NAMES = [view.name for view in views()]


@pytest.fixture(scope="module")
def database(shipped: Shipped) -> Iterator[duckdb.DuckDBPyConnection]:
    path = shipped[1].path / "tokenshare.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


def test_there_is_a_view_for_every_question_and_a_reader_meets_them_first() -> None:
    dimensions = ["bi_calendar", "bi_countries", "bi_labs"]
    assert sorted(NAMES) == sorted([*dimensions, *(f"bi_share_by_{s}_{g}" for s, g in PAIRS)])
    # Tools list tables and views of a schema together, by name.
    listed = sorted([*NAMES, *tables("published")])
    assert [n for n in listed if n < max(NAMES) and n not in NAMES] == ["app_usage"]


@pytest.mark.parametrize("view", views(), ids=NAMES)
def test_a_view_has_one_row_for_each_key_and_no_lens(
    view: Any, database: duckdb.DuckDBPyConnection
) -> None:
    found = rows(database, f"select * from {view.name}")
    keys = [tuple(row[name] for name in view.header.key) for row in found]
    assert len(keys) == len(set(keys)) > 0
    assert not [key for key in keys if None in key]
    assert "lens" not in found[0]
    for name in {"origin_name", "lab_name"} & found[0].keys():
        assert all(row[name] for row in found)
    # What the file describes is there, and in types that every tool can hold.
    assert view.header.columns.keys() <= found[0].keys()
    types = {str(t) for t in database.table(view.name).types}
    assert types <= {"VARCHAR", "DATE", "BOOLEAN", "INTEGER", "BIGINT", "DOUBLE"}


@pytest.mark.parametrize(("subject", "grain"), PAIRS)
def test_the_sums_of_a_view_are_those_of_the_daily_usage(
    subject: str, grain: str, shipped: Shipped, database: duckdb.DuckDBPyConnection
) -> None:
    """Added up in Python from `usage_daily`, which has no lens."""
    daily = pq.read_table(shipped[1].path / "tables" / "usage_daily.parquet").to_pylist()
    tokens: dict[Any, int] = defaultdict(int)
    spend: dict[Any, Decimal] = defaultdict(Decimal)
    for row in daily:
        day: date = row["usage_date"]
        start = day - timedelta(days=day.weekday()) if grain == "weekly" else day.replace(day=1)
        tokens[row["source"], start] += row["tokens"]
        spend[row["source"], start] += row["list_spend_usd"] or 0
    view = rows(database, f"select * from bi_share_by_{subject}_{grain}")
    seen, dollars, shares = defaultdict(int), defaultdict(float), defaultdict(float)
    for row in view:
        key = (row["source"], row["period_start"])
        assert row["total_tokens"] == tokens[key]
        seen[key] += row["tokens"]
        shares[key] += row["share"]
        dollars[key] += row.get("list_spend_usd") or 0
    assert seen == tokens
    assert all(abs(share - 1) < 1e-9 for share in shares.values())
    if subject != "origin":
        assert all(dollars[key] == pytest.approx(float(spend[key]), rel=1e-12) for key in spend)


@pytest.mark.parametrize("grain", GRAINS)
@pytest.mark.parametrize("subject", ["origin", "lab"])
def test_a_row_is_that_of_the_table(
    subject: str, grain: str, shipped: Shipped, database: duckdb.DuckDBPyConnection
) -> None:
    key = {"origin": "origin", "lab": "lab_id"}[subject]

    def by_key(found: list[dict[str, Any]]) -> dict[Any, dict[str, Any]]:
        return {(row["source"], row["period_start"], row[key]): row for row in found}

    def table(name: str) -> dict[Any, dict[str, Any]]:
        held = pq.read_table(shipped[1].path / "tables" / f"{name}_{grain}.parquet").to_pylist()
        return by_key([row for row in held if row["lens"] == "author_hq"])

    view = by_key(rows(database, f"select * from bi_share_by_{subject}_{grain}"))
    shares, spend = table(f"share_by_{subject}"), table(f"spend_by_{subject}")
    assert view.keys() == shares.keys()
    compared = 0
    for name, row in view.items():
        for column in shares[name].keys() & row.keys():
            assert row[column] == shares[name][column]
        for column in {"spend_rank", "spend_share", "average_usd_per_million_tokens"} & row.keys():
            assert row[column] == spend[name][column]
            compared += 1
        if subject == "origin":
            source, start, origin = name
            years = timedelta(days=364)
            then = start.replace(year=start.year - 1) if grain == "monthly" else start - years
            before = shares.get((source, then, origin))
            known = before is not None and before["is_complete"]
            assert row["share_year_before"] == (before["share"] if known else None)
            assert row["tokens_year_before"] == (before["tokens"] if known else None)
            compared += known
    assert compared > 10


@pytest.mark.parametrize("grain", GRAINS)
def test_a_model_has_all_its_variants_its_last_lab_and_its_price(
    grain: str, shipped: Shipped, database: duckdb.DuckDBPyConnection
) -> None:
    daily = pq.read_table(shipped[1].path / "tables" / "usage_daily.parquet").to_pylist()
    expected: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(daily, key=lambda r: r["usage_date"]):
        day: date = row["usage_date"]
        start = day - timedelta(days=day.weekday()) if grain == "weekly" else day.replace(day=1)
        expected[row["source"], start, row["base_slug"]].append(row)
    view = rows(database, f"select * from bi_share_by_model_{grain}")
    assert len(view) == len(expected)
    free = 0
    for row in view:
        of_model = expected[row["source"], row["period_start"], row["model"]]
        last, priced = of_model[-1], [r for r in of_model if r["list_spend_usd"] is not None]
        assert row["tokens"] == sum(r["tokens"] for r in of_model)
        assert row["lab_id"] == (last["lab_id"] or "unidentified")
        assert [row[n] for n in ("origin", "license", "identification")] == [
            last[n] for n in ("origin", "license", "identification")
        ]
        tokens = sum(r["tokens"] for r in priced)
        assert row["priced_tokens"] == tokens
        if tokens:
            price = sum(r["list_spend_usd"] for r in priced) * 1_000_000 / tokens
            assert row["average_usd_per_million_tokens"] == pytest.approx(float(price), abs=1e-9)
            free += price == 0
        else:
            assert row["average_usd_per_million_tokens"] is None
        above = sum(
            r["tokens"] > row["tokens"] and r["model"] != "other"
            for r in view
            if (r["source"], r["period_start"]) == (row["source"], row["period_start"])
        )
        assert row["rank"] == (None if row["model"] == "other" else above + 1)
    assert free


def test_every_name_in_a_view_is_in_its_dimension(database: duckdb.DuckDBPyConnection) -> None:
    countries = {r["origin"]: r["origin_name"] for r in rows(database, "from bi_countries")}
    labs = {r["lab_id"]: r["lab_name"] for r in rows(database, "from bi_labs")}
    assert countries["unidentified"] == labs["unidentified"] == "Unidentified"
    assert (countries["US"], countries["CN"], len(countries)) == ("United States", "China", 250)
    for subject, grain in PAIRS:
        for row in rows(database, f"from bi_share_by_{subject}_{grain}"):
            assert row["origin_name"] == countries[row["origin"]]
            assert labs[row.get("lab_id", "unidentified")] == row.get("lab_name", "Unidentified")


def test_the_calendar_has_every_day_and_says_which_are_whole(
    shipped: Shipped, database: duckdb.DuckDBPyConnection
) -> None:
    found = rows(database, "from bi_calendar order by source, usage_date")
    daily = pq.read_table(
        shipped[1].path / "tables" / "usage_daily.parquet", columns=["usage_date", "is_complete"]
    ).to_pylist()
    complete = {row["usage_date"]: row["is_complete"] for row in daily}
    first = min(complete)
    assert len(found) == (max(complete) - first).days + 1 > 600
    whole = {
        (grain, row["period_start"]): row["is_complete"]
        for grain in GRAINS
        for row in rows(database, f"from bi_share_by_origin_{grain}")
    }
    for number, row in enumerate(found):
        day = first + timedelta(days=number)
        assert row["usage_date"] == day
        assert (row["iso_year"], row["iso_week"]) == day.isocalendar()[:2]
        assert row["week_start"] == day - timedelta(days=day.weekday())
        assert row["month_start"] == day.replace(day=1)
        assert row["has_usage"] == (day in complete)
        assert row["is_complete"] == complete.get(day, False)
        assert row["week_is_complete"] == whole.get(("weekly", row["week_start"]), False)
        assert row["month_is_complete"] == whole.get(("monthly", row["month_start"]), False)


def test_a_day_that_the_source_left_out_is_in_the_calendar() -> None:
    (calendar,) = [v for v in views() if v.name == "bi_calendar"]
    with duckdb.connect() as connection:
        connection.execute(
            "create table share_by_origin_daily as select * from (values "
            "('a', date '2026-01-01', 'author_hq', true), ('a', date '2026-01-03', 'author_hq', "
            "true)) as t (source, period_start, lens, is_complete)"
        )
        for grain in GRAINS:
            connection.execute(
                f"create table share_by_origin_{grain} as from share_by_origin_daily limit 0"
            )
        found = rows(connection, f"select * from ({calendar.sql}) order by usage_date")
    assert [(r["usage_date"].day, r["has_usage"], r["is_complete"]) for r in found] == [
        (1, True, True), (2, False, False), (3, True, True)
    ]  # fmt: skip


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_weekly_view_is_the_monthly_one_with_weeks(subject: str) -> None:
    texts = [
        (VIEWS_DIR / f"bi_share_by_{subject}_{grain}.sql").read_text(encoding="utf-8")
        for grain in GRAINS
    ]
    weekly, monthly = (re.sub("^--.*\n", "", t, flags=re.MULTILINE) for t in texts)
    assert weekly == (
        monthly.replace("monthly", "weekly")
        .replace("'month'", "'week'")
        .replace("interval '1' year", "interval '364' day")
    )


def test_the_stored_views_are_those_of_a_published_database(
    database: duckdb.DuckDBPyConnection,
) -> None:
    """`verify` compares them, so they must not depend on what is in the tables."""
    held = rows(database, "select view_name, sql from duckdb_views() where not internal")
    assert {row["view_name"]: row["sql"] for row in held} == stored_views()
