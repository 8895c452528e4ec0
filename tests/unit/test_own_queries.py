"""The queries of the page of own request logs on small tables, worked out by hand."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest

from orchestration.report.build import query_text
from orchestration.tables import rows

MARKET = "openrouter_rankings"
MONDAY = date(2026, 2, 2)
Used = tuple[str, date, str, int]  # source, day, origin, tokens


def days(first: date, count: int, source: str = "log", origin: str = "CN") -> list[Used]:
    return [(source, first + timedelta(days=i), origin, 100) for i in range(count)]


def tables(used: Iterable[Used], provider: dict[str, str] | None = None) -> Any:
    """Tables of the columns that the queries need. The label of an origin is its lab, its license
    (`unidentified` is `unknown`) and, in `provider`, the country of who served it."""
    connection = duckdb.connect()
    connection.execute(
        "create table used (source varchar, usage_date date, origin varchar, tokens bigint)"
    )
    connection.executemany("insert into used values (?, ?, ?, ?)", list(used))
    connection.execute(
        "create table usage_daily as select *, origin as lab_name, lower(origin) || '/m' as "
        "base_slug, true as is_complete from used"
    )
    countries = " ".join(f"when '{o}' then '{c}'" for o, c in (provider or {"": ""}).items())
    connection.execute(
        "create table served_daily as select source, usage_date, origin, tokens, 1 as requests, "
        "if(origin = 'unidentified', 'unknown', 'open_weight') as license, "
        f"case origin {countries} else 'unidentified' end as serving_headquarters, "
        f"1.5::decimal(18, 9) as cost_usd from used where source <> '{MARKET}'"
    )
    for grain, start, length in (("weekly", "date_trunc('week', usage_date)", 7),
                                 ("daily", "usage_date", 1)):  # fmt: skip
        for kind, key, more in (
            ("origin", "origin", ""), ("lab", "origin as lab_id, origin as lab_name", ", origin"),
            ("license", "if(origin = 'unidentified', 'unknown', 'open_weight') as license", ""),
            ("price_band", "if(origin = 'unidentified', 'unpriced', 'free') as price_band", ""),
        ):  # fmt: skip
            connection.execute(f"""
                create table share_by_{kind}_{grain} as
                with sums as (
                    select source, {start}::date as period_start, {key} {more},
                        bool_or(origin = 'unidentified') as loose, sum(tokens)::bigint as tokens
                    from used group by all
                ),
                present as (
                    select source, {start}::date as period_start,
                        count(distinct usage_date)::integer as days_present
                    from used group by all
                )
                select sums.* exclude (loose), days_present, days_present = {length} as is_complete,
                    'author_hq' as lens, (sum(tokens) over w)::bigint as total_tokens,
                    tokens / total_tokens as share,
                    if(loose, tokens, tokens + coalesce(sum(tokens) filter (loose) over w, 0))
                        / total_tokens as share_high
                from sums inner join present using (source, period_start)
                window w as (partition by source, period_start)
            """)
    return connection


def asked(connection: Any, query: str) -> list[dict[str, Any]]:
    return rows(connection, query_text(query))


@pytest.mark.parametrize(
    ("used", "grain", "start"),
    [
        # The newest week has four days, but is not over on its Friday.
        (days(MONDAY, 12), "weekly", MONDAY),
        # It is over on its Sunday.
        (days(MONDAY, 14), "weekly", MONDAY + timedelta(7)),
        # Nothing on weekends: a later day shows that the week is over.
        ([*days(MONDAY, 5), *days(MONDAY + timedelta(7), 5)], "weekly", MONDAY),
        # One day of it does not lead, however long it is over.
        ([*days(MONDAY, 5), *days(MONDAY + timedelta(13), 2)], "weekly", MONDAY),
        # No week is over that has four days.
        (days(MONDAY, 5), "weekly", MONDAY),
        ([*days(MONDAY - timedelta(1), 1), *days(MONDAY, 4)], "weekly", MONDAY),
        # No week has four days: the newest day.
        ([*days(MONDAY, 3), *days(MONDAY + timedelta(7), 2)], "daily", MONDAY + timedelta(8)),
    ],
)
def test_the_newest_week_that_is_over_leads(used: list[Used], grain: str, start: date) -> None:
    found = asked(tables(used), "own_periods")
    (first,) = [r for r in found if r["place"] == 1]
    assert (first["grain"], first["period_start"]) == (grain, start)
    assert {r["grain"] for r in found} == {grain}
    assert first["market_days_present"] is None


def test_what_one_side_lacks_is_at_most_what_it_cannot_identify() -> None:
    mine = [("log", MONDAY + timedelta(i), o, n) for i in range(7)
            for o, n in (("CN", 60), ("unidentified", 40))]  # fmt: skip
    market = [(MARKET, MONDAY + timedelta(i), o, n) for i in range(7)
              for o, n in (("CN", 500), ("US", 300), ("unidentified", 200))]  # fmt: skip
    found = {
        r["name"]: [round(r[f"{n}{e}"], 9) for n, ends in (
            ("share", ("", "_low", "_high")), ("market_share", ("", "_low", "_high")),
            ("difference", ("", "_low", "_high"))) for e in ends]
        for r in asked(tables([*mine, *market]), "own_shares") if r["share_of"] == "origin"
    }  # fmt: skip
    assert found == {
        "CN": [0.6, 0.6, 1.0, 0.5, 0.5, 0.7, 0.1, -0.1, 0.5],
        "US": [0.0, 0.0, 0.4, 0.3, 0.3, 0.5, -0.3, -0.5, 0.1],
        "unidentified": [0.4, 0.4, 0.4, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2],
    }


def test_without_the_rankings_nothing_is_beside() -> None:
    for row in asked(tables(days(MONDAY, 7)), "own_shares"):
        assert (row["market_share"], row["market_share_high"], row["difference"]) == (None,) * 3


def test_two_logs_and_the_rankings_are_never_added() -> None:
    used = [*days(MONDAY, 7), *days(MONDAY, 7, "other_log", "US"), *days(MONDAY, 7, MARKET, "FR")]
    found = [r for r in asked(tables(used), "own_shares") if r["share_of"] == "origin"]
    assert {(r["source"], r["name"], r["share"], r["market_share"]) for r in found} == {
        ("log", "CN", 1, 0), ("log", "FR", 0, 1),
        ("other_log", "US", 1, 0), ("other_log", "FR", 0, 1),
    }  # fmt: skip


def test_a_week_with_few_days_is_no_period_to_compare_with() -> None:
    """From the week before the one with three days, to the week after it."""
    next_week = MONDAY + timedelta(7)
    used = [
        *days(MONDAY, 7), *days(next_week, 3, origin="US"),
        *days(MONDAY + timedelta(14), 3), *days(MONDAY + timedelta(17), 1, origin="US"),
    ]  # fmt: skip
    found = asked(tables(used), "own_models")
    assert [
        (r["base_slug"], r["period_start_from"], r["period_start_to"], r["days_present_to"],
         r["share_from"], r["share_to"], r["delta_share"])
        for r in found
    ] == [
        ("cn/m", MONDAY, MONDAY + timedelta(14), 4, 1.0, 0.75, -0.25),
        ("us/m", MONDAY, MONDAY + timedelta(14), 4, 0.0, 0.25, 0.25),
    ]  # fmt: skip


def test_who_may_have_served_chinese_weights_is_in_the_upper_bound() -> None:
    """Of 100 tokens 50 by a provider that is known, and 20 of which nobody knows anything."""
    used = [("log", MONDAY + timedelta(i), o, n) for i in range(7)
            for o, n in (("CN", 50), ("unidentified", 20), ("FR", 30))]  # fmt: skip
    found = {
        r["serving_headquarters"]: (r["share"], r["share_high"], r["requests"], r["cost_usd"])
        for r in asked(tables(used, {"CN": "US"}), "own_chinese_weights")
    }
    assert found["US"] == (0.5, 0.7, 7, 10.5)
    assert found["unidentified"] == (0.0, 0.0, 0, None)
    # Nobody is known to be of the United States, and yet it is asked.
    nobody = asked(tables(used), "own_chinese_weights")
    assert [(r["serving_headquarters"], r["share"], r["share_high"]) for r in nobody] == [
        ("unidentified", 0.5, 0.5), ("US", 0.0, 0.7),
    ]  # fmt: skip
