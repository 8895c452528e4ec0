"""Every rule of the gate has a poisoned candidate that it must catch.

A healthy candidate is built by the real run; each case spoils it in one way and asks the real gate.
"""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import list_dumps
from orchestration.publication.candidate import Candidate, build_candidate
from orchestration.quality.gate import Verdict, blockers, rule_titles, run_gate
from orchestration.quality.rules import thresholds
from orchestration.settings import Settings

SHARES = "share_by_origin_weekly"


@pytest.fixture(scope="session")
def healthy(small_base: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of a candidate that passes."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("healthy") / "data")
    shutil.copytree(small_base.data_dir, settings.data_dir)
    candidate: Candidate = build_candidate(ingest_all(list_dumps(settings), settings), settings)
    return candidate.tables_dir


@pytest.fixture
def poison(healthy: Path, tmp_path: Path) -> Callable[[str, str], Path]:
    """Copy the healthy tables and replace one by the result of a query on it."""

    def apply(table: str, sql: str) -> Path:
        folder = tmp_path / "tables"
        if not folder.exists():
            shutil.copytree(healthy, folder)
        path = folder / f"{table}.parquet"
        with duckdb.connect() as connection:
            connection.execute(f"create table t as select * from read_parquet('{path}')")
            connection.execute(f"copy ({sql}) to '{path}' (format parquet)")
        return folder

    return apply


def verdict(folder: Path, rule: str, previous: Path | None = None) -> Verdict:
    """The verdict of one rule on a folder of tables."""
    (found,) = [v for v in run_gate(folder, previous, only=[rule]) if v.rule == rule]
    return found


def test_a_healthy_candidate_passes(healthy: Path) -> None:
    verdicts = run_gate(healthy, None)
    assert [v.rule for v in verdicts] == list(rule_titles())
    assert not blockers(verdicts), blockers(verdicts)


ROW = "select * replace ({expression}) from t"
FIRST_ROW = "(row_number() over () = 1)"


def on_day(expression: str, day: str, column: str = "tokens") -> str:
    """A query that changes `column` on one day of usage_daily."""
    return (
        f"select * replace (cast(case when usage_date = date '{day}' then {expression} "
        f"else {column} end as bigint) as {column}) from t"
    )


# A query that changes the tokens from a day on: FROM, the day, what they become, TO.
FROM = "select * replace (cast(case when usage_date >= date"
TO = "else tokens end as bigint) as tokens) from t"


def covered(share: str) -> str:
    """A query that prices this share of the attributed tokens of every month."""
    return (
        f"select * replace (cast(ceil(attributed_tokens * {share}) as bigint) "
        "as priced_attributed_tokens) from t"
    )


def stale(share: str) -> str:
    """A query by which this share of the priced tokens of every month rests on stale prices."""
    return (
        f"select * replace (cast(ceil(priced_tokens * {share}) as bigint) as priced_stale_tokens) "
        "from t"
    )


def task_rows(**spoiled: object) -> str:
    """Two tags of one window, half of everything each; `spoiled` stands in the row of `math`."""
    columns = {
        "source": "'openrouter_task_classifications'", "window_start": "date '2026-06-11'",
        "window_end": "date '2026-06-17'", "window_days": "7::int", "tag": "'math'",
        "display_name": "'Math'", "macro_category": "'general'", "use": "'math'",
        "has_map_row": "true", "usage_share": "0.5::double", "token_share": "0.5::double",
        "category_usage_share": "0.5::double", "category_token_share": "0.5::double",
        "macro_usage_share": "1::double", "macro_token_share": "1::double",
        "share_rounding": "0.0005::double",
        "models_listed": "3::int", "listed_usage_share": "0.9::double",
        "listed_token_share": "0.9::double", "dump_sha256": "repeat('a', 64)",
    }  # fmt: skip

    def row(values: dict[str, str]) -> str:
        return "select " + ", ".join(f"{v} as {c}" for c, v in values.items())

    bad = {c: f"{v}::{'boolean' if isinstance(v, bool) else 'double'}" for c, v in spoiled.items()}
    return f"{row({**columns, 'tag': repr('translation')})} union all {row({**columns, **bad})}"


# The small feed has no month near a reading of the indices. 54 of 60 at 2.5 of 10 US dollars.
QUALITY_ROW = (
    "select * from t union all by name select 'openrouter_rankings' as source, "
    "date '2026-07-01' as period_start, 'CN' as origin, 1::integer as rival_rank, "
    "'u/m' as rival_model, 60::decimal(18,9) as rival_quality_index, "
    "10::decimal(24,18) as rival_usd_per_million_tokens, 'c/m' as cheapest_model, "
    "54::decimal(18,9) as cheapest_quality_index, "
    "2.5::decimal(24,18) as cheapest_usd_per_million_tokens, 0.9::double as quality_ratio,"
)

# (rule, table, query on it as `t`, what the message must name)
POISON: list[tuple[str, str, str, str]] = [
    ("SCHEMA", "usage_daily", "select * exclude (author) from t", "usage_daily.author"),
    ("SCHEMA", "usage_daily", "select *, 1 as extra from t", "usage_daily.extra"),
    (
        "SCHEMA",
        SHARES,
        "select * replace (cast(share as float) as share) from t",
        f"{SHARES}.share",
    ),
    ("KEY", "usage_daily", "select * from t union all (select * from t limit 1)", "usage_date="),
    (
        "NOT_NULL",
        "usage_daily",
        f"select * replace (case when {FIRST_ROW} then null else author end as author) from t",
        "usage_daily.author",
    ),
    (
        "VALUE_RANGE",
        "usage_daily",
        f"select * replace (cast(case when {FIRST_ROW} then -5 else tokens end as bigint) "
        "as tokens) from t",
        "tokens=-5",
    ),
    (
        "VALUE_RANGE",
        SHARES,
        f"select * replace (case when {FIRST_ROW} then 1.2 else share end as share) from t",
        "share=1.2",
    ),
    (
        "VALUE_RANGE",
        SHARES,
        f"select * replace (case when {FIRST_ROW} then 'nan'::double else share end as share) "
        "from t",
        "share=nan",
    ),
    (
        "VALUE_SET",
        "usage_daily",
        f"select * replace (case when {FIRST_ROW} then 'guessed' else identification end "
        "as identification) from t",
        "identification=guessed",
    ),
    (
        "VALUE_FORM",
        SHARES,
        f"select * replace (case when {FIRST_ROW} then 'China' else origin end as origin) from t",
        "origin=China",
    ),
    (
        "SHARE_BOUNDS",
        SHARES,
        f"select * replace (case when {FIRST_ROW} then share / 2 else share_high end as share_high)"
        " from t",
        SHARES,
    ),
    (
        "SHARE_BOUNDS",
        SHARES,
        "select * replace (share * 0.99 as share, share * 0.99 as share_low) from t",
        SHARES,
    ),
    ("SHARE_SUM", SHARES, "select * from t where origin <> 'CN'", "add up to 0."),
    (
        "SHARE_SUM",
        "identification_daily",
        "select * from t where identification <> 'tail'",
        "identification_daily",
    ),
    (
        "TOKENS_CONSERVED",
        SHARES,
        f"select * replace (cast(case when {FIRST_ROW} then tokens - 1 else tokens end as bigint)"
        " as tokens) from t",
        "differs from usage_daily by",
    ),
    (
        "TOKENS_CONSERVED",
        SHARES,
        "select * from t where period_start <> (select max(period_start) from t)",
        "all periods",
    ),
    (
        "MISSING_DAY",
        "usage_daily",
        "select * from t where usage_date <> date '2026-01-20'",
        "2026-01-20",
    ),
    ("DAY_TOTAL", "usage_daily", on_day("tokens * 7", "2026-01-20"), "2026-01-20"),
    ("DAY_TOTAL", "usage_daily", on_day("tokens // 1000000", "2026-01-20"), "2026-01-20"),
    ("DAY_TOTAL", "usage_daily", on_day("0", "2026-01-20"), "2026-01-20"),
    ("DAY_TOTAL", "usage_daily", on_day("tokens * 7", "2026-01-01"), "2026-01-01"),
    ("DAY_TOTAL", "usage_daily", on_day("tokens * 7", "2026-02-11"), "2026-02-11"),
    (
        "ROWS_PER_DAY",
        "usage_daily",
        "select * from t union all select a.* replace ('x/m' || n as model_permaslug, "
        "cast(0 as bigint) as tokens) from (select * from t where usage_date = date '2026-01-20' "
        "limit 1) as a, range(60) r(n)",
        "2026-01-20",
    ),
    (
        "OTHER_ROWS_PER_DAY",
        "usage_daily",
        "select * from t union all select * from t where model_permaslug = 'other' "
        "and usage_date = date '2026-01-20'",
        "2026-01-20",
    ),
    (
        "ROWS_DROP",
        "usage_daily",
        "select * from t where usage_date <> date '2026-01-20' "
        "or author in ('deepseek', 'other', 'openai')",
        "2026-01-20",
    ),
    (
        "TAIL_MISSING",
        "usage_daily",
        "select * from t where usage_date <> date '2026-01-20' or model_permaslug <> 'other'",
        "2026-01-20",
    ),
    (
        "TAIL_SHARE",
        "usage_daily",
        on_day("case when author = 'other' then tokens // 100 else tokens end", "2026-01-20"),
        "2026-01-20",
    ),
    (
        "UNMAPPED_SHARE",
        "usage_daily",
        "select * replace (case when author = 'deepseek' then 'unmapped' else identification end "
        "as identification) from t",
        "deepseek",
    ),
    (
        "UNMAPPED_AUTHORS",
        "usage_daily",
        "select * replace (case when author = 'mistralai' then 'unmapped' else identification end "
        "as identification) from t",
        "mistralai",
    ),
    (
        "REGISTRY_COVERAGE",
        "registry_coverage_monthly",
        "select * replace (cast(0.9699 as double) as licensed_share) from t",
        "2026-01-01: the license class of 96.99%",
    ),
    (
        "MODEL_ROW_MISSING",
        "registry_models",
        "select * from t where base_slug <> 'mistralai/mistral-nemo'",
        "mistralai/mistral-nemo",
    ),
    (
        "TOP_LABS",
        "share_by_lab_weekly",
        "select * from t where lab_id = 'unidentified' or period_start > date '2026-01-12'",
        "2026-01-12",
    ),
    ("NO_USAGE", "usage_daily", "select * from t where false", "0 rows"),
    (
        "PRICE_OVERLAP",
        "price_history",
        "select * from t union all (select * replace (date '2026-01-02' as valid_from, "
        "null::date as valid_to) from t where valid_to is null and valid_from < date '2026-01-01' "
        "limit 1)",
        "next from",
    ),
    ("PRICE_COVERAGE_FLOOR", "price_coverage_monthly", covered("0.5999"), "2026-01-01: 0.5999"),
    ("PRICE_COVERAGE", "price_coverage_monthly", covered("0.9699"), "2026-01-01: 0.9699"),
    ("STALE_PRICES", "price_coverage_monthly", stale("0.1001"), "2026-01-01: 0.1001"),
    (
        "UNPRICED_SHARE",
        "share_by_price_band_monthly",
        "select * replace (0.9 as share) from t where price_band = 'unpriced' "
        "union all select * from t where price_band <> 'unpriced'",
        "have no price",
    ),
    (
        "SPEND_BAND",
        "spend_by_lab_weekly",
        f"select * replace (cast(case when {FIRST_ROW} then list_spend_high_usd + 1 else "
        "list_spend_usd end as decimal(38,20)) as list_spend_usd) from t",
        "spend_by_lab_weekly 20",
    ),
    (
        "SPEND_BAND",
        "spend_by_origin_daily",
        "select * replace (case when origin = 'CN' then share / 2 else share_high end "
        "as share_high) from t",
        "author_hq CN",
    ),
    (
        "SPEND_BAND",
        "spend_by_origin_monthly",
        "select * replace (tokens + 1 as priced_tokens) from t",
        "spend_by_origin_monthly 2026-01-01",
    ),
    (
        "SPEND_CONSERVED",
        "spend_by_origin_daily",
        "select * from t where period_start <> date '2026-01-20' or lens = 'author_hq'",
        "spend_by_origin_daily 2026-01-20 (base_lineage): 0 of",
    ),
    (
        "SPEND_CONSERVED",
        "spend_by_lab_monthly",
        "select * replace (tokens - 1 as tokens) from t where lab_id = 'openai' "
        "union all select * from t where lab_id <> 'openai'",
        "spend_by_lab_monthly 2026-01-01",
    ),
    (
        "SPEND_CONSERVED",
        "spend_by_lab_weekly",
        "select * replace (cast(list_spend_usd::double * 0.999 as decimal(38,20)) "
        "as list_spend_usd) from t",
        "spend_by_lab_weekly 2026-01-05",
    ),
    (
        "SPEND_CONSERVED",
        "spend_by_origin_weekly",
        "select * replace (share * 1.001 as share) from t",
        "spend_by_origin_weekly 2026-01-05",
    ),
    (
        "PRICE_INDEX_CHAIN",
        "price_index_monthly",
        "select * replace (case when period_start > date '2026-01-01' then index * 1.01 else index "
        "end as index) from t",
        "2026-02-01 author_hq US",
    ),
    (
        "PRICE_INDEX_CHAIN",
        "price_index_monthly",
        "select * replace (laspeyres_link * 1.1 as laspeyres_link, paasche_link * 1.1 as "
        "paasche_link) from t",
        "2026-02-01 author_hq US",
    ),
    (
        "PRICE_INDEX_CHAIN",
        "price_index_monthly",
        "select * replace (mix_change * 1.1 as mix_change) from t",
        "2026-02-01 author_hq US",
    ),
    (
        "PRICE_INDEX_JUMP",
        "price_index_monthly",
        "select * replace (2.1::double as fisher_link) from t where fisher_link is not null",
        "moved by a factor of 2.1",
    ),
    (
        "PRICE_QUALITY_RATIOS",
        "price_quality_pairs",
        f"{QUALITY_ROW} 0.3::double as price_ratio, false as claim_90_80",
        "price_quality_pairs 2026-07-01: CN u/m c/m",
    ),
    (
        "PRICE_QUALITY_RATIOS",
        "price_quality_pairs",
        f"{QUALITY_ROW} 0.25::double as price_ratio, true as claim_90_80",
        "price_quality_pairs 2026-07-01: CN u/m c/m",
    ),
    (
        "QUALITY_COVERAGE",
        "price_quality",
        "select * from t union all by name select 'openrouter_rankings' as source, "
        "date '2026-07-01' as period_start, 'CN' as origin, date '2026-08-01' as index_read_on, "
        "0.39::double as indexed_token_share",
        "the indices of 2026-08-01 cover 0.3900",
    ),
    (
        "INCOMPLETE_DAY",
        "usage_daily",
        "select * replace (usage_date <> date '2026-01-20' as is_complete) from t",
        "2026-01-20",
    ),
    ("TASK_SHARES", "task_usage", task_rows(token_share=0.49), "all tags, tokens add up to 0.99"),
    ("TASK_SHARES", "task_usage", task_rows(usage_share=0.51), "all tags, requests add up to 1.01"),
    (
        "TASK_SHARES",
        "task_usage",
        task_rows(listed_token_share=1.2),
        "models of math, tokens add up to 1.2",
    ),
    (
        "TASK_SHARES",
        "task_usage",
        task_rows(listed_usage_share=1.2),
        "models of math, requests add up to 1.2",
    ),
    # With three decimals two shares may miss 1 by 0.001, and three listed ones pass it by 0.0015.
    ("TASK_SHARES", "task_usage", task_rows(token_share=0.5011), "rounding explains 0.001"),
    (
        "TASK_SHARES",
        "task_usage",
        task_rows(usage_share=0.4989),
        "all tags, requests add up to 0.99",
    ),
    (
        "TASK_SHARES",
        "task_usage",
        task_rows(listed_token_share=1.0016),
        "models of math, tokens add up to 1.001600; rounding explains 0.0015",
    ),
    ("TASK_TAG_UNMAPPED", "task_usage", task_rows(has_map_row=False), "math (general) holds 50"),
    (
        "QUARANTINED_ROWS",
        "quarantine",
        "select 'openrouter_rankings' as source, repeat('a', 64) as dump_sha256, "
        "17::bigint as row_number, 'row' as scope, date '2026-01-20' as usage_date, "
        "'too_small' as code, 'total_tokens' as field, '-5' as value, '0 or more' as expected",
        "row 17: total_tokens = '-5'",
    ),
    (
        "QUARANTINED_FIELDS",
        "quarantine",
        "select 'openrouter_models' as source, repeat('a', 64) as dump_sha256, "
        "3::bigint as row_number, 'field' as scope, null::date as usage_date, "
        "'not_an_integer' as code, 'context_length' as field, '1048576.0' as value, "
        "'a whole decimal number' as expected",
        "row 3: context_length = '1048576.0'",
    ),
    (
        "RULE_SET_BOUNDS",
        "share_by_rule_set_weekly",
        "select * replace (case when rule_set = 'all_rows' and group_name = 'US' then share / 2 "
        "else share_high end as share_high) from t",
        "all_rows, US",
    ),
    (
        "RULE_SET_BOUNDS",
        "share_by_rule_set_monthly",
        "select * replace (case when rule_set = 'top_9' and window_kind = 'month_sum' "
        "then share * 0.99 else share end as share, case when rule_set = 'top_9' "
        "and window_kind = 'month_sum' then share * 0.99 else share_low end as share_low) from t",
        "top_9",
    ),
    (
        "RULE_SET_TOKENS",
        "share_by_rule_set_weekly",
        "select * from t where period_start <> date '2026-01-12'",
        "2026-01-12",
    ),
    (
        "CLAIM_VERDICTS",
        "claims",
        "select * from t where claim_id <> 'cn_47_percent_june_2026'",
        "cn_47_percent_june_2026",
    ),
    (
        "CLAIM_VERDICTS",
        "claims",
        "select * replace ('made_up' as claim_id) from t where claim_id = 'us_startups_80_percent' "
        "union all select * from t",
        "made_up",
    ),
    (
        "VALUE_SET",
        "claims",
        f"select * replace (case when {FIRST_ROW} then 'true' else verdict end as verdict) from t",
        "verdict=true",
    ),
    (
        "NOT_NULL",
        "claims",
        f'select * replace (case when {FIRST_ROW} then null else t.window end as "window") from t',
        "window=None",
    ),
]


@pytest.mark.parametrize(
    ("rule", "table", "sql", "named"), POISON, ids=[f"{p[0]}-{i}" for i, p in enumerate(POISON)]
)
def test_poison_is_caught(
    poison: Callable[[str, str], Path], rule: str, table: str, sql: str, named: str
) -> None:
    found = verdict(poison(table, sql), rule)
    assert not found.passed
    assert found.verdict in ("fail", "warn")
    assert found.failing > 0
    assert any(named in row for row in found.rows), found.rows


def test_task_shares_that_add_up_but_for_rounding_are_no_poison(
    poison: Callable[[str, str], Path],
) -> None:
    rounded = task_rows(token_share=0.501, usage_share=0.499, listed_token_share=1.0015)
    verdicts = {v.rule: v for v in run_gate(poison("task_usage", rounded), None)}
    assert verdicts["TASK_SHARES"].passed, verdicts["TASK_SHARES"].rows
    assert verdicts["TASK_TAG_UNMAPPED"].passed
    assert not blockers(list(verdicts.values()))


# First new day of the small feed, whose last day is 2026-02-11, factor, and whether it warns.
LEVELS = [
    ("2026-02-11", 0.74, True),
    ("2026-02-11", 0.76, False),
    ("2026-02-10", 0.74, True),
    ("2026-02-10", 0.76, False),
    ("2026-02-09", 0.79, True),
    ("2026-02-09", 0.81, False),
    # More than 7 new days: those next to the old ones count.
    ("2026-01-29", 0.79, True),
    ("2026-01-29", 0.81, False),
    ("2026-01-29", 1.98, False),
    ("2026-01-29", 2.02, True),
]


@pytest.mark.parametrize(("first_day", "factor", "warns"), LEVELS)
def test_new_days_on_another_level_warn(
    poison: Callable[[str, str], Path],
    healthy: Path,
    tmp_path: Path,
    first_day: str,
    factor: float,
    warns: bool,
) -> None:
    """The answer of a night, asked with a filter that its days do not show one by one."""
    before = tmp_path / "before"
    before.mkdir()
    usage = healthy / "usage_daily.parquet"
    duckdb.execute(
        f"copy (select * from '{usage}' where usage_date < date '{first_day}') "
        f"to '{before / usage.name}' (format parquet)"
    )
    now = poison(
        "usage_daily",
        f"{FROM} '{first_day}' then tokens * {factor} {TO}",
    )
    found = verdict(now, "LEVEL_STEP", previous=before)
    assert found.verdict == ("warn" if warns else "pass"), found.rows
    assert [row[:10] for row in found.rows] == ([first_day] if warns else [])
    # Every day for itself is within the factor that a day may differ by.
    assert verdict(now, "DAY_TOTAL", previous=before).passed == (factor < 2)


def test_without_a_vintage_before_a_step_shows_where_the_dump_changes(
    poison: Callable[[str, str], Path],
) -> None:
    filtered = (
        "select * replace (case when usage_date >= date '2026-02-05' then repeat('b', 64) "
        "else dump_sha256 end as dump_sha256, cast(case when usage_date >= date '2026-02-05' "
        "then tokens * 0.7 else tokens end as bigint) as tokens) from t"
    )
    found = verdict(poison("usage_daily", filtered), "LEVEL_STEP")
    assert [row[:45] for row in found.rows] == ["2026-02-05 to 2026-02-11, dump bbbbbbbbbbbb: "]


def test_a_filtered_answer_that_replaces_unsettled_days_is_a_step_and_of_settled_ones_no_vintage(
    poison: Callable[[str, str], Path], healthy: Path
) -> None:
    folder = poison("usage_daily", f"{FROM} '2026-02-09' then tokens * 0.7 {TO}")
    assert [r[:10] for r in verdict(folder, "LEVEL_STEP", previous=healthy).rows] == ["2026-02-09"]
    assert verdict(folder, "RESTATEMENT", previous=healthy).passed
    shutil.rmtree(folder)
    folder = poison("usage_daily", f"{FROM} '2026-01-20' then tokens * 0.95 {TO}")
    assert verdict(folder, "RESTATEMENT", previous=healthy).verdict == "fail"


def test_restatement_of_settled_days_is_caught(
    poison: Callable[[str, str], Path], healthy: Path
) -> None:
    restated = poison("usage_daily", on_day("cast(tokens * 1.02 as bigint)", "2026-01-20"))
    found = verdict(restated, "RESTATEMENT", previous=healthy)
    assert not found.passed
    assert [row for row in found.rows if row.startswith("2026-01-20")], found.rows


def test_a_settled_day_that_keeps_its_total_but_not_its_models_is_a_restatement(
    poison: Callable[[str, str], Path], healthy: Path
) -> None:
    swapped = poison(
        "usage_daily",
        "select * replace (cast(case when usage_date <> date '2026-01-20' then tokens "
        "when model_permaslug = 'openai/gpt-4o' then tokens + 100000000 "
        "when model_permaslug = 'deepseek/deepseek-chat-v3' then tokens - 100000000 "
        "else tokens end as bigint) as tokens) from t",
    )
    found = verdict(swapped, "RESTATEMENT", previous=healthy)
    assert [row[:10] for row in found.rows] == ["2026-01-20"]


def test_a_catalogue_that_lost_most_of_its_models_is_caught(
    poison: Callable[[str, str], Path], healthy: Path
) -> None:
    cut = poison(
        "price_history",
        "select * replace (coalesce(valid_to, date '2026-09-03') as valid_to) from t "
        "where model_permaslug not like 'openai/%' "
        "union all select * from t where model_permaslug like 'openai/%'",
    )
    found = verdict(cut, "CATALOGUE_SHRANK", previous=healthy)
    assert not found.passed
    assert "was a catalogue cut?" in found.rows[0]


def test_price_coverage_is_judged_at_its_bounds_and_in_complete_months_only(
    poison: Callable[[str, str], Path],
) -> None:
    """January 2026 is complete in the small feed, February is not."""
    found = verdict(poison("price_coverage_monthly", covered("0.97")), "PRICE_COVERAGE")
    assert found.passed, found.rows
    assert "1 rows" in found.observed
    found = verdict(poison("price_coverage_monthly", covered("0.601")), "PRICE_COVERAGE_FLOOR")
    assert found.passed, found.rows
    found = verdict(poison("price_coverage_monthly", stale("0.0999")), "STALE_PRICES")
    assert found.passed, found.rows


def test_a_bad_field_is_no_bad_row(poison: Callable[[str, str], Path]) -> None:
    (sql,) = [p[2] for p in POISON if p[0] == "QUARANTINED_FIELDS"]
    assert verdict(poison("quarantine", sql), "QUARANTINED_ROWS").passed


def test_a_right_pair_of_price_and_quality_passes(poison: Callable[[str, str], Path]) -> None:
    sql = f"{QUALITY_ROW} 0.25::double as price_ratio, false as claim_90_80"
    found = verdict(poison("price_quality_pairs", sql), "PRICE_QUALITY_RATIOS")
    assert found.passed, found.rows


def test_an_incomplete_day_is_not_judged_by_its_shape(
    poison: Callable[[str, str], Path],
) -> None:
    """Its missing rows lie in quarantine and it says so; two rules would name it again."""
    folder = poison(
        "usage_daily",
        "select * replace (usage_date <> date '2026-01-20' as is_complete) from t "
        "where usage_date <> date '2026-01-20' or author in ('deepseek', 'openai')",
    )
    assert verdict(folder, "ROWS_DROP").passed
    assert verdict(folder, "TAIL_MISSING").passed


def test_a_lost_settled_day_is_a_restatement(
    poison: Callable[[str, str], Path], healthy: Path
) -> None:
    lost = poison("usage_daily", "select * from t where usage_date < date '2026-02-01'")
    assert verdict(lost, "RESTATEMENT", previous=healthy).failing > 0


def test_the_newest_days_may_still_change(
    poison: Callable[[str, str], Path], healthy: Path
) -> None:
    restated = poison("usage_daily", on_day("cast(tokens * 1.05 as bigint)", "2026-02-11"))
    assert verdict(restated, "RESTATEMENT", previous=healthy).passed


def test_a_missing_table_is_a_schema_failure(
    poison: Callable[[str, str], Path], healthy: Path
) -> None:
    folder = poison("headline", "select * from t")
    (folder / "headline.parquet").unlink()
    assert any("headline" in row for row in verdict(folder, "SCHEMA").rows)


def test_a_grain_that_changes_mid_series_names_the_first_days(
    poison: Callable[[str, str], Path],
) -> None:
    """Trailing 7-day sums in place of daily values, as a real scraper once began to return."""
    switched = poison(
        "usage_daily",
        "select * replace (cast(case when usage_date >= date '2026-01-25' then tokens * 7 "
        "else tokens end as bigint) as tokens) from t",
    )
    found = verdict(switched, "DAY_TOTAL")
    named = {date.fromisoformat(row[:10]) for row in found.rows}
    assert date(2026, 1, 25) in named
    assert min(named) == date(2026, 1, 25)


def test_every_rule_has_a_poisoned_fixture() -> None:
    beside = {"RESTATEMENT", "CATALOGUE_SHRANK", "LEVEL_STEP"}
    assert {p[0] for p in POISON} | beside == set(rule_titles())


def test_thresholds_hold_on_the_shipped_history_with_room(
    shipped: tuple[Settings, object],
) -> None:
    """The factor must not sit next to what real data does: a quarter of it stays free."""
    _, vintage = shipped
    limits = thresholds()
    ratios = next(v for v in vintage.verdicts if v.rule == "DAY_TOTAL").observed
    low, high = float(ratios.split()[2]), float(ratios.split()[4])
    factor = limits["day_total"]["max_factor"]
    assert high < 0.75 * factor
    assert low > 1.25 / factor
