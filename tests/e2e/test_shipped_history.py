"""The shipped history, end to end: what a newcomer's `make run` publishes."""

import csv
from pathlib import Path

import duckdb
import pytest

from orchestration.publication.verify import verify
from orchestration.publication.vintage import Vintage
from orchestration.settings import PROJECT_ROOT, Settings

Shipped = tuple[Settings, Vintage]
PUBLISHED = PROJECT_ROOT.parent / "shared" / "specs" / "published-weekly-origin-shares.csv"
# How Model Season's groups differ from ours: README beside the figures.
NOT_IN_THEIR_US = ("gryphe", "sao10k", "anthracite-org")

THEIRS = f"""
    select
        cast(date_trunc('week', usage_date) as date) as week_start,
        sum(tokens) as total,
        sum(tokens) filter (where origin = 'CN' or author = 'nex-agi') as cn,
        sum(tokens) filter (
            where (origin in ('US', 'CA') or author = 'poolside')
            and author not in {NOT_IN_THEIR_US}
        ) as us,
        sum(tokens) filter (where identification in ('tail', 'stealth', 'router')) as unidentified
    from usage_daily
    left join (select distinct lab_id, origin from share_by_lab_monthly) using (lab_id)
    group by all
"""


def query(vintage: Vintage, sql: str) -> list[tuple[object, ...]]:
    """Rows of a query on the vintage's own database."""
    database = str(vintage.path / "tokenshare.duckdb")
    with duckdb.connect(database, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_the_vintage_verifies(shipped: Shipped) -> None:
    verify(shipped[1].path)


def test_every_token_of_the_dump_is_published(shipped: Shipped) -> None:
    settings, vintage = shipped
    (dump,) = vintage.manifest["inputs"]
    with duckdb.connect() as connection:
        ((landed,),) = connection.execute(
            f"select sum(total_tokens) from read_csv('{settings.data_dir / dump['path']}')"
        ).fetchall()
    assert query(vintage, "select sum(tokens) from usage_daily") == [(landed,)]
    assert landed == 1_363_796_765_157_511


def test_only_the_two_known_days_are_missing_and_make_their_weeks_incomplete(
    shipped: Shipped,
) -> None:
    incomplete = query(
        shipped[1],
        "select distinct period_start::varchar, days_present from share_by_origin_weekly "
        "where not is_complete order by 1",
    )
    assert incomplete == [
        ("2024-12-30", 5),
        ("2025-06-09", 6),
        ("2025-07-14", 6),
        ("2026-08-31", 1),
    ]


def test_published_weekly_figures_are_reproduced(shipped: Shipped) -> None:
    """Every row of the third party's figures within 0.05 percentage points, under its rules."""
    if not PUBLISHED.exists():
        pytest.skip("the published figures are not beside this checkout (../shared/specs)")
    ours = {str(row[0]): row[1:] for row in query(shipped[1], THEIRS)}
    with PUBLISHED.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 20
    for row in rows:
        total, cn, us, unidentified = ours[row["week_start"]]
        for name, value in (
            ("cn_share_pct", cn),
            ("us_share_pct", us),
            ("unidentified_share_pct", unidentified),
        ):
            if row[name]:
                assert 100 * value / total == pytest.approx(float(row[name]), abs=0.05), (
                    row["week_start"],
                    name,
                )
        if row["total_tokens_trillion"]:
            assert total / 1e12 == pytest.approx(float(row["total_tokens_trillion"]), abs=0.005)


def test_the_sign_of_the_week_that_the_press_got_wrong(shipped: Shipped) -> None:
    """Week of 2026-02-09: top-10 sums had China ahead; on all rows the United States led."""
    shares = dict(
        query(
            shipped[1],
            "select origin, round(100 * share, 2) from share_by_origin_weekly "
            "where period_start = date '2026-02-09' and origin in ('CN', 'US')",
        )
    )
    assert shares["CN"] == pytest.approx(41.92, abs=0.05)
    assert shares["US"] == pytest.approx(50.02, abs=0.05)


def test_registry_covers_the_history(shipped: Shipped) -> None:
    """Every author has a row, or a row that says why not."""
    settings, vintage = shipped
    unmapped = {
        a
        for (a,) in query(
            vintage, "select distinct author from usage_daily where identification = 'unmapped'"
        )
    }
    path: Path = PROJECT_ROOT / "dbt_project" / "seeds" / "unattributed_authors.csv"
    with path.open(newline="") as stream:
        explained = {row["author"] for row in csv.DictReader(stream)}
    assert unmapped <= explained
    assert settings.latest_path.exists()


def test_price_coverage_of_attributed_tokens(shipped: Shipped) -> None:
    """At least 97 % of the tokens of models with a lab have both list prices on their day.

    The catalogue snapshots end on 2026-08-22, so the month of 2026-08 is the lowest (98.8 %).
    Counted here from price_history anew, and held against what price_coverage_monthly says.
    """
    rows = query(
        shipped[1],
        """
        with priced as (
            select usage.usage_date, usage.model_permaslug, variant, usage.tokens,
                count(distinct price_kind) as kinds
            from usage_daily as usage
            left join price_history as price
                on usage.model_permaslug = price.model_permaslug
                and price_kind in ('prompt', 'completion')
                and valid_from <= usage_date
                and (valid_to is null or usage_date < valid_to)
            where identification = 'attributed'
            group by all
        ),
        months as (
            select cast(date_trunc('month', usage_date) as date) as period_start,
                sum(tokens) filter (where variant = 'free' or kinds = 2) as priced_tokens,
                sum(tokens) as tokens
            from priced group by all
        )
        select cast(period_start as varchar), months.priced_tokens / months.tokens,
            months.priced_tokens = priced_attributed_tokens and months.tokens = attributed_tokens
        from months left join price_coverage_monthly using (period_start) order by 1
        """,
    )
    assert len(rows) == 20
    assert all(agrees for *_, agrees in rows), rows
    assert all(float(str(share)) > 0.97 for _, share, _ in rows), rows
    assert all(float(str(share)) > 0.99 for _, share, _ in rows[:19]), rows


def test_every_price_source_serves_and_corrections_are_visible(shipped: Shipped) -> None:
    """What the catalogue does not list is filled, and each price says from where."""
    served = dict(
        query(
            shipped[1],
            "select price_source, sum(priced_tokens) from model_match group by all",
        )
    )
    assert served["openrouter_catalogue"] > 0.98 * sum(served.values())
    assert served["models_dev"] > 0 and served["litellm"] > 0 and served["price_notes"] > 0
    filled = query(
        shipped[1],
        "select match_kind from price_history where model_permaslug = "
        "'openai/text-embedding-3-small' and price_source = 'models_dev' and valid_to is null",
    )
    assert set(filled) == {("first_party_id",)}
    ((corrected, usd),) = query(
        shipped[1],
        "select correction_id, usd_per_million_tokens::varchar from price_history "
        "where model_permaslug = 'z-ai/glm-5.1-20260406' and price_kind = 'prompt' "
        "and valid_from = date '2026-05-20'",
    )
    assert (corrected, float(str(usd))) == ("zero-glm-5.1-prompt", 0.98)


def test_the_two_layers_of_july_2026(shipped: Shipped) -> None:
    """China leads by tokens, the United States by list spend, under every common split."""
    rows = query(
        shipped[1],
        "select origin, round(token_share, 3), round(list_spend_usd / 1000000), "
        "round(list_spend_low_usd / 1000000), round(list_spend_high_usd / 1000000), "
        "round(share, 3), round(share_at_low, 3), round(share_at_high, 3) "
        "from spend_by_origin_monthly where period_start = date '2026-07-01' "
        "and lens = 'author_hq' and origin in ('CN', 'US') order by origin",
    )
    assert [tuple(map(str, row)) for row in rows] == [
        ("CN", "0.615", "70.0", "44.0", "149.0", "0.174", "0.213", "0.15"),
        ("US", "0.313", "333.0", "162.0", "845.0", "0.826", "0.786", "0.85"),
    ]


def test_list_prices_of_chinese_models_fell_and_their_mix_became_dearer(shipped: Shipped) -> None:
    """Prices alone against the mix, January 2025 to July 2026: what the average price hides."""
    found = dict(
        (str(origin), (index, mix, base))
        for origin, index, mix, base in query(
            shipped[1],
            "select origin, round(index, 1), round(mix_index), cast(base_period as varchar) "
            "from price_index_monthly where period_start = date '2026-07-01' "
            "and lens = 'author_hq' and origin in ('CN', 'US')",
        )
    )
    assert found == {"CN": (37.4, 211.0, "2025-01-01"), "US": (100.3, 115.0, "2025-01-01")}


def test_ninety_percent_as_good_and_eighty_percent_cheaper(shipped: Shipped) -> None:
    """Never against the best US model at the 3:1 blend; in August 2026 against the second best."""
    best = query(
        shipped[1],
        "select cast(period_start as varchar), cheapest_model, round(price_ratio, 3), claim_90_80 "
        "from price_quality where origin = 'CN' order by 1",
    )
    assert best == [
        ("2026-05-01", None, None, False),
        ("2026-06-01", None, None, False),
        ("2026-07-01", "moonshotai/kimi-k3-20260715", 0.6, False),
        ("2026-08-01", "z-ai/glm-5.3-20260816", 0.215, False),
    ]
    second = query(
        shipped[1],
        "select rival_model, cheapest_model, round(price_ratio, 4), claim_90_80 "
        "from price_quality_pairs where origin = 'CN' and rival_rank = 2 "
        "and period_start = date '2026-08-01'",
    )
    assert second == [
        ("anthropic/claude-5-fable-20260609", "z-ai/glm-5.3-20260816", 0.1075, True)
    ]
