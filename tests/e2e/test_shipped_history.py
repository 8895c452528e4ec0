"""The shipped history, end to end: what a newcomer's `make run` publishes."""

import csv
import re
import shutil
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.publication.verify import verify
from orchestration.publication.vintage import Vintage
from orchestration.settings import PRIMARY_SOURCE, PROJECT_ROOT, Settings
from orchestration.tables import sql_text
from orchestration.transformation.dbt import raise_on_failure, run_dbt

Shipped = tuple[Settings, Vintage]
PUBLISHED = PROJECT_ROOT.parent / "shared" / "specs" / "published-weekly-origin-shares.csv"

# Model Season's rules are the rule set of this name in configuration/rule_sets.yml.
THEIRS = """
    select
        period_start::varchar,
        max(total_tokens),
        max(100 * share) filter (where group_name = 'CN'),
        max(100 * share) filter (where group_name = 'US'),
        max(100 * share) filter (where group_name = 'unidentified')
    from share_by_rule_set_weekly
    where rule_set = 'model_season'
    group by all
"""


def query(vintage: Vintage, sql: str) -> list[tuple[object, ...]]:
    """Rows of a query on the vintage's own database."""
    database = str(vintage.path / "tokenshare.duckdb")
    with duckdb.connect(database, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_the_vintage_verifies(shipped: Shipped) -> None:
    verify(shipped[1].path)


def in_the_dump(shipped: Shipped, sql: str) -> list[tuple[object, ...]]:
    """Rows of a query on `dump`, the shipped rankings as they are in the file."""
    settings, vintage = shipped
    (path,) = (i["path"] for i in vintage.manifest["inputs"] if i["source"] == PRIMARY_SOURCE)
    with duckdb.connect() as connection:
        connection.execute(
            f"create view dump as from read_csv({sql_text(settings.data_dir / path)})"
        )
        return connection.execute(sql).fetchall()


def test_the_history_ends_where_the_readme_of_the_data_says(shipped: Shipped) -> None:
    """2025-01-01 to 2026-10-09 without the two days that were never published."""
    spans = "select min({0})::varchar, max({0})::varchar, count(distinct {0}), count(*) from "
    found = query(shipped[1], spans.format("usage_date") + "usage_daily")
    assert found == in_the_dump(shipped, spans.format("date") + "dump")
    assert found == [("2025-01-01", "2026-10-09", 645, 32_895)]
    said = (PROJECT_ROOT / "data" / "README.md").read_text(encoding="utf-8")
    assert "from 2025-01-01 to 2026-10-09" in " ".join(said.split())


def test_every_token_of_the_dump_is_published(shipped: Shipped) -> None:
    landed = in_the_dump(shipped, "select sum(total_tokens) from dump")
    assert query(shipped[1], "select sum(tokens) from usage_daily") == landed
    assert landed == [(2_156_499_139_230_298,)]


def test_every_shipped_dump_is_cited_as_cc_by(shipped: Shipped) -> None:
    """The rankings, the archive of app rankings and the task answer, in every vintage."""
    inputs = shipped[1].manifest["inputs"]
    assert sorted((i["source"], i["license"], i["citation"]) for i in inputs) == [
        (source, "CC BY 4.0", f"Source: OpenRouter (openrouter.ai/rankings), as of {as_of}. "
         "Licensed under CC BY 4.0.")
        for source, as_of in (
            ("openrouter_app_rankings", "2026-08-22T16:00:13.220000Z"),
            ("openrouter_rankings", "2026-10-11T00:27:00Z"),
            ("openrouter_task_classifications", "2026-09-21"),
        )
    ]  # fmt: skip
    assert sorted(shipped[1].manifest["citations"]) == sorted(i["citation"] for i in inputs)


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
        ("2026-10-05", 5),
    ]


