"""Every rule of the gate has a poisoned candidate that it must catch.

A healthy candidate is built by the real run; each case spoils it in one way and asks the real gate.
A poison lies just beyond the limit that it is about (limits are read from gate.yml), and what lies
just inside passes.
"""

import os
import re
from collections.abc import Callable
from datetime import date, timedelta
from math import ceil
from pathlib import Path
from typing import Any, get_args

import duckdb
import pytest

from orchestration import pipeline
from orchestration.configuration.files import read
from orchestration.configuration.limits import LIMITS_FILE, Accepted, Limits, limits
from orchestration.errors import GateRefusedError, TokenshareError
from orchestration.gate import run as gate
from orchestration.gate.rules import NO_ROWS, RULES_DIR, read_rule, rules
from orchestration.gate.run import RuleResult, blockers, rule_titles, run_gate
from orchestration.landing.gaps import Gap
from orchestration.landing.store import land
from orchestration.publication.vintage import latest_vintage
from orchestration.settings import Settings
from tests import builders

LIMITS = limits()
SHARES = "share_by_origin_weekly"

# A blocker that became a warning would publish what it found.
SEVERITIES = {
    **dict.fromkeys(
        [
            "KEY", "REFERENCE", "VALUE_RANGE", "VALUE_SET", "VALUE_FORM",
            "TOP_LABS", "UNMAPPED_SHARE",
            "CLAIM_VERDICTS", "RULE_SET_BOUNDS", "RULE_SET_TOKENS",
            "GATEWAY_COMPARISON", "GATEWAY_DAY_SUM", "GATEWAY_SPEND", "GATEWAY_SUM",
            "DAY_TOTAL", "MISSING_DAY", "NO_USAGE", "OTHER_ROWS_PER_DAY", "REPEATED_DAY",
            "RESTATEMENT",
            "ROWS_DROP", "ROWS_PER_DAY", "TAIL_MISSING",
            "CATALOGUE_SHRANK", "PRICE_COVERAGE_FLOOR", "PRICE_INDEX_CHAIN", "PRICE_OVERLAP",
            "PRICE_QUALITY_RATIOS",
            "NAMES_CONSERVED", "SHARE_BOUNDS", "SHARE_CHANGE_SUM", "SHARE_MARGINS", "SHARE_SUM",
            "SMALL_CELLS", "TOKENS_CONSERVED",
            "SPEND_BAND", "SPEND_CONSERVED",
        ],
        "blocker",
    ),
    **dict.fromkeys(
        [
            "MODEL_ROW_MISSING", "REGISTRY_COVERAGE", "UNMAPPED_AUTHORS",
            "GATEWAY_NAMES", "INCOMPLETE_DAY", "LEVEL_STEP", "TAIL_SHARE", "UNREACHABLE_DAY",
            "QUARANTINED_FIELDS", "QUARANTINED_ROWS",
            "PRICE_COVERAGE", "PRICE_INDEX_JUMP", "QUALITY_COVERAGE", "STALE_PRICES",
            "UNPRICED_SHARE",
            "TASK_SHARES", "TASK_TAG_UNMAPPED",
        ],
        "warning",
    ),
}  # fmt: skip


@pytest.fixture(scope="session")
def healthy(small_base: Settings) -> Path:
    """The tables of a vintage that passed. Read only."""
    vintage = latest_vintage(small_base)
    assert vintage is not None
    return vintage.path / "tables"


Spoil = Callable[..., RuleResult]


@pytest.fixture(scope="session")
def opened(healthy: Path) -> dict[bool, duckdb.DuckDBPyConnection]:
    """The healthy tables with themselves as the previous vintage, and without one."""
    return {True: gate.connect(healthy, healthy), False: gate.connect(healthy, None)}


@pytest.fixture
def ask(opened: dict[bool, duckdb.DuckDBPyConnection]) -> Spoil:
    """The result of a rule on the healthy tables, some of them replaced by a query on them, `t`.

    The judge of `verify`, which has no Great Expectations, must find the same rows.
    """

    def asked(code: str, has_previous: bool = False, **spoilt: str) -> RuleResult:
        connection = opened[has_previous]
        (rule,) = [r for r in rules() if r.code == code]
        for table, sql in spoilt.items():
            connection.execute(f"alter view {table} rename to sound_{table}")
            connection.execute(f"create or replace view t as from sound_{table}")
            connection.execute(f"create table {table} as {sql}")
        try:
            found = gate.judge(rule, connection)
            assert len(rule.failing_rows(connection.cursor())) == found.failing
            return found
        finally:
            for table in spoilt:
                connection.execute(f"drop table {table}")
                connection.execute(f"alter view sound_{table} rename to {table}")

    return asked


@pytest.fixture
def poison(healthy: Path, tmp_path: Path) -> Callable[[str, str], Path]:
    """The files of the healthy tables, one of them replaced by the result of a query on it, `t`."""

    def apply(table: str, sql: str) -> Path:
        folder = tmp_path / "tables"
        folder.mkdir()
        for path in healthy.iterdir():
            os.link(path, folder / path.name)
        path = folder / f"{table}.parquet"
        with duckdb.connect() as connection:
            connection.execute(f"create view t as select * from read_parquet('{path}')")
            connection.execute(f"copy ({sql}) to '{tmp_path}/new' (format parquet)")
        (tmp_path / "new").replace(path)  # the healthy file has other names, and stays
        return folder

    return apply


def asked_of(folder: Path, rule: str) -> RuleResult:
    """The result of one rule on a folder of tables."""
    (found,) = [v for v in run_gate(folder, None, only=[rule]) if v.rule == rule]
    return found


def test_a_healthy_candidate_passes(healthy: Path) -> None:
    results = run_gate(healthy, None)
    assert [v.rule for v in results] == list(rule_titles())
    assert not blockers(results), blockers(results)
    assert {v.rule: v.severity for v in results} == SEVERITIES


FIRST_ROW = "(row_number() over () = 1)"


def on_day(expression: str, day: str, column: str = "tokens") -> str:
    """A query that changes `column` on one day of usage_daily."""
    return (
        f"select * replace (cast(case when usage_date = date '{day}' then {expression} "
        f"else {column} end as bigint) as {column}) from t"
    )


def in_first_row(**expressions: str) -> str:
    """A query that changes columns of one row."""
    changed = ", ".join(
        f"case when {FIRST_ROW} then {sql} else {column} end as {column}"
        for column, sql in expressions.items()
    )
    return f"select * replace ({changed}) from t"


# A query that changes the tokens from a day on: FROM, the day, what they become, TO.
FROM = "select * replace (cast(case when usage_date >= date"
TO = "else tokens end as bigint) as tokens) from t"


def of_each_day(author: str, share: float, replaced: str = "", only: str = "") -> str:
    """A query by which one author holds this share of every day's tokens, or of `only` one's;
    `replaced` goes along."""
    others = f"sum(case when author <> '{author}' then tokens end) over (partition by usage_date)"
    on = f"and usage_date = date '{only}'" if only else ""
    raised = f"case when author = '{author}' {on} then {share / (1 - share)!r} * {others}"
    return (
        f"select * replace (cast({raised} else tokens end as bigint) as tokens {replaced}) from t"
    )


def unmapped(share: float) -> str:
    """A query by which an author without a lab holds this share of every day's tokens."""
    return of_each_day(
        "mistralai",
        share,
        ", case when author = 'mistralai' then 'unmapped' else identification end "
        "as identification",
    )


def rowless(share: float) -> str:
    """A query by which a model without a row in the registry holds this share of every day."""
    return of_each_day(
        "mistralai",
        share,
        ", case when author = 'mistralai' then 'mistralai/new' else base_slug end as base_slug",
    )


def largest(models: int) -> str:
    """A query that leaves only the largest models of one day."""
    return (
        "select * from t qualify usage_date <> date '2026-01-20' or row_number() over "
        f"(partition by usage_date order by tokens desc) <= {models}"
    )


