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
            "where period_start = date '2026-02-09' and origin in ('CN', 'US') "
            "and lens = 'author_hq'",
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
    """At least 95 % of the tokens of models with a lab have both list prices on their day.

    The catalogue snapshots end on 2026-08-22, so the month of 2026-08 is the lowest (95.2 %).
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
        )
        select date_trunc('month', usage_date)::varchar,
            sum(tokens) filter (where variant = 'free' or kinds = 2) / sum(tokens)
        from priced group by all order by 1
        """,
    )
    assert len(rows) == 20
    assert all(float(str(share)) > 0.95 for _, share in rows), rows
    assert all(float(str(share)) > 0.99 for _, share in rows[:19]), rows


def test_china_overtook_the_united_states_when_the_weeks_say_so(shipped: Shipped) -> None:
    """First lead, last change of lead, and since when no unidentified token can overturn it."""
    (row,) = query(
        shipped[1],
        "select first_lead::varchar, last_change::varchar, leads_since::varchar, "
        "first_identified_lead::varchar, robust_since::varchar, interval_low <= last_change "
        "and interval_low <= first_lead and last_change <= interval_high, method "
        "from crossover where grain = 'weekly' and lens = 'author_hq' "
        "and origin = 'CN' and rival_origin = 'US'",
    )
    assert row[:6] == (
        "2026-03-23", "2026-04-27", "2026-04-27", "2026-03-23", "2026-06-01", True,
    )  # fmt: skip
    assert "circular block bootstrap" in str(row[6])


def test_the_change_of_the_article_is_explained_to_the_last_digit(shipped: Shipped) -> None:
    rows = query(
        shipped[1],
        "select origin, round(100 * sum(share_from), 1), round(100 * sum(share_to), 1), "
        "abs(sum(delta_share) - sum(entrants + leavers + within_lab + between_lab)) <= 1e-12 "
        "from share_change where change_id = 'article_2026_07' and origin in ('CN', 'US') "
        "group by all order by origin",
    )
    assert rows == [("CN", 18.6, 53.7, True), ("US", 72.5, 32.4, True)]


def test_unidentified_tokens_hardly_matter_for_models_and_much_for_labs(shipped: Shipped) -> None:
    widths = dict(
        query(
            shipped[1],
            "select unit, max(hhi_high - hhi_low) from concentration_weekly "
            "where is_complete and lens in ('none', 'author_hq') group by all",
        )
    )
    assert float(str(widths["model"])) < 0.002
    assert float(str(widths["lab"])) > 0.1