def test_published_weekly_figures_are_reproduced(shipped: Shipped) -> None:
    """Every row of the third party's figures within 0.05 percentage points, under its rules."""
    if not PUBLISHED.exists():
        pytest.skip("the published figures are not beside this checkout (../shared/specs)")
    ours = {str(row[0]): row[1:] for row in query(shipped[1], THEIRS)}
    with PUBLISHED.open(newline="", encoding="utf-8") as stream:
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
                assert value == pytest.approx(float(row[name]), abs=0.05), (
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
    with path.open(newline="", encoding="utf-8") as stream:
        explained = {row["author"] for row in csv.DictReader(stream)}
    assert unmapped <= explained
    assert settings.latest_path.exists()


def test_price_coverage_of_attributed_tokens(shipped: Shipped) -> None:
    """At least 97 % of the tokens of models with a lab have both list prices on their day.

    The catalogue snapshots end on 2026-08-22, so the month of 2026-08 is the lowest (98.8 %), and
    those after it have only the prices of models that were there before, and single readings.
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
    assert len(rows) == 22
    assert all(agrees for *_, agrees in rows), rows
    assert all(float(str(share)) > 0.97 for _, share, _ in rows[:20]), rows
    assert all(float(str(share)) > 0.995 for _, share, _ in rows[:19]), rows
    warned = {r.rule for r in shipped[1].gate_results if r.outcome == "warn"}
    assert {"PRICE_COVERAGE", "STALE_PRICES", "UNPRICED_SHARE"} <= warned


def test_registry_knows_labs_licenses_and_bases(shipped: Shipped) -> None:
    """Of the tokens outside tail, routers and stealth models, in every month.

    The lowest base is that of 2026-10 (97.5 %): TypeSafe does not say what its Jev is built on.
    """
    rows = query(
        shipped[1],
        "select period_start::varchar, attributed_share, licensed_share, base_located_share "
        "from registry_coverage_monthly order by 1",
    )
    assert len(rows) == 22
    for month, attributed, licensed, based in rows:
        assert float(str(attributed)) >= 0.99, month
        assert float(str(licensed)) >= 0.99, month
        assert float(str(based)) >= (0.97 if month == "2026-10-01" else 0.98), month


def test_every_model_of_a_thousandth_of_a_day_has_a_row(shipped: Shipped) -> None:
    missing = query(
        shipped[1],
        """
        with days as (select usage_date, sum(tokens) as total from usage_daily group by all)
        select distinct base_slug from usage_daily join days using (usage_date)
        where tokens / total >= 0.001 and identification not in ('tail', 'router')
            and base_slug not in (select base_slug from registry_models)
        """,
    )
    assert missing == []


def test_reveals_show_in_both_series(shipped: Shipped) -> None:
    """ox-alpha was GLM-5.3-Flash: the week of 2026-08-24 has two answers, with the reason."""
    ((then, now, high_then, high_now, because),) = query(
        shipped[1],
        "select round(100 * share_then, 1), round(100 * share_now, 1), "
        "round(100 * share_high_then, 1), round(100 * share_high_now, 1), because "
        "from restated_by_origin_weekly where period_start = date '2026-08-24' "
        "and origin = 'CN' and lens = 'author_hq'",
    )
    assert (then, now) == (51.3, 65.2)
    assert high_then == high_now == 70.3
    assert because == "stealth/ox-alpha is z-ai/glm-5.3-flash-20260826"


def test_the_headline_holds_both_readings_of_the_latest_week(shipped: Shipped) -> None:
    """Of the latest complete week 29.4 % were unidentified then: the dump's `other`, and what has a
    name but no known maker (routers and stealth models)."""
    latest = in_the_dump(
        shipped,
        "select date_trunc('week', date)::date from dump group by all "
        "having count(distinct date) = 7 order by 1 desc limit 1",
    )
    assert latest == query(
        shipped[1],
        "select distinct period_start from headline where figure like '%_share_latest_week'",
    )
    # restated_by_origin_weekly has only periods of which the two readings differ.
    readings = query(
        shipped[1],
        "select view, origin, coalesce(case view when 'then' then share_then else share_now end, "
        "share), coalesce(case view when 'then' then share_high_then else share_high_now end, "
        "share_high) from share_by_origin_weekly cross join (values ('then'), ('now')) as v (view) "
        "left join restated_by_origin_weekly using (lens, period_start, origin) "
        "where lens = 'author_hq' and origin in ('CN', 'US', 'unidentified') "
        f"and period_start = date '{latest[0][0]}' order by all",
    )
    headline = (
        "select registry_view, origin, share, share_high from headline "
        "where figure like '%_share_latest_week' order by all"
    )
    assert query(shipped[1], headline) == readings
    assert len(readings) == 6
    ((nameless,),) = in_the_dump(
        shipped,
        "select sum(total_tokens) filter (model_permaslug = 'other' or "
        "split_part(model_permaslug, '/', 1) in ('stealth', 'openrouter')) / sum(total_tokens) "
        f"from dump where date between date '{latest[0][0]}' and date '{latest[0][0]}' + 6",
    )
    then = {origin: share for view, origin, share, _ in readings if view == "then"}
    assert then["unidentified"] == pytest.approx(nameless, abs=1e-12)
    assert round(nameless, 3) == 0.294


def test_show_says_of_each_share_how_it_is_read(shipped: Shipped) -> None:
    shown = CliRunner().invoke(app, ["show", "--data-dir", str(shipped[0].data_dir)]).output
    for view, week, origin, share in query(
        shipped[1],
        "select registry_view, period_start, origin, share from headline "
        "where figure like '%_share_latest_week'",
    ):
        assert re.search(rf"^{week}  {origin} +{view} +{share:.2%} ", shown, re.MULTILINE)
    assert "as known now: by this vintage's registry" in " ".join(shown.split())


def test_china_overtook_the_united_states_when_the_weeks_say_so(shipped: Shipped) -> None:
    """First lead, last change of lead, and since when no unidentified token can overturn it.

    No such week any more: 38.7 trillion tokens of stealth/space-bunny-alpha in the week of
    2026-09-28 could. The lower bound of China must lie above the upper bound of the United States.
    """
    then, now = query(
        shipped[1],
        "select first_lead::varchar, last_change::varchar, leads_since::varchar, "
        "first_identified_lead::varchar, robust_since::varchar, interval_low <= last_change "
        "and interval_low <= first_lead and last_change <= interval_high, "
        "interval_low < trend_change and trend_change < interval_high, method "
        "from crossover where grain = 'weekly' and lens = 'author_hq' "
        "and origin = 'CN' and rival_origin = 'US' order by registry_view desc",
    )
    assert then[:7] == (
        "2026-03-23", "2026-04-27", "2026-04-27", "2026-03-23", None, True, True,
    )  # fmt: skip
    assert now[:7] == (
        "2026-03-16", "2026-04-27", "2026-04-27", "2026-03-23", None, True, True,
    )  # fmt: skip
    ((overturned,),) = query(
        shipped[1],
        "select max(period_start)::varchar from share_by_origin_weekly as cn "
        "inner join share_by_origin_weekly as us using (period_start, lens) "
        "where lens = 'author_hq' and cn.origin = 'CN' and us.origin = 'US' and cn.is_complete "
        "and cn.share_low <= us.share_high",
    )
    assert overturned == "2026-09-28"
    for row in (then, now):
        assert "circular block bootstrap" in str(row[7])


def test_both_readings_are_the_same_whichever_the_run_was_asked_for(
    shipped: Shipped, tmp_path: Path
) -> None:
    asked_then = shipped[0]
    shutil.copytree(asked_then.warehouse_dir, tmp_path / "warehouse")
    asked_now = Settings(data_dir=tmp_path)
    with duckdb.connect(str(asked_now.database_path)) as connection:
        connection.execute("update raw.run_settings set registry_view = 'now'")
    run = ["run", "--select", "int_usage_identified", "int_usage_by_lens", "int_usage_restated",
           "share_by_origin", "restated_by_origin", "int_origin_views", "headline",
           "int_crossover_points"]  # fmt: skip
    raise_on_failure(run_dbt(asked_now, run))
    with duckdb.connect(str(asked_now.database_path)) as connection:
        connection.execute(f"attach {sql_text(asked_then.database_path)} as asked_then (read_only)")

        def differing(table: str) -> int:
            ((rows,),) = connection.execute(
                f"select count(*) from (from {table} except all from asked_then.{table})"
            ).fetchall()
            return int(rows)

        assert differing("marts.share_by_origin") > 100
        assert differing("metrics.headline") == 0
        assert differing("intermediate.int_crossover_points") == 0


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


def test_a_stealth_model_cannot_be_spread_over_many_labs(shipped: Shipped) -> None:
    """13.9 % of the tokens of that week are of one stealth model."""
    assert query(
        shipped[1],
        "select unit, round(effective_number_high, 1) from concentration_weekly "
        "where period_start = date '2026-08-24' and lens = 'author_hq' order by unit",
    ) == [("lab", 10.1), ("origin", 2.7)]


def test_an_open_model_of_a_lab_without_a_country_may_be_chinese(shipped: Shipped) -> None:
    """What is open and known not to be Chinese is what is open of labs with another country."""
    ((weeks, most),) = query(
        shipped[1],
        "select count(*), round(100 * max(open_weight.share - cn.share - elsewhere.share_low), 1) "
        "from share_by_rule_set_weekly as open_weight "
        "inner join share_by_rule_set_weekly as cn using (rule_set, period_start) "
        "inner join share_by_rule_set_weekly as elsewhere using (rule_set, period_start) "
        "where rule_set = 'all_rows' and open_weight.group_name = 'open_weight' "
        "and cn.group_name = 'open_weight_CN' and elsewhere.group_name = 'open_weight_elsewhere'",
    )
    assert (weeks, most) == (93, 4.2)


def test_the_mean_of_january_2025_lacks_its_first_week(shipped: Shipped) -> None:
    assert query(
        shipped[1],
        "select distinct period_start::varchar, window_kind, is_complete "
        "from share_by_rule_set_monthly where rule_set = 'all_rows' "
        "and period_start <= date '2025-02-01' order by all",
    ) == [
        ("2025-01-01", "month_mean_of_weeks", False),
        ("2025-01-01", "month_sum", True),
        ("2025-02-01", "month_mean_of_weeks", True),
        ("2025-02-01", "month_sum", True),
    ]


# (claim, verdict, rule set and window that must be named): computed by hand from the dump.
VERDICTS = [
    ("us_72_percent_year_before", "reproduced", "all_rows"),
    ("us_33_percent_june_2026", "reproduced", "all_rows"),
    # Two readings give all four figures of the statement.
    (
        "cn_17_percent_year_before",
        "reproduced_under_other_rules",
        "1) three_us_labs, 7 days to 2025-06-23: 16.58, 4 of 4 figures",
    ),
    (
        "cn_47_percent_june_2026",
        "reproduced_under_other_rules",
        "1) three_us_labs, 7 days to 2026-06-04: 47.66, 4 of 4 figures",
    ),
    (
        "cn_47_percent_june_2026",
        "reproduced_under_other_rules",
        "2) five_cn_labs, month 2026-06: 47.52, 4 of 4 figures",
    ),
    (
        "us_72_percent_year_before",
        "reproduced",
        "three_us_labs, 7 days to 2025-06-23: 71.54, 4 of 4 figures",
    ),
    (
        "us_33_percent_june_2026",
        "reproduced",
        "three_us_labs, 7 days to 2026-06-04: 33.88, 4 of 4 figures",
    ),
    # 71.33 is neither 72 rounded nor 72 cut off.
    (
        "three_us_labs_72_percent_june_2025",
        "reproduced_under_other_rules",
        "1) three_us_labs, 7 days to 2025-06-28: 71.73, 2 of 2 figures",
    ),
    ("cn_tokens_2026_02_09", "reproduced_under_other_rules", "top_9, ISO week of 2026-02-09: 4.12"),
    ("us_tokens_2026_02_09", "reproduced_under_other_rules", "top_9, ISO week of 2026-02-09: 2.93"),
    ("cn_lead_2026_02_09", "reproduced_under_other_rules", "top_9, ISO week of 2026-02-09"),
    (
        "cn_tokens_2026_03_16",
        "reproduced_under_other_rules",
        "1) top_9_of_all_known_now, ISO week of 2026-03-16: 7.34, 2 of 2 figures",
    ),
    (
        "cn_36_percent_2026_03_16",
        "reproduced_under_other_rules",
        "top_9_of_all_known_now, ISO week of 2026-03-16: 36.19",
    ),
    (
        "cn_61_percent_of_top_10",
        "reproduced_under_other_rules",
        "1) top_10, 7 days to 2026-02-17: 60.64, 3 of 3 figures",
    ),
    (
        "top_10_tokens_february_2026",
        "reproduced_under_other_rules",
        "1) top_10, 7 days to 2026-02-17: 8.72, 3 of 3 figures",
    ),
    ("minimax_m2_5_february_2026", "reproduced", "1) all_rows, 30 days to 2026-02-24: 4.55"),
    ("kimi_k2_5_february_2026", "reproduced", "1) all_rows, 30 days to 2026-02-24: 4.02"),
    (
        "cn_tokens_2026_05_04",
        "reproduced_under_other_rules",
        "1) top_9, ISO week of 2026-05-04: 7.94, 2 of 3 figures",
    ),
    (
        "us_tokens_2026_05_04",
        "reproduced_under_other_rules",
        "1) top_9, ISO week of 2026-05-04: 3.76, 2 of 3 figures",
    ),
    (
        "cn_tokens_2026_06_01",
        "reproduced_under_other_rules",
        "1) top_9, ISO week of 2026-06-01: 14.18, 2 of 3 figures",
    ),
    (
        "us_tokens_2026_06_01",
        "reproduced_under_other_rules",
        "1) top_9, ISO week of 2026-06-01: 3.2, 2 of 3 figures",
    ),
    # The ten largest had 8.74 trillion tokens; 13.95 are all rows.
    (
        "all_tokens_2026_02_16",
        "reproduced_under_other_rules",
        "1) all_rows, ISO week of 2026-02-16: 13.95",
    ),
    ("open_weight_30_percent_2025", "not_reproduced", ""),
    ("cn_open_weight_30_percent_peak", "reproduced", "1) all_rows, highest week"),
    ("cn_open_weight_13_percent_average", "not_measurable", ""),
    ("cn_80_percent_cheaper", "more_than_claimed", ""),
    ("cn_90_80_in_august_2026", "not_reproduced", ""),
    ("all_tokens_2026_06_22", "reproduced", "all_rows"),
    ("us_tokens_2026_02_16", "not_reproduced", ""),
    ("deepseek_14_37_trillion", "not_measurable", ""),
    # Ten Chinese labs, the publisher's list. Unknown tokens could turn a majority of 51.8 %.
    ("cn_of_three_groups_2026_09_28", "reproduced", "ISO week of 2026-09-28: 77.55, 5 of 5"),
    ("cn_majority_of_three_groups_since_2026_02_02", "not_decidable", ""),
    (
        "cn_of_three_groups_2025_01_06",
        "reproduced",
        "1) cache_register, ISO week of 2025-01-06: 10.48, 2 of 2 figures",
    ),
    ("cn_of_three_groups_2026_01_05", "reproduced", "ISO week of 2026-01-05: 46.12, 2 of 2"),
    ("cn_majority_of_three_groups_2025_08_04", "not_decidable", ""),
    ("workloads_ocr_rag_support", "not_measurable", ""),
]


@pytest.mark.parametrize(
    ("claim", "verdict", "named"), VERDICTS, ids=[f"{v[0]}: {v[2]}" for v in VERDICTS]
)
def test_verdicts_on_press_figures(shipped: Shipped, claim: str, verdict: str, named: str) -> None:
    ((found, rules),) = query(
        shipped[1], f"select verdict, coalesce(rules, '') from claims where claim_id = '{claim}'"
    )
    assert found == verdict
    assert named in str(rules)


def test_what_the_claims_rest_on(shipped: Shipped) -> None:
    """Figures that readers of a verdict quote, each counted by hand from the dump."""
    rows = query(
        shipped[1],
        "select claim_id, round(measured_value, 2), round(measured_low, 2), reason from claims "
        "where claim_id in ('open_weight_30_percent_2025', 'cn_open_weight_13_percent_average', "
        "'all_tokens_2026_02_16', 'three_us_labs_72_percent_june_2025') order by 1",
    )
    assert rows == [
        ("all_tokens_2026_02_16", 8.74, 8.74, None),
        (
            "cn_open_weight_13_percent_average",
            None,
            None,
            "The data cover 45 of the 56 weeks, with a mean of 15.13. "
            "A mean of 13.0 over all of them needs 4.3 in the other 11.",
        ),
        (
            "open_weight_30_percent_2025",
            38.02,
            38.02,
            "8 of 49 complete weeks are not below 30.0, whoever the unidentified tokens belong to.",
        ),
        (
            "three_us_labs_72_percent_june_2025",
            71.33,
            71.33,
            "The data cover 29 of the 30 days of the window.",
        ),
    ]


def test_price_against_quality_has_one_answer(shipped: Shipped) -> None:
    """The claim of a month and claim_90_80 of price_quality say the same."""
    differing = query(
        shipped[1],
        """
        select claim_id from claims inner join price_quality
            on claims.window = 'month ' || strftime(period_start, '%Y-%m')
            and origin = group_name and rival_origin = over_group
        where metric = 'price_quality'
            and claim_90_80 <> (verdict in ('reproduced', 'more_than_claimed'))
        """,
    )
    assert differing == []
    ((judged,),) = query(shipped[1], "select count(*) from claims where metric = 'price_quality'")
    assert judged == 2


def test_our_own_questions_stand_apart(shipped: Shipped) -> None:
    ours = query(
        shipped[1],
        "select claim_id, published_by, published_on, url from claims where asked_by = 'us' "
        "order by 1",
    )
    assert {row[1:] for row in ours} == {("tokenshare", None, None)}
    assert {str(row[0]) for row in ours} == {
        "cn_90_80_in_august_2026",
        "cn_lead_2026_02_09",
        "cn_lead_2026_03_09",
        "cn_lead_2026_06_22",
        "cn_open_weight_average_since_2025",
        "open_weight_majority_june_2026",
    }


def test_a_match_by_chance_is_said(shipped: Shipped) -> None:
    """Any figure near 47 % would have found some rule; few near 2.94 trillion would have."""
    chances = dict(
        query(
            shipped[1],
            "select claim_id, chance_of_match from claims where claim_id in "
            "('cn_47_percent_june_2026', 'us_tokens_2026_02_09')",
        )
    )
    assert float(str(chances["cn_47_percent_june_2026"])) > 0.99
    assert 0.2 < float(str(chances["us_tokens_2026_02_09"])) < 0.4


def test_the_first_lead_of_the_press_is_that_of_its_universe(shipped: Shipped) -> None:
    """On all rows China first led in the week of 2026-03-23, among the top 9 six weeks before."""
    ((measured, difference, matched),) = query(
        shipped[1],
        "select measured_date::varchar, difference, rules_matched from claims "
        "where claim_id = 'cn_first_lead_2026_02_09'",
    )
    assert (measured, difference) == ("2026-03-23", 42)
    assert int(str(matched)) > 0


def test_rule_set_of_all_rows_is_our_own_series(shipped: Shipped) -> None:
    """Two ways through the SQL, one number: to the last token, bounds too."""
    differing = query(
        shipped[1],
        """
        select count(*) filter (
            where theirs.tokens is distinct from ours.tokens
            or abs(theirs.share_high - ours.share_high) > 1e-12
        ), count(*)
        from share_by_origin_weekly as ours
        left join share_by_rule_set_weekly as theirs
            on ours.source = theirs.source and ours.period_start = theirs.period_start
            and ours.origin = theirs.group_name
            and theirs.rule_set = case ours.lens
                when 'author_hq' then 'all_rows' else 'base_lineage' end
        where ours.origin in ('CN', 'US', 'unidentified')
        """,
    )
    ((wrong, weeks),) = differing
    assert wrong == 0
    assert int(str(weeks)) > 500


def test_every_price_source_serves_and_corrections_are_visible(shipped: Shipped) -> None:
    """What the catalogue does not list is filled, and each price says from where."""
    served = dict(
        query(
            shipped[1],
            "select price_source, sum(priced_tokens) from model_match group by all",
        )
    )
    # The catalogue's snapshots end on 2026-08-22; price_notes has readings of newer models.
    assert served["openrouter_catalogue"] > 0.9 * sum(served.values())
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


# A published amount of money misses the exact one by at most half of its ninth decimal.
HALF_A_UNIT = Decimal("0.0000000005")
SUMS_OF_USAGE = {
    "share_by_origin_daily": ("origin", "sum(tokens)", "tokens"),
    "share_by_lab_daily": ("coalesce(lab_id, 'unidentified')", "sum(tokens)", "tokens"),
    "share_by_license_daily": ("license", "sum(tokens)", "tokens"),
    "share_by_price_band_daily": ("price_band", "sum(tokens)", "tokens"),
    "spend_by_origin_daily": (
        "origin",
        "sum(tokens), coalesce(sum(tokens) filter (list_spend_usd is not null), 0), "
        "coalesce(sum(tokens) filter (list_spend_usd = 0), 0), "
        "coalesce(sum(list_spend_usd), 0), coalesce(sum(list_spend_low_usd), 0), "
        "coalesce(sum(list_spend_high_usd), 0)",
        "tokens, priced_tokens, free_tokens, list_spend_usd, list_spend_low_usd, "
        "list_spend_high_usd",
    ),
}


@pytest.mark.parametrize("table", SUMS_OF_USAGE)
def test_usage_daily_adds_up_to_the_other_tables(shipped: Shipped, table: str) -> None:
    """Of every day: nobody needs to join labs, licenses or prices to usage by their dates."""
    group, sums, columns = SUMS_OF_USAGE[table]
    key = table.removesuffix("_daily").split("_by_")[1].replace("lab", "lab_id")
    ours = query(
        shipped[1], f"select usage_date, {group}, count(*), {sums} from usage_daily group by all"
    )
    theirs = query(
        shipped[1], f"select period_start, {key}, {columns} from {table} where lens = 'author_hq'"
    )
    counted = {(day, name): (rows, values) for day, name, rows, *values in ours}
    assert len(theirs) == len(counted) > 600
    for day, name, *values in theirs:
        rows, added = counted[day, name]
        for sum_, value in zip(added, values, strict=True):
            # Each of the rows and their sum are rounded to nine decimals.
            most = (rows + 1) * HALF_A_UNIT if isinstance(value, Decimal) else 0
            assert abs(sum_ - value) <= most, (table, day, name)


def test_stale_prices_of_usage_are_those_of_the_coverage(shipped: Shipped) -> None:
    ours = (
        "select date_trunc('month', usage_date)::date, sum(tokens) filter (price_is_fresh), "
        "coalesce(sum(tokens) filter (not price_is_fresh), 0) from usage_daily group by all"
    )
    theirs = (
        "select period_start, priced_fresh_tokens, priced_stale_tokens from price_coverage_monthly"
    )
    assert sorted(query(shipped[1], ours)) == sorted(query(shipped[1], theirs))


def test_the_two_layers_of_july_2026(shipped: Shipped) -> None:
    """China leads by tokens, the United States by list spend, under every common split."""
    rows = query(
        shipped[1],
        "select origin, round(token_share, 3), round(list_spend_usd / 1000000), "
        "round(list_spend_low_usd / 1000000), round(list_spend_high_usd / 1000000), "
        "round(spend_share, 3), round(spend_share_at_low, 3), round(spend_share_at_high, 3) "
        "from spend_by_origin_monthly where period_start = date '2026-07-01' "
        "and lens = 'author_hq' and origin in ('CN', 'US') order by origin",
    )
    assert [tuple(map(str, row)) for row in rows] == [
        ("CN", "0.615", "70.0", "44.0", "149.0", "0.174", "0.214", "0.15"),
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
    assert second == [("anthropic/claude-5-fable-20260609", "z-ai/glm-5.3-20260816", 0.1075, True)]