def longer(rows: int) -> str:
    """A query by which one day has this many rows; the small feed has 8 a day."""
    return (
        "select * from t union all select a.* replace ('x/m' || n as model_permaslug, "
        "cast(0 as bigint) as tokens) from (select * from t where usage_date = date '2026-01-20' "
        f"limit 1) as a, range({rows - len(builders.MODELS)}) r(n)"
    )


def repeated(rows: int, before: int = 1) -> str:
    """A query by which one day of 20 rows has so many with the tokens of an earlier day."""
    return (
        "with earlier as (select model_permaslug, tokens as repeated_tokens, row_number() over "
        f"(order by model_permaslug) as n from t where usage_date = date '{DAY}' - {before}) "
        f"select t.* replace (case when usage_date = date '{DAY}' and n <= {rows} "
        "then repeated_tokens else tokens end as tokens) from t "
        "inner join earlier using (model_permaslug) union all select a.* replace "
        "('x/m' || n as model_permaslug, n as tokens) from "
        f"(select * from t where usage_date = date '{DAY}' limit 1) as a, range(1, 13) r(n)"
    )


def from_another_dump(minutes: int) -> str:
    """A query by which one day comes from another dump, so many minutes newer than the others'."""
    on = f"usage_date = date '{DAY}'"
    return (
        f"select * replace (if({on}, repeat('b', 64), dump_sha256) as dump_sha256, "
        f"if({on}, read_after_minutes + {minutes}, read_after_minutes) as read_after_minutes) "
        "from t"
    )


def labs_in_a_week(labs: int) -> str:
    """A query by which one week has tokens of this many labs."""
    return (
        "select * exclude n from (select *, row_number() over (partition by lens, period_start "
        "order by lab_id = 'unidentified', tokens desc) as n from t) "
        f"where n <= {labs} or lab_id = 'unidentified' or period_start <> date '2026-01-12'"
    )


def open_prices(fewer: int) -> str:
    """A query by which as many models have a price that holds as the gate asks for, or fewer."""
    return (
        "with open_models as (select distinct model_permaslug from t where valid_to is null and "
        "price_kind = 'prompt'), kept as (select * from open_models order by all limit (select "
        f"cast(ceil({LIMITS.catalogue.min_open_ratio} * count(*)) as bigint) - {fewer} "
        "from open_models)) select * replace (case when model_permaslug in (from kept) then "
        "valid_to else coalesce(valid_to, date '2026-09-03') end as valid_to) from t"
    )


def covered(share: float) -> str:
    """A query that prices this share of the attributed tokens of every month."""
    return (
        f"select * replace (cast(ceil(attributed_tokens * {share}) as bigint) "
        "as priced_attributed_tokens) from t"
    )


def stale(share: float) -> str:
    """A query by which this share of the priced tokens of every month rests on stale prices."""
    return (
        f"select * replace (cast(floor(priced_tokens * {share}) as bigint) as priced_stale_tokens) "
        "from t"
    )


def jump(factor: float, matched: float = LIMITS.price_index.from_matched_share) -> str:
    """A query by which every link of the price index is a factor, of matched models' share."""
    return (
        f"select * replace ({factor}::double as fisher_link, {matched}::double as "
        f"matched_token_share_from, {matched}::double as matched_token_share_to) from t "
        "where fisher_link is not null"
    )


def link_outside(distance: float) -> str:
    """A query by which Laspeyres and Paasche lie this far above their link."""
    links = ", ".join(
        f"fisher_link + {distance} as {name}_link" for name in ("laspeyres", "paasche")
    )
    return f"select * replace ({links}) from t"


def later_index(off: float) -> str:
    """A query by which the later indices are off by this factor."""
    return (
        "select * replace (case when period_start > date '2026-01-01' "
        f"then index * {1 + off!r} else index end as index) from t"
    )


def change(origin_off: float = 0, terms_off: float = 0) -> str:
    """The real change of CN's share in a week, its one lab and its terms off by so much."""
    shares = "(select * from share_by_origin_weekly where origin = 'CN')"
    return f"""
        select * from t union all by name
        select later.source, 'spoilt' as change_id, 'configured' as pair_kind, 'weekly' as grain,
            earlier.period_start as period_start_from, later.period_start as period_start_to,
            true as is_complete, later.lens, later.origin, 'x' as lab_id, 'X' as lab_name,
            later.share - earlier.share + {origin_off} as delta_share,
            0::double as entrants, 0::double as leavers, 0::double as between_lab,
            later.share - earlier.share + {origin_off} + {terms_off} as within_lab
        from {shares} as later inner join {shares} as earlier using (source, lens)
        where later.lens = 'author_hq' and later.period_start = date '2026-01-12'
            and earlier.period_start = date '2026-01-05'
    """


def quarantined(scope: str) -> str:
    """A query with one row of quarantine."""
    return (
        "select 'openrouter_models' as source, repeat('a', 64) as dump_sha256, "
        f"3::bigint as row_number, '{scope}' as scope, null::date as usage_date, "
        "'not_an_integer' as code, 'context_length' as field, '1048576.0' as value, "
        "'a whole decimal number' as expected"
    )


def month_share_off(amount: float) -> str:
    """A query by which a share of a month's sum is off, wherever its bounds are."""
    # Neither 0 nor 1: what is off must not leave the bounds.
    first = "rule_set = 'top_9' and window_kind = 'month_sum' and share between 0.1 and 0.9"
    return (
        f"select * replace (case when {first} then share + {amount} else share end as share, "
        f"case when {first} then 0 else share_low end as share_low, "
        f"case when {first} then 1 else share_high end as share_high) from t"
    )


