"""Spend and price index under random usage: the models' own SQL, as a run of dbt compiled it.

The compiled statement of a model runs on tables that hypothesis fills, in milliseconds.
"""

import math
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestration.settings import Settings

# (month, day, origin, model, tokens, prompt price, completion price); prices None: unpriced
Usage = tuple[int, int, str, str, int, Decimal | None, Decimal | None]
Query = Callable[[str, Sequence[Usage]], list[dict[str, Any]]]

MODELS = ("spend_by_origin", "spend_by_lab", "price_index_monthly")
INPUTS = """
    create schema {database}.intermediate;
    create table {database}.intermediate.int_spend_by_lens (
        source varchar, usage_date date, lens varchar, origin varchar, lab_id varchar,
        lab_name varchar, model_permaslug varchar, tokens bigint, priced_tokens bigint,
        free_tokens bigint, prompt_e18 decimal(38, 0), completion_e18 decimal(38, 0),
        blend_by_4_e18 decimal(38, 0), list_by_4_e18 decimal(38, 0), low_e18 decimal(38, 0),
        high_e18 decimal(38, 0)
    );
    create table {database}.intermediate.int_periods (
        grain varchar, source varchar, usage_date date, period_start date, days_present integer,
        is_complete boolean
    );
"""
FAST = hypothesis_settings(max_examples=25, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def query(small_base: Settings) -> Query:
    """Run a model on usage; returns its rows."""
    compiled = small_base.dbt_target_dir / "compiled" / "tokenshare" / "models"
    statements = {
        name: next(compiled.rglob(f"{name}.sql")).read_text(encoding="utf-8") for name in MODELS
    }
    connection = duckdb.connect()
    database = small_base.database_path.stem
    connection.execute(f"attach ':memory:' as {database}")
    connection.execute(INPUTS.format(database=database))

    def run(model: str, usage: Sequence[Usage]) -> list[dict[str, Any]]:
        columns: list[tuple[Any, ...]] = []
        for month, day, origin, slug, tokens, prompt, completion in usage:
            priced = prompt is not None and completion is not None
            p, c = (prompt or Decimal(0), completion or Decimal(0)) if priced else (Decimal(0),) * 2
            columns.append(
                (
                    "s", date(2026, month, day), "author_hq", origin, origin, origin,
                    f"{origin}/{slug}", tokens, tokens if priced else 0,
                    tokens if priced and p == c == 0 else 0,
                    *(
                        tokens * price * 10**12
                        for price in (p, c, 3 * p + c, 3 * p + c, min(p, c), max(p, c))
                    ),
                )
            )  # fmt: skip
        for table, rows in (
            ("int_spend_by_lens", columns),
            (
                "int_periods",
                sorted(
                    {("monthly", "s", row[1], row[1].replace(day=1), 1, True) for row in columns}
                ),
            ),
        ):
            name = f"{database}.intermediate.{table}"
            connection.execute(f"delete from {name}")
            if not rows:
                continue
            places = ", ".join(f"({', '.join('?' * len(row))})" for row in rows)
            connection.execute(
                f"insert into {name} values {places}", [value for row in rows for value in row]
            )
        result = connection.execute(statements[model])
        names = [d[0] for d in result.description]
        found = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        return sorted(found, key=lambda r: (r["period_start"], r["origin"]))

    return run


PRICE = st.none() | st.decimals(min_value=0, max_value=150, places=4)
MONTHS = st.integers(1, 4)


@st.composite
def usages(draw: st.DrawFn) -> list[Usage]:
    """Up to 30 rows; a model has one pair of prices per day."""
    rows = draw(
        st.lists(
            st.tuples(
                MONTHS,
                st.integers(1, 3),
                st.sampled_from(("CN", "US", "unidentified")),
                st.sampled_from("abc"),
                st.integers(1, 10**13),
                PRICE,
                PRICE,
            ),
            min_size=1,
            max_size=30,
            unique_by=lambda r: r[:4],
        )
    )
    return rows


@FAST
@given(usage=usages(), splits=st.lists(st.floats(0, 1), min_size=30, max_size=30),
       owners=st.lists(st.sampled_from(("CN", "US", "FR")), min_size=30, max_size=30))  # fmt: skip
def test_spend_bounds_hold_under_every_split_and_every_owner(
    query: Query, usage: list[Usage], splits: list[float], owners: list[str]
) -> None:
    """Each row gets a split into prompt and completion and, if unidentified, an owner."""
    spend: dict[tuple[int, str], float] = {}
    for (month, _, origin, _, tokens, prompt, completion), share, owner in zip(
        usage, splits, owners, strict=False
    ):
        if prompt is not None and completion is not None:
            usd = tokens * (share * float(prompt) + (1 - share) * float(completion))
            key = (month, owner if origin == "unidentified" else origin)
            spend[key] = spend.get(key, 0.0) + usd
    for row in query("spend_by_origin", usage):
        month = row["period_start"].month
        total = sum(usd for (m, _), usd in spend.items() if m == month)
        if row["origin"] != "unidentified" and total > 0:
            truth = spend.get((month, row["origin"]), 0.0) / total
            assert row["spend_share_low"] - 1e-9 <= truth <= row["spend_share_high"] + 1e-9
        assert row["list_spend_low_usd"] <= row["list_spend_usd"] <= row["list_spend_high_usd"]
        low, high = row["spend_share_low"], row["spend_share_high"]
        assert low - 1e-12 <= row["spend_share"] <= high + 1e-12


@FAST
@given(usage=usages())
def test_spend_is_exact_and_labs_add_up_to_origins(query: Query, usage: list[Usage]) -> None:
    exact: dict[tuple[int, str], Decimal] = {}
    for month, _, origin, _, tokens, prompt, completion in usage:
        priced = prompt is not None and completion is not None
        usd = tokens * (3 * prompt + completion) / 4_000_000 if priced else Decimal(0)
        exact[month, origin] = exact.get((month, origin), Decimal(0)) + usd
    for model in ("spend_by_origin", "spend_by_lab"):
        found = {
            (r["period_start"].month, r["origin"]): r["list_spend_usd"] for r in query(model, usage)
        }
        assert found == exact


def test_two_days_with_equal_tokens_and_price_count_twice(query: Query) -> None:
    """And so do two models, and two origins, that are equal in all that is added up."""
    price = (Decimal(1), Decimal(5))  # (3 × 1 + 5) / 4 = 2
    usage: list[Usage] = [
        (1, day, origin, slug, 10**6, *price)
        for day in (1, 2) for origin in ("CN", "US") for slug in ("a", "b")
    ]  # fmt: skip
    for row in query("spend_by_origin", usage):
        assert (row["tokens"], row["list_spend_usd"]) == (4 * 10**6, 8)
        assert (row["spend_share"], row["token_share"]) == (0.5, 0.5)


@FAST
@given(usage=usages(), data=st.data())
def test_row_order_and_split_rows_change_nothing(
    query: Query, usage: list[Usage], data: st.DataObject
) -> None:
    """Every row in two, shuffled: the same answer, to the last digit where sums are exact."""
    halves = [
        (*r[:4], part, *r[5:]) for r in usage for part in (r[4] // 3, r[4] - r[4] // 3) if part
    ]
    shuffled = data.draw(st.permutations(halves))
    for model in MODELS:
        for one, other in zip(query(model, usage), query(model, shuffled), strict=True):
            for name, value in one.items():
                if isinstance(value, float):
                    # exp(sum of logarithms) is the only sum of floats
                    assert math.isclose(value, other[name], rel_tol=1e-9), name
                else:
                    assert value == other[name], name


@FAST
@given(usage=usages())
def test_index_is_the_product_of_links_between_laspeyres_and_paasche(
    query: Query, usage: list[Usage]
) -> None:
    chain: dict[str, tuple[date, float, float]] = {}
    for row in query("price_index_monthly", usage):
        if row["fisher_link"] is None:
            chain[row["origin"]] = (row["period_start"], 100.0, 100.0)
        else:
            base, index, mix = chain[row["origin"]]
            low, high = sorted((row["laspeyres_link"], row["paasche_link"]))
            assert low * (1 - 1e-9) <= row["fisher_link"] <= high * (1 + 1e-9)
            assert math.isclose(
                row["fisher_link"] * row["mix_change"], row["average_price_change"], rel_tol=1e-9
            )
            chain[row["origin"]] = (
                base, index * row["fisher_link"], mix * row["mix_change"],
            )  # fmt: skip
        base, index, mix = chain[row["origin"]]
        assert row["base_period"] == base
        assert math.isclose(row["index"], index, rel_tol=1e-6, abs_tol=2e-9)
        if row["mix_index"] is not None:
            assert math.isclose(row["mix_index"], mix, rel_tol=1e-6, abs_tol=2e-9)


@FAST
@given(usage=usages(), prices=st.dictionaries(
    st.sampled_from("abc"), st.decimals(min_value=Decimal("0.01"), max_value=99, places=4),
    min_size=3))  # fmt: skip
def test_index_stays_where_no_price_changes(
    query: Query, usage: list[Usage], prices: dict[str, Decimal]
) -> None:
    """Quantities move as they like: exactly 1 and exactly 100, for every formula."""
    constant = [(*r[:5], prices[r[3]], 2 * prices[r[3]]) for r in usage]
    for row in query("price_index_monthly", constant):
        assert row["index"] == row["index_all_prompt"] == row["index_all_completion"] == 100
        links = ("fisher_link", "laspeyres_link", "paasche_link", "tornqvist_link")
        assert {row[name] for name in links} <= ({1.0} if row["matched_models"] else {None})


@FAST
@given(usage=usages(), factor=st.decimals(min_value=Decimal("0.1"), max_value=9, places=1))
def test_prices_that_all_move_by_a_factor_move_every_link_by_it(
    query: Query, usage: list[Usage], factor: Decimal
) -> None:
    """One price per model in January, the factor times it in February, any quantities."""
    moving = [
        (month, day, origin, slug, tokens, base, base)
        for month, day, origin, slug, tokens, *_ in usage
        if month <= 2
        for base in [(ord(slug) - 95) * (factor if month == 2 else Decimal(1))]
    ]
    for row in query("price_index_monthly", moving):
        if row["matched_models"]:
            for name in ("fisher_link", "laspeyres_link", "paasche_link", "tornqvist_link"):
                assert math.isclose(row[name], float(factor), rel_tol=1e-9), name