def task_rows(**spoiled: object) -> str:
    """Two tags of one window, half of everything each; `spoiled` is in the row of `math`."""
    columns = {
        "source": "'openrouter_task_classifications'", "window_start": "date '2026-06-11'",
        "window_end": "date '2026-06-17'", "window_days": "7::int", "tag": "'math'",
        "display_name": "'Math'", "macro_category": "'general'", "use": "'math'",
        "has_map_row": "true", "classified_usage_share": "0.5::double",
        "classified_token_share": "0.5::double",
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


def rows_beside(*rows: dict[str, object]) -> str:
    """A query that adds rows to an empty table; columns that they do not name are NULL."""
    made = (", ".join(f"{value} as {column}" for column, value in row.items()) for row in rows)
    return " union all by name ".join(["select * from t", *(f"select {row}" for row in made)])


def listed(other: object, **replaced: object) -> str:
    """A day of another gateway: one name with 70 % and `Other`."""
    day = {
        "source": "'vercel_leaderboard'", "dataset": "'models'", "modality": "'text'",
        "share_of": "'tokens'", "usage_date": f"date '{DAY}'",
    }  # fmt: skip
    named = {
        **day, "name": "'A'", "share_percent": 70, "share": 0.7, "identification": "'attributed'",
        **replaced,
    }  # fmt: skip
    return rows_beside(
        named, {**day, "name": "'Other'", "share_percent": other, "identification": "'tail'"}
    )


def compared(**replaced: object) -> str:
    """Two origins on two gateways; `replaced` is in the row of US, whose shares are 0.5 (to 0.7)
    beside 0.6 (to 0.9)."""
    frame = {
        "source": "'openrouter_rankings'", "gateway_source": "'vercel_leaderboard'",
        "dataset": "'labs'", "modality": "'text'", "share_of": "'tokens'",
        "period_start": "date '2026-01-12'",
    }  # fmt: skip
    us = {
        "mean_share": 0.5, "mean_share_low": 0.5, "mean_share_high": 0.7,
        "token_weighted_share": 0.5, "gateway_share": 0.6, "gateway_share_low": 0.6,
        "gateway_share_high": 0.9, "spread": 0.1, "spread_low": -0.1, "spread_high": 0.4,
    }  # fmt: skip
    unidentified = {
        "mean_share": 0.5, "mean_share_low": 0.5, "mean_share_high": 0.5,
        "token_weighted_share": 0.5, "gateway_share": 0.4, "gateway_share_low": 0.4,
        "gateway_share_high": 0.4, "spread": -0.1, "spread_low": -0.1, "spread_high": -0.1,
    }  # fmt: skip

    def doubles(shares: dict[str, object]) -> dict[str, object]:
        return {c: f"{v}::double" for c, v in shares.items()}

    return rows_beside(
        {**frame, "origin": "'US'", **doubles(us), **replaced},
        {**frame, "origin": "'unidentified'", **doubles(unidentified)},
    )


def spent(**replaced: object) -> str:
    """Two labs with measured and implied shares of 0.5; `replaced` is in the row of lab a."""
    row = {
        "source": "'vercel_leaderboard'", "modality": "'text'",
        "period_start": "date '2026-01-01'", "lab_id": "'b'", "measured_share": "0.5::double",
        "implied_share": "0.5::double", "implied_share_low": "0.25::double",
        "implied_share_high": "0.75::double", "implied_minus_measured": "0::double",
    }  # fmt: skip
    return rows_beside(row, {**row, "lab_id": "'a'", **replaced})


# The small feed has no month near a reading of the indices. 54 of 60 at 2.5 of 10 US dollars.
QUALITY_ROW = (
    "select * from t union all by name select 'openrouter_rankings' as source, "
    "date '2026-07-01' as period_start, 'CN' as origin, 1::integer as rival_rank, "
    "'u/m' as rival_model, 60::decimal(18,9) as rival_quality_index, "
    "10::decimal(18,9) as rival_usd_per_million_tokens, 'c/m' as cheapest_model, "
    "54::decimal(18,9) as cheapest_quality_index, "
    "2.5::decimal(18,9) as cheapest_usd_per_million_tokens, 0.9::double as quality_ratio,"
)


USAGE = "usage_daily"
DAY = "2026-01-20"
FACTOR = LIMITS.day_total.max_factor
MOVED = LIMITS.restatement.max_relative_change
USUAL_TAIL = 70 / sum(builders.MODELS.values())
TAIL = LIMITS.day_shape.warn_tail_factor * USUAL_TAIL
LEAST_TAIL = USUAL_TAIL / LIMITS.day_shape.warn_tail_factor
COVERAGE = "price_coverage_monthly"
SERVED = "select 'openrouter_rankings' as source, 'somebody' as provider_id"
ROWS = ceil(LIMITS.day_shape.min_rows_ratio * len(builders.MODELS))
# The smallest amount that SPEND_BAND must see.
CENT = "0.000000001::decimal(28,9)"

# (rule, table, query on it as `t`, what a row of the result must name)
# fmt: off
POISON: list[tuple[str, str, str, str]] = [
    ("KEY", USAGE, "select * from t union all (select * from t limit 1)", "usage_date="),
    ("REFERENCE", "share_by_origin_weekly",
     "select * from t where period_start <> date '2026-01-12' or origin <> 'US'",
     "rows are not in share_by_origin_weekly: source="),
    ("VALUE_RANGE", USAGE, in_first_row(tokens="-1::bigint"), "tokens=-1"),
    ("VALUE_RANGE", SHARES, in_first_row(share="1 + 1e-15"), "share=1.000000000000001"),
    ("VALUE_RANGE", SHARES, in_first_row(share="'nan'::double"), "share=nan"),
    ("VALUE_SET", USAGE, in_first_row(identification="'guessed'"), "identification=guessed"),
    ("VALUE_FORM", SHARES, in_first_row(origin="'China'"), "origin=China"),
    ("TOKENS_CONSERVED", SHARES,
     "select * from t where period_start <> (select max(period_start) from t)",
     f"{SHARES} all periods"),
    ("TOKENS_CONSERVED", SHARES, "select * from t where lens = 'author_hq'",
     f"{SHARES} all periods"),
    # Who served the tokens is said, but serving_hq has no rows.
    ("TOKENS_CONSERVED", "served_daily", SERVED, f"{SHARES} all periods"),
    ("SPEND_CONSERVED", "served_daily", SERVED, "(serving_hq): 0 of"),
    ("MISSING_DAY", USAGE, f"select * from t where usage_date <> date '{DAY}'", DAY),
    ("OTHER_ROWS_PER_DAY", USAGE, "select * from t union all select * from t where "
     f"model_permaslug = 'other' and usage_date = date '{DAY}'", DAY),
    ("TAIL_MISSING", USAGE,
     f"select * from t where usage_date <> date '{DAY}' or model_permaslug <> 'other'", DAY),
    ("PRICE_OVERLAP", "price_history",
     "select * from t union all (select * replace (date '2026-01-02' as valid_from, null::date as "
     "valid_to) from t where valid_to is null and valid_from < date '2026-01-01' limit 1)",
     "next from"),
    ("PRICE_OVERLAP", "price_history", in_first_row(valid_to="valid_from"), "next from"),
    ("SPEND_CONSERVED", "spend_by_origin_daily",
     f"select * from t where period_start <> date '{DAY}' or lens = 'author_hq'",
     f"spend_by_origin_daily {DAY} (base_lineage): 0 of"),
    ("INCOMPLETE_DAY", USAGE,
     f"select * replace (usage_date <> date '{DAY}' as is_complete) from t", DAY),
    ("TASK_TAG_UNMAPPED", "task_usage", task_rows(has_map_row=False), "math (general) has 50"),
    # A side without a share, and a usage source beside something that it does not count.
    ("GATEWAY_COMPARISON", "gateway_comparison_by_origin_weekly",
     compared(mean_share="null::double"), "gateway_comparison_by_origin_weekly"),
    ("GATEWAY_COMPARISON", "gateway_comparison_by_origin_weekly",
     compared(share_of="'spend'"), "gateway_comparison_by_origin_weekly"),
    ("GATEWAY_SUM", "gateway_comparison_by_origin_weekly",
     compared(mean_share="null::double"), "2026-01-12: mean_share of"),
    ("GATEWAY_SPEND", "gateway_spend_by_lab_monthly", spent(measured_share="null::double"),
     "gateway_spend_by_lab_monthly"),
    # A day in two answers that were mixed.
    ("GATEWAY_DAY_SUM", "gateway_shares_daily", listed(100), "add up to 170"),
    ("RULE_SET_TOKENS", "share_by_rule_set_weekly",
     "select * from t where period_start <> date '2026-01-12'", "2026-01-12"),
    ("CLAIM_VERDICTS", "claims",
     "select * from t where claim_id <> 'cn_47_percent_june_2026'", "cn_47_percent_june_2026"),
    ("CLAIM_VERDICTS", "claims",
     "select * replace ('made_up' as claim_id) from t where claim_id = 'us_startups_80_percent' "
     "union all select * from t", "made_up"),
    ("PRICE_QUALITY_RATIOS", "price_quality_pairs",
     f"{QUALITY_ROW} 0.25::double as price_ratio, true as claim_90_80",
     "price_quality_pairs 2026-07-01: CN u/m c/m"),
]


def changed(column: str, by: str) -> Callable[[object], str]:
    """Queries that change a column of one row by an amount."""
    return lambda amount: in_first_row(**{column: by.format(amount)})


def share_off(amount: object) -> str:
    """A query by which one share is off, wherever its bounds are."""
    return in_first_row(share=f"share + {amount}", share_low="0", share_high="1")


def known(column: str) -> Callable[[object], str]:
    """Queries that set a share of what the registry knows."""
    return lambda share: f"select * replace (cast({share} as double) as {column}) from t"


def day_times(day: str) -> Callable[[object], str]:
    """Queries that multiply the tokens of a day."""
    return lambda factor: on_day(f"tokens * {factor}", day)


def task(column: str) -> Callable[[float], str]:
    """Queries that set a share of one of two task tags."""
    return lambda share: task_rows(**{column: share})


# (rule, table, query on it for an amount, an amount beyond the limit, one inside, what is named)
EDGES: list[tuple[str, str, Callable[[Any], str], Any, Any, str]] = [
    ("SHARE_BOUNDS", SHARES, changed("share_high", "share - {}"), 1e-15, 0, SHARES),
    ("SHARE_BOUNDS", SHARES, changed("share_low", "share + {}"), 1e-15, 0, SHARES),
    ("SHARE_BOUNDS", SHARES, share_off, 2e-9, 0.5e-9, SHARES),
    ("SHARE_SUM", "share_by_price_band_daily", changed("share", "share + {}"), 2e-9, 0.5e-9,
     "share_by_price_band_daily 2026-01-01"),
    ("SHARE_SUM", "identification_daily", changed("share", "share - {}"), 2e-9, 0.5e-9,
     "identification_daily 2026-01-01"),
    # Tokens that change sides keep every total; a row that is missing is one side too few.
    ("SHARE_MARGINS", "share_by_origin_license_weekly",
     "select * replace (if(license = 'open_weight', '{}', license) as license) from t".format,
     "closed", "open_weight", "share_by_license_weekly, share_by_origin_license_weekly 2026-01-05"),
    ("SHARE_MARGINS", "share_by_origin_daily", "select * from t where origin <> '{}'".format,
     "CN", "DE", "share_by_origin_daily, share_by_origin_license_daily 2026-01-01 (author_hq)"),
    ("TOKENS_CONSERVED", SHARES, changed("tokens", "tokens - {}"), 1, 0, "by -1 tokens"),
    ("TOKENS_CONSERVED", "identification_daily", changed("tokens", "tokens + {}"), 1, 0,
     "identification_daily 2026-01-01: differs from usage_daily by 1 tokens"),
    ("TOKENS_CONSERVED", COVERAGE, changed("tokens", "tokens + {}"), 1, 0,
     "price_coverage_monthly 2026-01-01"),
    ("NAMES_CONSERVED", "model_names",
     "select source, sum(tokens) + {} as tokens from usage_daily group by source".format, 1, 0,
     "openrouter_rankings: model_names differs from usage_daily by 1 tokens"),
    ("SHARE_CHANGE_SUM", "share_change", lambda off: change(origin_off=off), 2e-12, 0.5e-12,
     "spoilt CN all labs"),
    ("SHARE_CHANGE_SUM", "share_change", lambda off: change(terms_off=off), 2e-12, 0.5e-12,
     "spoilt CN x"),
    ("DAY_TOTAL", USAGE, day_times(DAY), FACTOR * 1.001, FACTOR * 0.999, DAY),
    ("DAY_TOTAL", USAGE, day_times(DAY), 0.999 / FACTOR, 1.001 / FACTOR, DAY),
    # The first day is compared with those after it, the last one with those before.
    ("DAY_TOTAL", USAGE, day_times("2026-01-01"), FACTOR * 1.001, FACTOR * 0.999, "2026-01-01"),
    ("DAY_TOTAL", USAGE, day_times("2026-02-11"), FACTOR * 1.001, FACTOR * 0.999, "2026-02-11"),
    # Trailing sums of 7 days begin, a few hundred tokens, nothing but zeros.
    ("DAY_TOTAL", USAGE, (FROM + f" '{DAY}' then tokens * {{}} " + TO).format, 7, 1, DAY),
    ("DAY_TOTAL", USAGE, day_times(DAY), "0.0000002", 1, f"{DAY}: 260 tokens"),
    ("DAY_TOTAL", USAGE, day_times("2026-02-11"), 0, 1, "2026-02-11: 0 tokens"),
    ("MISSING_DAY", USAGE, from_another_dump, -1, 1,
     f"{DAY}: no row of openrouter_rankings in dump"),
    ("REPEATED_DAY", USAGE, repeated, 3, 2, f"{DAY}: 3 of 20 rows"),
    ("REPEATED_DAY", USAGE, lambda before: repeated(8, before), LIMITS.repeated_day.days_before,
     LIMITS.repeated_day.days_before + 1, "8 of 20 rows have exactly the tokens of 2026-01-13"),
    ("RESTATEMENT", USAGE, day_times(DAY), 1 + 1.001 * MOVED, 1 + 0.999 * MOVED, DAY),
    # The last of the settled days: the newest is 2026-02-11.
    ("RESTATEMENT", USAGE, day_times("2026-02-08"), 1 - 1.001 * MOVED, 1 - 0.999 * MOVED,
     "2026-02-08"),
    ("ROWS_PER_DAY", USAGE, longer, LIMITS.rows_per_day.max_rows + 1, LIMITS.rows_per_day.max_rows,
     DAY),
    ("ROWS_DROP", USAGE, largest, ROWS - 1, ROWS, DAY),
    ("TAIL_SHARE", USAGE, lambda share: of_each_day("other", share, only=DAY),
     TAIL * 1.001, TAIL * 0.999, DAY),
    ("TAIL_SHARE", USAGE, lambda share: of_each_day("other", share, only=DAY),
     LEAST_TAIL * 0.999, LEAST_TAIL * 1.001, DAY),
    ("UNMAPPED_SHARE", USAGE, unmapped, LIMITS.unmapped.max_weekly_share * 1.001,
     LIMITS.unmapped.max_weekly_share * 0.999, "mistralai"),
    ("UNMAPPED_AUTHORS", USAGE, unmapped, LIMITS.unmapped.warn_weekly_share * 1.001,
     LIMITS.unmapped.warn_weekly_share * 0.999, "mistralai"),
    *(
        ("REGISTRY_COVERAGE", "registry_coverage_monthly", known(column), limit - 0.0001, limit,
         f"2026-01-01: the {kind} of {limit - 0.0001:.2%}")
        for kind, column, limit in (
            ("lab", "attributed_share", LIMITS.registry.warn_attributed_share),
            ("license class", "licensed_share", LIMITS.registry.warn_licensed_share),
            ("base model", "base_located_share", LIMITS.registry.warn_base_located_share),
        )
    ),
    ("MODEL_ROW_MISSING", USAGE, rowless, LIMITS.registry.model_row_from_daily_share * 1.001,
     LIMITS.registry.model_row_from_daily_share * 0.999, "mistralai/new"),
    ("TOP_LABS", "share_by_lab_weekly", labs_in_a_week, LIMITS.labs.min_per_week - 1,
     LIMITS.labs.min_per_week, "2026-01-12"),
    ("NO_USAGE", USAGE, "select * from t limit {}".format, 0, 1, "0 rows"),
    ("CATALOGUE_SHRANK", "price_history", open_prices, 1, 0, "was a catalogue cut?"),
    ("PRICE_COVERAGE_FLOOR", COVERAGE, covered, LIMITS.price_coverage.min_monthly_share - 0.0001,
     LIMITS.price_coverage.min_monthly_share, "2026-01-01: 0."),
    ("PRICE_COVERAGE", COVERAGE, covered, LIMITS.price_coverage.warn_monthly_share - 0.0001,
     LIMITS.price_coverage.warn_monthly_share, "2026-01-01: 0."),
    ("STALE_PRICES", COVERAGE, stale, LIMITS.price_freshness.warn_stale_share + 0.0001,
     LIMITS.price_freshness.warn_stale_share, "2026-01-01: 0."),
    ("UNPRICED_SHARE", "share_by_price_band_monthly",
     "select * replace (case when price_band = 'unpriced' then {} else share end as share) from t"
     .format, LIMITS.unpriced.warn_monthly_share + 0.0001, LIMITS.unpriced.warn_monthly_share,
     "have no price"),
    ("SPEND_BAND", "spend_by_lab_weekly",
     changed("list_spend_usd", "list_spend_high_usd + {} * " + CENT), 1, 0, "spend_by_lab_weekly"),
    ("SPEND_BAND", "spend_by_origin_weekly",
     changed("list_spend_usd", "list_spend_low_usd - {} * " + CENT), 1, 0,
     "spend_by_origin_weekly"),
    ("SPEND_BAND", "spend_by_origin_daily",
     changed("spend_share_high", "spend_share - {}"), 2e-9, 0.5e-9,
     "spend_by_origin_daily 2026-01-01"),
    ("SPEND_BAND", "spend_by_origin_daily",
     changed("spend_share_low", "spend_share + {}"), 2e-9, 0.5e-9,
     "spend_by_origin_daily 2026-01-01"),
    ("SPEND_BAND", "spend_by_origin_monthly", changed("priced_tokens", "tokens + {}"), 1, 0,
     "spend_by_origin_monthly 2026-01-01"),
    ("SPEND_BAND", "spend_by_origin_monthly", changed("free_tokens", "priced_tokens + {}"), 1, 0,
     "spend_by_origin_monthly 2026-01-01"),
    ("SPEND_CONSERVED", "spend_by_lab_monthly", changed("tokens", "tokens - {}"), 1, 0,
     "spend_by_lab_monthly 2026-01-01"),
    # Six labs and their total are rounded, each by at most half of a unit.
    ("SPEND_CONSERVED", "spend_by_lab_weekly",
     changed("list_spend_usd", "list_spend_usd + {} * " + CENT), 4, 3, "spend_by_lab_weekly 20"),
    ("SPEND_CONSERVED", "spend_by_origin_weekly",
     changed("spend_share", "spend_share + {}"), 2e-9, 0.5e-9,
     "spend_by_origin_weekly 20"),
    ("PRICE_INDEX_CHAIN", "price_index_monthly", later_index, 2e-6, 0.5e-6,
     "2026-02-01 author_hq US"),
    ("PRICE_INDEX_CHAIN", "price_index_monthly", link_outside, 2e-9, 0.5e-9,
     "2026-02-01 author_hq US"),
    ("PRICE_INDEX_CHAIN", "price_index_monthly",
     "select * replace (mix_change + {} / fisher_link as mix_change) from t".format, 2e-6, 0.5e-6,
     "2026-02-01 author_hq US"),
    ("PRICE_INDEX_JUMP", "price_index_monthly", jump, LIMITS.price_index.warn_factor * 1.001,
     LIMITS.price_index.warn_factor, "moved by a factor of"),
    ("PRICE_INDEX_JUMP", "price_index_monthly", jump, 0.999 / LIMITS.price_index.warn_factor,
     1 / LIMITS.price_index.warn_factor, "moved by a factor of"),
    # Fewer matched models say nothing.
    ("PRICE_INDEX_JUMP", "price_index_monthly", lambda matched: jump(99, matched),
     LIMITS.price_index.from_matched_share, LIMITS.price_index.from_matched_share - 0.0001,
     "moved by a factor of 99"),
    ("PRICE_QUALITY_RATIOS", "price_quality_pairs",
     (QUALITY_ROW + " {}::double as price_ratio, false as claim_90_80").format, 0.250000002,
     0.2500000005, "price_quality_pairs 2026-07-01: CN u/m c/m"),
    ("QUALITY_COVERAGE", "price_quality",
     ("select * from t union all by name select 'openrouter_rankings' as source, "
      "date '2026-07-01' as period_start, 'CN' as origin, date '2026-08-01' as index_read_on, "
      "{}::double as indexed_token_share").format,
     LIMITS.quality.warn_indexed_share - 0.0001, LIMITS.quality.warn_indexed_share,
     "the indices of 2026-08-01 cover 0."),
    ("GATEWAY_DAY_SUM", "gateway_shares_daily", listed, 30.0011, 30.001, "add up to 100.0011"),
    ("GATEWAY_NAMES", "gateway_shares_daily",
     lambda share: listed(30, share=share, identification="'unmapped'"),
     LIMITS.gateway.warn_unmapped_share * 1.001, LIMITS.gateway.warn_unmapped_share, '"A" of its'),
    *(
        ("GATEWAY_COMPARISON", "gateway_comparison_by_origin_weekly",
         lambda off, column=column, by=by: compared(**{column: f"{by} + {off}::double"}),
         2e-9, 0.5e-9, "gateway_comparison_by_origin_weekly 2026-01-12 (tokens)")
        for column, by in (("spread", 0.1), ("spread_low", -0.1), ("spread_high", 0.4))
    ),
    *(
        ("GATEWAY_COMPARISON", "gateway_comparison_by_lab_monthly",
         lambda off, column=column, by=by: compared(
             **{"lab_id": "'a'", column: f"{by} + {off}::double"}),
         1e-15, 0, "gateway_comparison_by_lab_monthly 2026-01-12 (tokens)")
        for column, by in (("mean_share_low", 0.5), ("gateway_share_low", 0.6))
    ),
    ("GATEWAY_SUM", "gateway_comparison_by_lab_weekly",
     lambda off: compared(lab_id="'a'", gateway_share=f"0.6 + {off}::double"), 2e-9, 0.5e-9,
     "gateway_comparison_by_lab_weekly 2026-01-12: gateway_share of"),
    ("GATEWAY_SUM", "gateway_spend_by_lab_weekly",
     lambda off: spent(implied_share=f"0.5 - {off}::double"), 2e-9, 0.5e-9,
     "gateway_spend_by_lab_weekly 2026-01-01: implied_share of"),
    ("GATEWAY_SPEND", "gateway_spend_by_lab_weekly",
     lambda off: spent(implied_minus_measured=f"{off}::double"), 2e-9, 0.5e-9,
     "gateway_spend_by_lab_weekly"),
    ("GATEWAY_SPEND", "gateway_spend_by_lab_weekly",
     lambda off: spent(implied_share_high=f"0.5 - {off}::double"), 2e-9, 0.5e-9,
     "gateway_spend_by_lab_weekly"),
    # With three decimals two shares may miss 1 by 0.001, and three listed ones pass it by 0.0015.
    ("TASK_SHARES", "task_usage", task("classified_token_share"), 0.501001, 0.501,
     "all tags, tokens add up to 1.001001; rounding explains 0.001"),
    ("TASK_SHARES", "task_usage", task("classified_token_share"), 0.498999, 0.499,
     "all tags, tokens add up to 0.99"),
    ("TASK_SHARES", "task_usage", task("classified_usage_share"), 0.501001, 0.501,
     "all tags, requests add up to 1.001001"),
    ("TASK_SHARES", "task_usage", task("classified_usage_share"), 0.498999, 0.499,
     "all tags, requests add up to 0.99"),
    ("TASK_SHARES", "task_usage", task("listed_token_share"), 1.001501, 1.0015,
     "models of math, tokens add up to 1.001501; rounding explains 0.0015"),
    ("TASK_SHARES", "task_usage", task("listed_usage_share"), 1.001501, 1.0015,
     "models of math, requests add up to 1.001501"),
    ("QUARANTINED_ROWS", "quarantine", quarantined, "row", "field",
     "row 3: context_length = '1048576.0'"),
    ("QUARANTINED_FIELDS", "quarantine", quarantined, "field", "row",
     "row 3: context_length = '1048576.0'"),
    ("RULE_SET_BOUNDS", "share_by_rule_set_weekly",
     lambda off: in_first_row(share_high=f"share - {off}", share_low="0"), 2e-9, 0.5e-9,
     "share_by_rule_set_weekly 20"),
    ("RULE_SET_BOUNDS", "share_by_rule_set_weekly", changed("share_low", "share + {}"), 2e-9,
     0.5e-9, "share_by_rule_set_weekly 20"),
    ("RULE_SET_BOUNDS", "share_by_rule_set_monthly", month_share_off, 2e-9, 0.5e-9,
     "share_by_rule_set_monthly 20"),
    ("RULE_SET_TOKENS", "share_by_rule_set_monthly",
     "select * replace (case when rule_set = '{}' then tokens - 1 else tokens end as tokens) from t"
     .format, "all_rows", "top_9", "share_by_rule_set_monthly 2026-01-01"),
]
# fmt: on
# Compared with the previous vintage: here the healthy candidate itself.
WITH_PREVIOUS = {"RESTATEMENT", "CATALOGUE_SHRANK"}
OF_CONTRACTS = {"KEY", "REFERENCE", "VALUE_RANGE", "VALUE_SET", "VALUE_FORM"}
FAILS = {"blocker": "fail", "warning": "warn"}


@pytest.mark.parametrize(
    ("rule", "table", "sql", "named"), POISON, ids=[f"{p[0]}-{i}" for i, p in enumerate(POISON)]
)
def test_poison_is_caught(
    ask: Spoil,
    poison: Callable[[str, str], Path],
    rule: str,
    table: str,
    sql: str,
    named: str,
) -> None:
    of_contract = rule in OF_CONTRACTS
    found = asked_of(poison(table, sql), rule) if of_contract else ask(rule, **{table: sql})
    assert found.outcome == FAILS[SEVERITIES[rule]]
    assert found.failing > 0
    assert any(named in row for row in found.rows), found.rows


@pytest.mark.parametrize(
    ("rule", "table", "make", "beyond", "inside", "named"),
    EDGES,
    ids=[f"{e[0]}-{i}" for i, e in enumerate(EDGES)],
)
def test_what_lies_just_beyond_a_limit_is_caught_and_just_inside_passes(
    ask: Spoil,
    rule: str,
    table: str,
    make: Callable[[Any], str],
    beyond: object,
    inside: object,
    named: str,
) -> None:
    found = ask(rule, rule in WITH_PREVIOUS, **{table: make(beyond)})
    assert found.outcome == FAILS[SEVERITIES[rule]]
    assert any(named in row for row in found.rows), found.rows
    found = ask(rule, rule in WITH_PREVIOUS, **{table: make(inside)})
    assert found.passed, found.rows


def test_values_at_the_ends_of_a_range_are_inside(poison: Callable[[str, str], Path]) -> None:
    ends = in_first_row(share="1::double", share_low="0::double", share_high="1::double")
    found = asked_of(poison(SHARES, ends), "VALUE_RANGE")
    assert found.passed, found.rows


SMALL = {
    "usage_daily": "'s' as source, date '2026-01-01' as usage_date, 'm' as model_permaslug",
    "served_daily": "'s' as source, date '2026-01-01' as usage_date, 'm' as model_permaslug, "
    "'p' as provider_id, 'r' as region",
    "model_names": "'s' as source, 'm' as model_name",
}


@pytest.mark.parametrize("table", SMALL)
def test_a_group_of_a_log_with_few_requests_is_caught(ask: Spoil, table: str) -> None:
    for requests, passes in ((9, False), (10, True)):
        rows = f"select {SMALL[table]}, {requests}::bigint as requests"
        spoilt = {"small_cells": "select 10 as least_requests", table: rows}
        found = ask("SMALL_CELLS", **spoilt)
        assert found.passed is passes, found.rows
        # Without the setting, or of rankings, which count no requests, everything may be small.
        assert ask("SMALL_CELLS", **{table: rows}).passed


def test_every_rule_has_a_poison_and_every_limit_an_edge() -> None:
    beside = {"LEVEL_STEP", "UNREACHABLE_DAY", "SMALL_CELLS"}
    assert {p[0] for p in [*POISON, *EDGES]} | beside == set(SEVERITIES) == set(rule_titles())
    assert [r.code for r in rules() if r.header.judges == "source"] == OF_SOURCES
    with_limits = {r.code for r in rules() if r.header.limits}
    # A day is there or not, and so is a second `other`.
    no_edge = {"MISSING_DAY", "OTHER_ROWS_PER_DAY"}
    assert with_limits - beside - no_edge <= {e[0] for e in EDGES}


def test_every_limit_is_used_by_a_rule() -> None:
    document = LIMITS.document()
    names = {
        f"{section}.{key}"
        for section, keys in document.items()
        if section not in ("known_missing_days", "accepted")
        for key in keys
    }
    # int_days reads them, and no rule judges them.
    in_tables = {"settled_day.hours_after_day", "request_log_day.tolerated_rows_share"}
    used = {name for r in rules() for name in r.header.limits}
    assert used | in_tables == names | {"known_missing_days"}


def accept(monkeypatch: pytest.MonkeyPatch, rule: str, day: str) -> None:
    """Let gate.yml accept a day for one rule."""
    entry = Accepted.model_validate(
        {"rule": rule, "usage_date": day, "reason": "r", "evidence": "https://example.org"}
    )
    with_it = LIMITS.model_copy(update={"accepted": (entry,)})
    monkeypatch.setattr("orchestration.gate.rules.limits", lambda: with_it)


ACCEPTABLE = [r.code for r in rules() if r.header.accepts_days]


def test_only_rules_that_take_it_can_be_accepted() -> None:
    assert sorted(ACCEPTABLE) == sorted(get_args(Accepted.model_fields["rule"].annotation))


@pytest.mark.parametrize("rule", ACCEPTABLE)
def test_an_accepted_day_passes_its_own_rule_and_no_other(
    ask: Spoil, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    spoilt = {p[0]: {p[1]: p[2]} for p in POISON} | {
        e[0]: {e[1]: e[2](e[3])} for e in reversed(EDGES)
    }
    day = "2026-01-01" if rule == "PRICE_COVERAGE_FLOOR" else DAY

    def passes() -> bool:
        return ask(rule, rule in WITH_PREVIOUS, **spoilt[rule]).passed

    assert not passes()
    accept(monkeypatch, rule, day)
    assert passes()
    accept(monkeypatch, rule, "2026-01-21")
    assert not passes()
    accept(monkeypatch, ACCEPTABLE[ACCEPTABLE.index(rule) - 1], day)
    assert not passes()


RULE = """\
-- severity: {severity}
-- title: a rule of a test
-- judged: n
-- {expected}
-- rows: {rows}
-- message: "n is {{n:,}}"
{sql};
"""


@pytest.mark.parametrize(
    ("expected", "rows", "sql", "said"),
    [
        ("max: 1", "any", "select 'x'::integer as n", "Conversion Error"),
        ("max: 1", "any", "select m as n from usage_daily", "Binder Error"),
        ("max: 1", "any", "select null::bigint as n", "n"),
        ("one_of: [true]", "any", "select null::boolean as n", "n"),
        ("max: 1", "any", "select 'nan'::double as n", "n is nan"),
        ("min: 0", "any", "select 'nan'::double as n", "n is nan"),
        ("max: 1", "needed", "select 1 as n where false", NO_ROWS),
        ("max: 1", "any", "select 2 as n", "n is 2"),
        ("max: 1", "any", "select 1 as n where false", ""),
        ("max: 1", "needed", "select 1 as n", ""),
    ],
)
@pytest.mark.parametrize("severity", ["blocker", "warning"])
def test_a_rule_that_cannot_be_judged_fails(
    opened: dict[bool, duckdb.DuckDBPyConnection],
    tmp_path: Path,
    severity: str,
    expected: str,
    rows: str,
    sql: str,
    said: str,
) -> None:
    path = tmp_path / "A_RULE.sql"
    path.write_text(
        RULE.format(severity=severity, expected=expected, rows=rows, sql=sql), encoding="utf-8"
    )
    rule = read_rule(path)
    found = gate.judge(rule, opened[False])
    assert found.outcome == (FAILS[severity] if said else "pass")
    assert said in "".join(found.rows)
    if "Error" not in said:
        assert len(rule.failing_rows(opened[False].cursor())) == found.failing


@pytest.mark.parametrize(
    ("replaced", "by", "said"),
    [
        ("severity: blocker", "severity: severe", "severity: Input should be"),
        ("title:", "titel:", "titel: Extra inputs are not permitted"),
        ("max: 1", "one_off: [1]", "one_off: Extra inputs are not permitted"),
        ("max: 1", "max: limits.labs.min_per_week", "the file uses .'labs.min_per_week'"),
        ("max: 1", "limits: [labs.min_per_week]\n-- max: 1", "lists .'labs.min_per_week'"),
        ("max: 1", "one_of: [1]\n-- max: 1", "expected either one_of, or min, max or both"),
        ("rows: any", "rows: any\n-- accepts_days: true\n-- verified: true", "without limits and"),
        ("title: a", "title: [a", "the header is not YAML"),
        (
            "severity: blocker",
            "severity: warning\n-- judges: source",
            "a warning withholds no source",
        ),
    ],
)
def test_a_header_that_is_wrong_is_named_with_its_file(
    tmp_path: Path, replaced: str, by: str, said: str
) -> None:
    path = tmp_path / "A_RULE.sql"
    text = RULE.format(severity="blocker", expected="max: 1", rows="any", sql="select 1 as n")
    assert replaced in text
    path.write_text(text.replace(replaced, by), encoding="utf-8")
    with pytest.raises(TokenshareError, match=rf"A_RULE\.sql: .*{said}"):
        read_rule(path)


@pytest.mark.parametrize(
    ("replaced", "by", "said"),
    [
        (
            "max_factor:",
            "max_facter:",
            "day_total.max_facter = 2.0: is not a key here",
        ),
        ("  max_factor:", "  #", "day_total.max_factor: is missing"),
        ("labs:", "lab:", "lab: is not a key here; did you mean labs?"),
        ("max_factor: 2.0", "max_factor: 0.5", "day_total.max_factor = 0.5: Input should be"),
        ("neighbors: 7", "neighbors: 7.5", "day_total.neighbors = 7.5: Input should be"),
        ("min_open_ratio: 0.8", "min_open_ratio: 80", "catalogue.min_open_ratio = 80: Input"),
        ("2025-06-15", "June", "known_missing_days.openrouter_rankings.0 = 'June': Input should"),
        (
            "openrouter_rankings:",
            "openrouter:",
            "known_missing_days.openrouter = 'openrouter': ",
        ),
        ("2025-06-15", "2025-06-31", "cannot be read: day is out of range"),
        ("accepted: []", "accepted: {}", "accepted: expected a list"),
        (
            "accepted: []",
            "accepted: [{rule: TOP_LABS, usage_date: 2026-01-31, reason: r, evidence: e}]",
            "TOP_LABS: rule = 'TOP_LABS': Input should be 'MISSING_DAY', 'DAY_TOTAL'",
        ),
        (
            "accepted: []",
            "accepted: [{rule: DAY_TOTAL, usage_date: 2026-01-31, reason: ' ', evidence: e}]",
            "DAY_TOTAL: reason = ' ': String should have at least 1 character",
        ),
        (
            "accepted: []",
            "accepted: [{rule: DAY_TOTAL, reason: r, evidence: e}]",
            "DAY_TOTAL: usage_date: is missing",
        ),
        ("accepted: []", "accepted: [", "cannot be read"),
    ],
)
def test_limits_that_are_wrong_are_named_with_their_file(
    tmp_path: Path, replaced: str, by: str, said: str
) -> None:
    text = LIMITS_FILE.read_text(encoding="utf-8")
    assert replaced in text
    path = tmp_path / "gate.yml"
    path.write_text(text.replace(replaced, by), encoding="utf-8")
    with pytest.raises(TokenshareError) as wrong:
        read(path, Limits)
    assert re.search(rf"gate\.yml:(\d+:)? {re.escape(said)}", str(wrong.value))


def test_an_analyst_runs_every_rule_on_the_database_of_a_vintage(
    healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/operations.md says: in the folder of the vintage, `by_hand.sql` first."""
    monkeypatch.chdir(healthy.parent)
    with duckdb.connect("tokenshare.duckdb", read_only=True) as connection:
        connection.execute((RULES_DIR / "by_hand.sql").read_text(encoding="utf-8"))
        for rule in rules():
            (path,) = RULES_DIR.glob(f"*/{rule.code}.sql")
            connection.execute(path.read_text(encoding="utf-8"))
            assert rule.header.judged in [c[0] for c in connection.description or ()], rule.code
            assert (len(connection.fetchall()) > 0) or rule.header.rows == "any", rule.code


def test_a_landed_dump_that_restates_a_settled_day_and_ends_early_is_refused_by_the_run(
    small: Settings, tmp_path: Path
) -> None:
    """The gate inside a run sees the previous vintage; the file lacks its last two lines."""
    before = small.latest_path.read_bytes()
    factor = 1 + 1.001 * LIMITS.restatement.max_relative_change
    rows = [
        (day, slug, str(int(int(tokens) * factor)) if day == DAY else tokens)
        for day, slug, tokens in builders.feed(builders.days("2026-01-01", 43))
    ]
    later = builders.AS_OF + timedelta(days=1)
    land(builders.write(tmp_path, "later.csv", builders.csv3(rows[:-2])), small, as_of=later)
    said = rf"2 blocker[\s\S]*RESTATEMENT[\s\S]*{DAY}[\s\S]*TAIL_MISSING[\s\S]*2026-02-12"
    with pytest.raises(GateRefusedError, match=said):
        pipeline.run(small)
    assert small.latest_path.read_bytes() == before


OF_SOURCES = [
    "TOP_LABS", "UNMAPPED_SHARE", "DAY_TOTAL", "MISSING_DAY", "REPEATED_DAY", "RESTATEMENT",
    "ROWS_DROP", "TAIL_MISSING", "GATEWAY_DAY_SUM", "CATALOGUE_SHRANK", "PRICE_COVERAGE_FLOOR",
]  # fmt: skip


@pytest.mark.parametrize("rule", OF_SOURCES)
def test_a_failing_row_names_the_source_that_it_judges(ask: Spoil, rule: str) -> None:
    """The same fault in another source beside the healthy one."""
    spoilt = {e[0]: (e[1], e[2](e[3])) for e in reversed(EDGES)} | {p[0]: p[1:3] for p in POISON}
    table, sql = spoilt[rule]
    beside = "from t union all from (select * replace ('x' as source) from {})"
    both = {}
    if rule in WITH_PREVIOUS and table == USAGE:
        both["previous_usage_daily"] = beside.format("t")
    spoiled = beside.format(f"({sql})")
    has_source = rule != "CATALOGUE_SHRANK"
    found = ask(rule, rule in WITH_PREVIOUS, **{table: spoiled if has_source else sql}, **both)
    assert list(found.sources) == (["x"] if has_source else ["openrouter_models"])
    assert [row for rows in found.sources.values() for row in rows] == found.rows


@pytest.mark.parametrize(
    ("rule", "sql", "sources"),
    [
        ("VALUE_RANGE", "select * replace ('x' as source, -1::bigint as tokens) from t", ["x"]),
        ("VALUE_SET", "select * replace (identification || source as identification) from t",
         ["openrouter_rankings"]),
    ],
)  # fmt: skip
def test_a_value_that_breaks_a_contract_names_the_source_of_its_row(
    poison: Callable[[str, str], Path], rule: str, sql: str, sources: list[str]
) -> None:
    found = asked_of(poison(USAGE, f"from t union all by name {sql}"), rule)
    assert list(found.sources) == sources


def test_a_value_in_a_table_without_sources_names_none(poison: Callable[[str, str], Path]) -> None:
    found = asked_of(poison("price_history", in_first_row(price_kind="'per_word'")), "VALUE_SET")
    assert not found.passed
    assert not found.sources


def test_a_gap_is_a_warning_with_its_reason_and_no_missing_day(
    poison: Callable[[str, str], Path],
) -> None:
    folder = poison(USAGE, f"select * from t where usage_date <> date '{DAY}'")
    day = date.fromisoformat(DAY)

    def asked(gap_day: date) -> dict[str, RuleResult]:
        gap = Gap(
            source="openrouter_rankings",
            first_day=gap_day,
            last_day=gap_day,
            reason="no snapshot has it",
            learned_at=builders.AS_OF,
        )
        codes = ["MISSING_DAY", "UNREACHABLE_DAY"]
        return {r.rule: r for r in run_gate(folder, None, (), [gap], only=codes)}

    found = asked(day)
    assert found["MISSING_DAY"].passed
    assert found["UNREACHABLE_DAY"].outcome == "warn"
    assert found["UNREACHABLE_DAY"].rows == [
        f"{DAY}: openrouter_rankings has no row: no snapshot has it"
    ]
    # A gap whose day was landed later excuses nothing else.
    found = asked(day - timedelta(days=1))
    assert found["MISSING_DAY"].outcome == "fail"
    assert found["UNREACHABLE_DAY"].passed


def test_a_withheld_source_is_not_restated(healthy: Path) -> None:
    for absent, rows in (((), 42 * 8), (("openrouter_rankings",), 0)):
        with gate.connect(healthy, healthy, absent) as connection:
            ((found,),) = connection.execute("select count(*) from previous_usage_daily").fetchall()
        assert found == rows


# First new day of the small feed, whose last day is 2026-02-11, factor, and whether it warns.
STEP = LIMITS.level_step
LEVELS = [
    ("2026-02-11", STEP.warn_min_ratio - 0.001, True),
    ("2026-02-11", STEP.warn_min_ratio + 0.001, False),
    ("2026-02-10", STEP.warn_min_ratio - 0.001, True),
    ("2026-02-10", STEP.warn_min_ratio + 0.001, False),
    ("2026-02-09", STEP.warn_min_ratio_of_several_days - 0.001, True),
    ("2026-02-09", STEP.warn_min_ratio_of_several_days + 0.001, False),
    # More than 7 new days: those next to the old ones count.
    ("2026-01-29", STEP.warn_min_ratio_of_several_days - 0.001, True),
    ("2026-01-29", STEP.warn_min_ratio_of_several_days + 0.001, False),
    ("2026-01-29", STEP.warn_max_ratio - 0.001, False),
    ("2026-01-29", STEP.warn_max_ratio + 0.001, True),
]


@pytest.mark.parametrize(("first_day", "factor", "warns"), LEVELS)
def test_new_days_on_another_level_warn(
    ask: Spoil, first_day: str, factor: float, warns: bool
) -> None:
    """The answer of a night, asked with a filter that its days do not show one by one."""
    now = f"{FROM} '{first_day}' then tokens * {factor} {TO}"
    before = f"select * from t where usage_date < date '{first_day}'"
    found = ask("LEVEL_STEP", True, usage_daily=now, previous_usage_daily=before)
    assert found.outcome == ("warn" if warns else "pass"), found.rows
    assert [row[:10] for row in found.rows] == ([first_day] if warns else [])
    # Every day for itself is within the factor that a day may differ by.
    assert ask("DAY_TOTAL", usage_daily=now).passed == (factor < FACTOR)


def test_without_a_vintage_before_a_step_shows_where_the_dump_changes(ask: Spoil) -> None:
    filtered = (
        "select * replace (case when usage_date >= date '2026-02-05' then repeat('b', 64) "
        "else dump_sha256 end as dump_sha256, cast(case when usage_date >= date '2026-02-05' "
        "then tokens * 0.7 else tokens end as bigint) as tokens) from t"
    )
    found = ask("LEVEL_STEP", usage_daily=filtered)
    assert [row[:45] for row in found.rows] == ["2026-02-05 to 2026-02-11, dump bbbbbbbbbbbb: "]


def test_a_filtered_answer_that_replaces_unsettled_days_is_a_step_and_of_settled_ones_no_vintage(
    ask: Spoil,
) -> None:
    unsettled = f"{FROM} '2026-02-09' then tokens * 0.7 {TO}"
    found = ask("LEVEL_STEP", True, usage_daily=unsettled)
    assert [row[:10] for row in found.rows] == ["2026-02-09"]
    assert ask("RESTATEMENT", True, usage_daily=unsettled).passed
    settled = f"{FROM} '{DAY}' then tokens * 0.95 {TO}"
    assert ask("RESTATEMENT", True, usage_daily=settled).outcome == "fail"


def test_a_settled_day_that_keeps_its_total_but_not_its_models_is_a_restatement(
    ask: Spoil,
) -> None:
    swapped = (
        f"select * replace (cast(case when usage_date <> date '{DAY}' then tokens "
        "when model_permaslug = 'openai/gpt-4o' then tokens + 100000000 "
        "when model_permaslug = 'deepseek/deepseek-chat-v3' then tokens - 100000000 "
        "else tokens end as bigint) as tokens) from t"
    )
    found = ask("RESTATEMENT", True, usage_daily=swapped)
    assert [row[:10] for row in found.rows] == [DAY]


def test_an_incomplete_day_is_not_judged_by_its_shape(ask: Spoil) -> None:
    """Its missing rows are in quarantine and it says so; two rules would name it again."""
    cut = (
        f"select * replace (usage_date <> date '{DAY}' as is_complete) from t "
        f"where usage_date <> date '{DAY}' or author in ('deepseek', 'openai')"
    )
    assert ask("ROWS_DROP", usage_daily=cut).passed
    assert ask("TAIL_MISSING", usage_daily=cut).passed


def test_an_incomplete_month_is_not_judged_by_its_prices(ask: Spoil) -> None:
    """January 2026 is complete in the small feed, February is not."""
    for rule in ("PRICE_COVERAGE", "PRICE_COVERAGE_FLOOR", "STALE_PRICES"):
        assert "in 1 rows" in ask(rule).observed


@pytest.mark.parametrize(("read_on", "judged"), [("2026-01-07", True), ("2026-01-08", False)])
def test_a_month_that_began_without_a_catalogue_is_not_stopped_by_its_prices(
    ask: Spoil, read_on: str, judged: bool
) -> None:
    """A first pull after months without one brings days that no catalogue can price any more."""
    prices = (
        f"select * replace (greatest(valid_from, date '{read_on}') as valid_from, "
        "date '2026-02-11' as last_seen_on) from t where valid_to is null"
    )
    found = ask("PRICE_COVERAGE_FLOOR", price_coverage_monthly=covered(0.1), price_history=prices)
    assert found.passed is not judged
    assert not ask("PRICE_COVERAGE", price_coverage_monthly=covered(0.1)).passed


def test_a_lost_settled_day_is_a_restatement(ask: Spoil) -> None:
    lost = "select * from t where usage_date < date '2026-02-01'"
    assert ask("RESTATEMENT", True, usage_daily=lost).failing > 0


def test_the_newest_days_may_still_change(ask: Spoil) -> None:
    """The newest day is 2026-02-11, and the last settled one 2026-02-08 (see EDGES)."""
    restated = f"{FROM} '2026-02-09' then tokens * 1.05 {TO}"
    assert ask("RESTATEMENT", True, usage_daily=restated).passed


def test_a_grain_that_changes_mid_series_names_the_first_days(ask: Spoil) -> None:
    """Trailing 7-day sums in place of daily values, as a real scraper once began to return."""
    found = ask("DAY_TOTAL", usage_daily=f"{FROM} '2026-01-25' then tokens * 7 {TO}")
    assert min(date.fromisoformat(row[:10]) for row in found.rows) == date(2026, 1, 25)


def test_thresholds_hold_on_the_shipped_history_with_room(
    shipped: tuple[Settings, object],
) -> None:
    """The factor must not sit next to what real data does: a quarter of it stays free."""
    _, vintage = shipped
    ratios = next(v for v in vintage.gate_results if v.rule == "DAY_TOTAL").observed
    low, high = float(ratios.split()[2]), float(ratios.split()[4])
    factor = LIMITS.day_total.max_factor
    assert high < 0.75 * factor
    assert low > 1.25 / factor
