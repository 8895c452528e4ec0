"""The gate's rules across rows, days and tables.

A rule is a query that makes a small frame, and one Great Expectations expectation on a column of
that frame. The query does the arithmetic where an analyst can read it; the expectation judges.
What a contract already says of one column is not repeated here: see `gate.contract_terms`.

Views in scope: every published table of the candidate, and `previous_usage_daily` and
`previous_price_history`, the same tables of the vintage before (empty where there is none).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import yaml

from orchestration.claims.config import DEFAULT_RULE_SET, configured
from orchestration.errors import TokenshareError
from orchestration.settings import CONTRACTS_DIR

Severity = Literal["blocker", "warning"]
_SUM_TOLERANCE = 1e-9
# Rules on days, whose findings a human may accept in gate.yml.
ACCEPTABLE = (
    "MISSING_DAY",
    "DAY_TOTAL",
    "RESTATEMENT",
    "ROWS_DROP",
    "TAIL_MISSING",
    "PRICE_COVERAGE_FLOOR",
)


@dataclass(frozen=True)
class Rule:
    """One named rule. `message` is formatted with the columns of a failing row."""

    code: str
    severity: Severity
    title: str
    sql: str
    expectation: str
    arguments: dict[str, Any]
    message: str


@cache
def thresholds() -> dict[str, Any]:
    """`data_contracts/gate.yml`.

    Raises TokenshareError for an accepted row that names no such rule or gives no reason.
    """
    document: dict[str, Any] = yaml.safe_load(
        (CONTRACTS_DIR / "gate.yml").read_text(encoding="utf-8")
    )
    for entry in document["accepted"]:
        missing = {"rule", "usage_date", "reason", "evidence"} - entry.keys()
        if missing or entry["rule"] not in ACCEPTABLE:
            raise TokenshareError(
                f"data_contracts/gate.yml: accepted: {entry}: needs rule (one of "
                f"{', '.join(ACCEPTABLE)}), usage_date, reason and evidence"
            )
    return document


def _values(rows: list[str]) -> str:
    """A relation with one row per known tuple, empty where there is none."""
    body = ", ".join(rows) if rows else "('', date '1970-01-01')"
    return f"(values {body}) as known (source, usage_date)"


def _accepted(code: str) -> str:
    """SQL condition that leaves out the days that a human has accepted for this rule."""
    days = [
        f"date '{entry['usage_date']}'"
        for entry in thresholds()["accepted"]
        if entry["rule"] == code
    ]
    return f"usage_date not in ({', '.join(days)})" if days else "true"


# Lenses under which every share table exists; serving_hq only where a source names providers.
_LENSES = {
    "origin": ("author_hq", "base_lineage"),
    "lab": ("author_hq", "base_lineage"),
    "license": ("author_hq",),
    "price_band": ("author_hq",),
}
_DAY_TOTALS = "select source, usage_date, sum(tokens) as total_tokens from {} group by all"


def _share_tables() -> Iterator[tuple[str, str]]:
    for subject in _LENSES:
        for grain in ("daily", "weekly", "monthly"):
            yield f"share_by_{subject}_{grain}", grain


def _share_rules() -> Iterator[Rule]:
    bounds = " union all ".join(
        f"select '{name}' as table_name, source, period_start, tokens, total_tokens, share, "
        f"share_low, share_high, "
        f"share_low <= share and share <= share_high "
        f"and abs(share - tokens / total_tokens) <= {_SUM_TOLERANCE} as ok from {name}"
        for name, _ in _share_tables()
    )
    yield Rule(
        "SHARE_BOUNDS",
        "blocker",
        "share_low ≤ share = tokens / total_tokens ≤ share_high in every share table",
        # One row per table keeps the frame small; a table with bad rows shows each of them.
        f"""
        with judged as ({bounds})
        select table_name, cast(null as date) as period_start, 0.0 as share_low, 0.0 as share,
            0.0 as share_high, true as ok
        from judged group by table_name having bool_and(coalesce(ok, false))
        union all
        select table_name, period_start, share_low, share, share_high, coalesce(ok, false)
        from judged where not coalesce(ok, false)
        """,
        "ExpectColumnValuesToBeInSet",
        {"column": "ok", "value_set": [True]},
        "{table_name} {period_start}: low {share_low}, share {share}, high {share_high}",
    )
    sums = " union all ".join(
        f"select '{name}' as table_name, source, period_start, lens, sum(share) as sum_of_shares, "
        f"sum(tokens) as tokens, max(total_tokens) as total_tokens from {name} group by all"
        for name, _ in _share_tables()
    )
    yield Rule(
        "SHARE_SUM",
        "blocker",
        "shares of one period and lens add up to 1",
        sums + " union all select 'identification_daily', source, usage_date, 'all', sum(share), "
        "sum(tokens), max(total_tokens) from identification_daily group by all",
        "ExpectColumnValuesToBeBetween",
        {
            "column": "sum_of_shares",
            "min_value": 1 - _SUM_TOLERANCE,
            "max_value": 1 + _SUM_TOLERANCE,
        },
        "{table_name} {period_start} ({lens}): shares add up to {sum_of_shares}",
    )
    conserved = " union all ".join(
        f"""select '{name}' as table_name, source, period_start, lens,
            sum(tokens) - any_value(usage_tokens) as lost_tokens
        from {name}
        left join (
            select source, cast(date_trunc('{unit}', usage_date) as date) as period_start,
                sum(tokens) as usage_tokens
            from usage_daily group by all
        ) using (source, period_start)
        group by all"""
        for (name, grain) in _share_tables()
        for unit in [{"daily": "day", "weekly": "week", "monthly": "month"}[grain]]
    )
    yield Rule(
        "TOKENS_CONSERVED",
        "blocker",
        "every share table counts the tokens of usage_daily, to the last one",
        # A period that is missing from a share table shows as one that lost all of its tokens.
        f"""
        with conserved as ({conserved}),
        totals as (
            select table_name, sum(lost_tokens) as lost_tokens, count(*) as periods
            from conserved group by all
        ),
        expected as (
            {
            " union all ".join(
                f"select '{n}' as table_name, (select sum(tokens) from usage_daily) as tokens, "
                f"(select sum(tokens) from {n} where lens = '{lens}') as found"
                for n, _ in _share_tables()
                for lens in _LENSES[n.removeprefix("share_by_").rsplit("_", 1)[0]]
            )
        }
        )
        select table_name, cast(period_start as varchar) as period_start,
            coalesce(lost_tokens, 1) as lost_tokens
        from conserved where lost_tokens is distinct from 0
        union all
        select table_name, 'all periods', cast(coalesce(found, 0) - tokens as hugeint)
        from expected
        """,
        "ExpectColumnValuesToBeInSet",
        {"column": "lost_tokens", "value_set": [0]},
        "{table_name} {period_start}: differs from usage_daily by {lost_tokens} tokens",
    )


def _day_rules() -> Iterator[Rule]:
    limits = thresholds()
    known = [
        f"('{source}', date '{day}')"
        for source, days in limits["known_missing_days"].items()
        for day in days
    ]
    yield Rule(
        "MISSING_DAY",
        "blocker",
        "no day is missing inside the window but those that the source never published",
        f"""
        with present as (select distinct source, usage_date from usage_daily),
        ends as (
            select source, min(usage_date) as first_day, max(usage_date) as last_day
            from present group by all
        ),
        calendar as (
            select
                source,
                cast(unnest(generate_series(first_day, last_day, interval 1 day)) as date)
                    as usage_date
            from ends
        ),
        known as (select * from {_values(known)})
        select calendar.source, calendar.usage_date,
            present.usage_date is not null or known.usage_date is not null as explained
        from calendar
        left join present using (source, usage_date)
        left join known using (source, usage_date)
        where {_accepted("MISSING_DAY").replace("usage_date", "calendar.usage_date")}
        """,
        "ExpectColumnValuesToBeInSet",
        {"column": "explained", "value_set": [True]},
        "{usage_date}: no row of {source}",
    )
    day = limits["day_total"]
    yield Rule(
        "DAY_TOTAL",
        "blocker",
        f"every day's total lies within a factor of {day['max_factor']} of the median of the "
        f"{day['neighbors']} days before it (the days after it, at the start of the window)",
        f"""
        with totals as ({_DAY_TOTALS.format("usage_daily")}),
        numbered as (
            select *, row_number() over (partition by source order by usage_date) as n from totals
        ),
        compared as (
            select
                day.source, day.usage_date, day.total_tokens,
                median(neighbor.total_tokens) as neighbors_median
            from numbered as day
            left join numbered as neighbor
                on day.source = neighbor.source
                and case
                    when day.n > {day["min_neighbors"]}
                        then neighbor.n between day.n - {day["neighbors"]} and day.n - 1
                    else neighbor.n between day.n + 1 and day.n + {day["neighbors"]}
                end
            group by all
        )
        select source, usage_date, total_tokens,
            cast(neighbors_median as bigint) as neighbors_median,
            total_tokens / nullif(neighbors_median, 0) as ratio
        from compared
        where neighbors_median is not null and {_accepted("DAY_TOTAL")}
        """,
        "ExpectColumnValuesToBeBetween",
        {
            "column": "ratio",
            "min_value": 1 / day["max_factor"],
            "max_value": day["max_factor"],
        },
        "{usage_date}: {total_tokens:,} tokens are {ratio:.3g} times the median of the neighboring "
        "days ({neighbors_median:,})",
    )
    restated = limits["restatement"]
    yield Rule(
        "RESTATEMENT",
        "blocker",
        f"days settled for {restated['settled_after_days']} days moved by at most "
        f"{restated['max_relative_change']:.1%} since the previous vintage, model by model",
        f"""
        with newest as (
            select source, max(usage_date) as newest_day, min(usage_date) as oldest_day
            from previous_usage_daily group by all
        ),
        compared as (
            select source, usage_date,
                coalesce(before.tokens, 0) as tokens_before, coalesce(now.tokens, 0) as tokens_now
            from previous_usage_daily as before
            full outer join usage_daily as now using (source, usage_date, model_permaslug)
        )
        select source, usage_date, sum(tokens_before) as tokens_before,
            sum(tokens_now) as tokens_now,
            sum(abs(tokens_now - tokens_before)) / nullif(sum(tokens_before), 0)
                as relative_change
        from compared
        inner join newest using (source)
        where usage_date between oldest_day and newest_day - {restated["settled_after_days"]}
            and {_accepted("RESTATEMENT")}
        group by all
        having sum(tokens_before) > 0
        """,
        "ExpectColumnValuesToBeBetween",
        {"column": "relative_change", "max_value": restated["max_relative_change"]},
        "{usage_date}: {tokens_before:,} tokens in the previous vintage, {tokens_now:,} now "
        "({relative_change:.3g} of them moved)",
    )
    level = limits["level_step"]
    yield Rule(
        "LEVEL_STEP",
        "warning",
        f"new days of one dump have {level['warn_min_ratio']} "
        f"({level['warn_min_ratio_of_several_days']} from {level['several_days']} days on) to "
        f"{level['warn_max_ratio']} times the tokens of the same weekdays in the "
        f"{level['days_before']} days before them",
        # New is what the previous vintage does not have, or had with other tokens before the day
        # was settled. Days in a row from one dump are one window: without a vintage before, a step
        # shows where the dump changes.
        f"""
        with days as (
            select source, usage_date, any_value(dump_sha256) as dump_sha256,
                sum(tokens) as total_tokens
            from usage_daily group by all
        ),
        before as ({_DAY_TOTALS.format("previous_usage_daily")}),
        new_days as (
            select days.*, usage_date - cast(
                row_number() over (partition by source, dump_sha256 order by usage_date) as integer
            ) as in_a_row
            from days
            left join before using (source, usage_date)
            where before.total_tokens is null
                or abs(days.total_tokens - before.total_tokens)
                    > {restated["max_relative_change"]} * before.total_tokens
        ),
        windows as (
            select *, min(usage_date) over (partition by source, dump_sha256, in_a_row) as first_day
            from new_days
        ),
        compared as (
            select windows.source, windows.dump_sha256, windows.first_day, windows.usage_date,
                windows.total_tokens, median(usual.total_tokens) as usual_tokens
            from windows
            inner join days as usual
                on windows.source = usual.source
                and usual.usage_date between
                    windows.first_day - {level["days_before"]} and windows.first_day - 1
                and dayofweek(usual.usage_date) = dayofweek(windows.usage_date)
            where windows.usage_date < windows.first_day + {level["days"]}
            group by all
            having count(*) >= {level["min_weekdays_before"]}
        ),
        levels as (
            select source, dump_sha256, first_day, max(usage_date) as last_day,
                count(*) as days, median(total_tokens / nullif(usual_tokens, 0)) as ratio
            from compared group by source, dump_sha256, first_day
        )
        select *, ratio <= {level["warn_max_ratio"]} and ratio >= case
            when days >= {level["several_days"]} then {level["warn_min_ratio_of_several_days"]}
            else {level["warn_min_ratio"]}
        end as ok
        from levels
        """,
        "ExpectColumnValuesToBeInSet",
        {"column": "ok", "value_set": [True]},
        "{first_day} to {last_day}, dump {dump_sha256:.12}: {ratio:.3g} times the tokens of the "
        "same weekdays before; was it asked with a filter (modality, context_bucket, category)?",
    )
    rows = limits["rows_per_day"]
    per_day = """
        select source, usage_date, count(*) as rows,
            count(*) filter (where model_permaslug = 'other') as other_rows
        from usage_daily where source = 'openrouter_rankings' group by all
    """
    yield Rule(
        "ROWS_PER_DAY",
        "blocker",
        f"at most {rows['max_rows']} rows a day",
        per_day,
        "ExpectColumnValuesToBeBetween",
        {"column": "rows", "min_value": 1, "max_value": rows["max_rows"]},
        "{usage_date}: {rows} rows",
    )
    yield Rule(
        "OTHER_ROWS_PER_DAY",
        "blocker",
        f"at most {rows['max_other_rows']} row `other` a day",
        per_day,
        "ExpectColumnValuesToBeBetween",
        {"column": "other_rows", "max_value": rows["max_other_rows"]},
        "{usage_date}: {other_rows} rows `other`",
    )

    # A dump that was cut short loses its last rows, and with them the tail: the day would look
    # identified. Days that are marked incomplete already say so and are not judged.
    shapes = """
        with days as (
            select source, usage_date, bool_and(is_complete) as is_complete, count(*) as rows,
                count(*) filter (where identification = 'tail') as tail_rows,
                sum(tokens) filter (where identification = 'tail') / sum(tokens) as tail_share
            from usage_daily group by all
        ),
        compared as (
            select *,
                median(rows) over before as rows_before,
                min(tail_rows) over before as tail_rows_before,
                median(tail_share) over before as tail_share_before
            from days
            window before as (
                partition by source order by usage_date rows between 7 preceding and 1 preceding
            )
        )
    """
    shape = limits["day_shape"]
    yield Rule(
        "ROWS_DROP",
        "blocker",
        f"no complete day has less than {shape['min_rows_ratio']:.0%} of the rows of the days "
        "before it",
        f"""
        {shapes}
        select source, usage_date, rows, rows_before, rows / rows_before as rows_ratio
        from compared where is_complete and rows_before is not null and {_accepted("ROWS_DROP")}
        """,
        "ExpectColumnValuesToBeBetween",
        {"column": "rows_ratio", "min_value": shape["min_rows_ratio"]},
        "{usage_date}: {rows} rows, the days before it have {rows_before:g}",
    )
    yield Rule(
        "TAIL_MISSING",
        "blocker",
        "no complete day lacks the row `other` where the days before it have it",
        f"""
        {shapes}
        select source, usage_date, tail_rows >= least(tail_rows_before, 1) as ok
        from compared
        where is_complete and tail_rows_before is not null and {_accepted("TAIL_MISSING")}
        """,
        "ExpectColumnValuesToBeInSet",
        {"column": "ok", "value_set": [True]},
        "{usage_date}: no row `other`; was the dump cut short?",
    )
    yield Rule(
        "TAIL_SHARE",
        "warning",
        f"the share of `other` lies within a factor of {shape['warn_tail_factor']} of the days "
        "before it",
        f"""
        {shapes}
        select source, usage_date, tail_share, tail_share_before,
            tail_share / tail_share_before as tail_ratio
        from compared where tail_share > 0 and tail_share_before > 0
        """,
        "ExpectColumnValuesToBeBetween",
        {
            "column": "tail_ratio",
            "min_value": 1 / shape["warn_tail_factor"],
            "max_value": shape["warn_tail_factor"],
        },
        "{usage_date}: `other` holds {tail_share:.2%}, on the days before {tail_share_before:.2%}",
    )


def _attribution_rules() -> Iterator[Rule]:
    limits = thresholds()
    unmapped_weeks = """
        with weeks as (
            select source, cast(date_trunc('week', usage_date) as date) as week, author,
                sum(tokens) as tokens,
                sum(tokens) filter (where identification = 'unmapped') as unmapped_tokens
            from usage_daily group by all
        )
        select source, week,
            coalesce(sum(unmapped_tokens), 0) / sum(tokens) as unmapped_share,
            coalesce(
                string_agg(author, ', ' order by unmapped_tokens desc, author)
                    filter (where unmapped_tokens > 0),
                'none'
            ) as authors
        from weeks group by source, week order by source, week
    """
    yield Rule(
        "UNMAPPED_SHARE",
        "blocker",
        f"unmapped authors hold at most {limits['unmapped']['max_weekly_share']:.0%} of a week",
        unmapped_weeks,
        "ExpectColumnValuesToBeBetween",
        {"column": "unmapped_share", "max_value": limits["unmapped"]["max_weekly_share"]},
        "week of {week}: unmapped authors hold {unmapped_share:.4f} of all tokens: {authors}",
    )
    yield Rule(
        "UNMAPPED_AUTHORS",
        "warning",
        f"unmapped authors hold at most {limits['unmapped']['warn_weekly_share']:.0%} of a week",
        unmapped_weeks,
        "ExpectColumnValuesToBeBetween",
        {"column": "unmapped_share", "max_value": limits["unmapped"]["warn_weekly_share"]},
        "week of {week}: unmapped authors hold {unmapped_share:.4f} of all tokens: {authors}",
    )
    coverage = limits["registry"]
    kinds = {
        "lab": ("attributed_share", coverage["warn_attributed_share"]),
        "license class": ("licensed_share", coverage["warn_licensed_share"]),
        "base model": ("base_located_share", coverage["warn_base_located_share"]),
    }
    # Never a blocker: a new model without a row widens the bounds, which is said and is no error.
    yield Rule(
        "REGISTRY_COVERAGE",
        "warning",
        "of the tokens outside tail, routers and stealth models the registry knows "
        + ", ".join(f"the {kind} of at least {low:.0%}" for kind, (_, low) in kinds.items()),
        " union all ".join(
            f"select source, period_start, '{kind}' as kind, {column} as known_share, "
            f"{low} as bound, {column} >= {low} as ok "
            "from registry_coverage_monthly where named_tokens > 0"
            for kind, (column, low) in kinds.items()
        ),
        "ExpectColumnValuesToBeInSet",
        {"column": "ok", "value_set": [True]},
        "month of {period_start}: the {kind} of {known_share:.2%} is known, expected {bound:.0%}",
    )
    yield Rule(
        "MODEL_ROW_MISSING",
        "warning",
        f"every model that held {coverage['model_row_from_daily_share']:.1%} of a day has a row "
        "in the registry",
        f"""
        with days as (
            select source, usage_date, sum(tokens) as total_tokens from usage_daily group by all
        ),
        shares as (
            select source, base_slug, max(day_tokens / total_tokens) as largest_share
            from (
                select source, usage_date, base_slug, sum(tokens) as day_tokens
                from usage_daily where identification not in ('tail', 'router') group by all
            )
            inner join days using (source, usage_date)
            group by all
        ),
        known as (select distinct base_slug, true as ok from registry_models)
        select source, base_slug, largest_share, coalesce(ok, false) as ok
        from shares left join known using (base_slug)
        where largest_share >= {coverage["model_row_from_daily_share"]}
        """,
        "ExpectColumnValuesToBeInSet",
        {"column": "ok", "value_set": [True]},
        "{base_slug}: held up to {largest_share:.3%} of a day and has no row in models.csv",
    )
    yield Rule(
        "TOP_LABS",
        "blocker",
        f"every week has at least {limits['labs']['min_per_week']} labs with tokens",
        """
        select source, period_start, count(*) filter (
            where lab_id <> 'unidentified' and tokens > 0
        ) as labs
        from share_by_lab_weekly where lens = 'author_hq' group by all
        """,
        "ExpectColumnValuesToBeBetween",
        {"column": "labs", "min_value": limits["labs"]["min_per_week"]},
        "week of {period_start}: {labs} labs with tokens",
    )
    yield Rule(
        "NO_USAGE",
        "blocker",
        "there is something to publish",
        "select count(*) as rows from usage_daily",
        "ExpectColumnValuesToBeBetween",
        {"column": "rows", "min_value": 1},
        "usage_daily has {rows} rows",
    )
    yield Rule(
        "PRICE_OVERLAP",
        "blocker",
        "no two prices of one model and kind hold on the same day",
        """
        with ordered as (
            select *, lead(valid_from) over (
                partition by model_permaslug, price_kind order by valid_from
            ) as next_from
            from price_history
        )
        select model_permaslug, price_kind, valid_from, valid_to, next_from, false as ok
        from ordered
        where not coalesce(
            (valid_to is null or valid_from < valid_to)
            and (next_from is null or valid_to <= next_from), false)
        """,
        "ExpectColumnValuesToBeInSet",
        {"column": "ok", "value_set": [True]},
        "{model_permaslug} {price_kind}: {valid_from} to {valid_to}, next from {next_from}",
    )
    catalogue = limits["catalogue"]
    open_prices = (
        "select count(distinct model_permaslug) as models from {} "
        "where valid_to is null and price_kind = 'prompt'"
    )
    yield Rule(
        "CATALOGUE_SHRANK",
        "blocker",
        f"at least {catalogue['min_open_ratio']:.0%} as many models have a price that holds as in "
        "the previous vintage",
        f"""
        with before as ({open_prices.format("previous_price_history")}),
        now as ({open_prices.format("price_history")})
        select before.models as models_before, now.models as models_now,
            now.models / before.models as ratio
        from before cross join now where before.models > 0
        """,
        "ExpectColumnValuesToBeBetween",
        {"column": "ratio", "min_value": catalogue["min_open_ratio"]},
        "{models_before} models had a price that holds, now {models_now}: was a catalogue cut?",
    )
    coverage = limits["price_coverage"]
    covered_months = """
        select source, period_start as usage_date, attributed_tokens - priced_attributed_tokens
            as unpriced_tokens, priced_attributed_tokens / attributed_tokens as priced_share
        from price_coverage_monthly where is_complete and attributed_tokens > 0
    """
    yield Rule(
        "PRICE_COVERAGE_FLOOR",
        "blocker",
        f"at least {coverage['min_monthly_share']:.0%} of the attributed tokens of a complete "
        "month before the newest catalogue have a price on their day",
        # Months after it bring models that no landed catalogue can price: a warning, no stop.
        f"""
        with catalogue as (
            select max(greatest(valid_from, coalesce(valid_to, valid_from))) as newest_day
            from price_history
            where price_source in ('openrouter_models', 'openrouter_catalogue')
        )
        select months.* from ({covered_months}) as months
        inner join catalogue on last_day(months.usage_date) <= catalogue.newest_day
        where {_accepted("PRICE_COVERAGE_FLOOR")}
        """,
        "ExpectColumnValuesToBeBetween",
        {"column": "priced_share", "min_value": coverage["min_monthly_share"]},
        "month of {usage_date}: {priced_share:.4f} of the attributed tokens have a price; land the "
        "catalogue /api/v1/models of these days",
    )
    yield Rule(
        "PRICE_COVERAGE",
        "warning",
        f"at least {coverage['warn_monthly_share']:.0%} of a complete month's attributed tokens "
        "have a price on their day",
        covered_months,
        "ExpectColumnValuesToBeBetween",
        {"column": "priced_share", "min_value": coverage["warn_monthly_share"]},
        "month of {usage_date}: {priced_share:.4f} of the attributed tokens have a price, "
        "{unpriced_tokens:,} have none; model_match says which models",
    )
    freshness = limits["price_freshness"]
    yield Rule(
        "STALE_PRICES",
        "warning",
        f"at most {freshness['warn_stale_share']:.0%} of a complete month's priced tokens rest on "
        f"prices that were last seen more than {freshness['fresh_days']} days before",
        """
        select source, period_start, priced_tokens, priced_stale_tokens,
            priced_stale_tokens / priced_tokens as stale_share
        from price_coverage_monthly where is_complete and priced_tokens > 0
        """,
        "ExpectColumnValuesToBeBetween",
        {"column": "stale_share", "max_value": freshness["warn_stale_share"]},
        "month of {period_start}: {stale_share:.4f} of the priced tokens rest on stale prices "
        "({priced_stale_tokens:,} of {priced_tokens:,}); land the catalogue /api/v1/models",
    )
    yield Rule(
        "UNPRICED_SHARE",
        "warning",
        f"tokens without a price hold at most {limits['unpriced']['warn_monthly_share']:.0%} "
        "of a month",
        """
        select source, period_start, coalesce(sum(share) filter (where price_band = 'unpriced'), 0)
            as unpriced_share
        from share_by_price_band_monthly group by all
        """,
        "ExpectColumnValuesToBeBetween",
        {"column": "unpriced_share", "max_value": limits["unpriced"]["warn_monthly_share"]},
        "month of {period_start}: {unpriced_share:.4f} of all tokens have no price",
    )
    yield Rule(
        "INCOMPLETE_DAY",
        "warning",
        "no published day lost rows to quarantine",
        "select distinct source, usage_date, is_complete from usage_daily",
        "ExpectColumnValuesToBeInSet",
        {"column": "is_complete", "value_set": [True]},
        "{usage_date}: rows of this day are in quarantine",
    )
    quarantined = (
        "select dump_sha256, row_number, code, field, value, expected, false as ok "
        "from quarantine where scope = '{}'"
    )
    yield Rule(
        "QUARANTINED_ROWS",
        "warning",
        "no landed dump has rows in quarantine",
        quarantined.format("row"),
        "ExpectColumnValuesToBeInSet",
        {"column": "ok", "value_set": [True]},
        "dump {dump_sha256:.12} row {row_number}: {field} = {value!r}: {code}, expected {expected}",
    )
    yield Rule(
        "QUARANTINED_FIELDS",
        "warning",
        "every field of every row that counts was believed",
        quarantined.format("field"),
        "ExpectColumnValuesToBeInSet",
        {"column": "ok", "value_set": [True]},
        "dump {dump_sha256:.12} row {row_number}: {field} = {value!r}: {code}, expected "
        "{expected}; the row counts without it",
    )


def _task_rules() -> Iterator[Rule]:
    """Warnings only: an answer that does not add up is published as it was given, and said so."""
    yield Rule(
        "TASK_SHARES",
        "warning",
        "shares of task tags add up to 1, and those of the models listed under a tag to no more, "
        "but for the rounding of each share",
        f"""
        with sums as (
            select window_end, window_days, 'all tags, tokens' as what, count(*) as shares,
                any_value(share_rounding) as share_rounding, sum(token_share) as sum_of_shares,
                true as is_whole
            from task_usage group by all
            union all
            select window_end, window_days, 'all tags, requests', count(*),
                any_value(share_rounding), sum(usage_share), true
            from task_usage group by all
            union all
            select window_end, window_days, 'models of ' || tag || ', tokens', models_listed,
                share_rounding, listed_token_share, false
            from task_usage
            union all
            select window_end, window_days, 'models of ' || tag || ', requests', models_listed,
                share_rounding, listed_usage_share, false
            from task_usage
        ),
        judged as (
            select *, shares * share_rounding as slack from sums
        )
        select *, sum_of_shares <= 1 + slack + {_SUM_TOLERANCE}
            and (not is_whole or sum_of_shares >= 1 - slack - {_SUM_TOLERANCE}) as ok
        from judged
        """,
        "ExpectColumnValuesToBeInSet",
        {"column": "ok", "value_set": [True]},
        "{window_days} days to {window_end}: shares of {what} add up to {sum_of_shares:.6f}; "
        "rounding explains {slack:.6g}",
    )
    yield Rule(
        "TASK_TAG_UNMAPPED",
        "warning",
        "every task tag of the newest window has a row in the seed use_map",
        """
        select window_end, tag, macro_category, use, token_share, has_map_row
        from task_usage qualify window_end = max(window_end) over ()
        """,
        "ExpectColumnValuesToBeInSet",
        {"column": "has_map_row", "value_set": [True]},
        "{tag} ({macro_category}) holds {token_share:.2%} of classified tokens in the window to "
        "{window_end} and counts to {use!r}: it needs a row in use_map.csv",
    )


def _claim_rules() -> Iterator[Rule]:
    # Means of weeks have no tokens / total_tokens of their own; where unidentified tokens are left
    # out of the denominator, the bounds are of another share than the point.
    bounds = " union all ".join(
        f"""
        select '{name}' as table_name, rule_set, window_kind, group_name, period_start, share_low,
            share, share_high,
            share_low <= share + {_SUM_TOLERANCE} and share_low <= share_high
            and (universe in ('identified_only', 'labs') or share <= share_high + {_SUM_TOLERANCE})
            and (
                window_kind = 'month_mean_of_weeks' or total_tokens = 0
                or abs(share - tokens / total_tokens) <= {_SUM_TOLERANCE}
            ) as ok
        from {name}
        """
        for name in ("share_by_rule_set_weekly", "share_by_rule_set_monthly")
    )
    yield Rule(
        "RULE_SET_BOUNDS",
        "blocker",
        "share_low ≤ share = tokens / total_tokens ≤ share_high under every rule set",
        f"""
        with judged as ({bounds})
        select table_name, 'any' as rule_set, 'any' as group_name, cast(null as date)
            as period_start, 0.0 as share_low, 0.0 as share, 0.0 as share_high, true as ok
        from judged group by table_name having bool_and(coalesce(ok, false))
        union all
        select table_name, rule_set, group_name, period_start, share_low, share, share_high,
            coalesce(ok, false)
        from judged where not coalesce(ok, false)
        """,
        "ExpectColumnValuesToBeInSet",
        {"column": "ok", "value_set": [True]},
        "{table_name} {period_start}, {rule_set}, {group_name}: low {share_low}, share {share}, "
        "high {share_high}",
    )
    conserved = " union all ".join(
        f"""
        select '{name}' as table_name, source, period_start, sum(usage_tokens) as usage_tokens,
            sum(tokens) as tokens
        from (
            select source, cast(date_trunc('{unit}', usage_date) as date) as period_start,
                sum(tokens) as usage_tokens
            from usage_daily group by all
        )
        full outer join (
            select source, period_start, tokens from {name}
            where rule_set = '{DEFAULT_RULE_SET}' and group_name = 'all' and window_kind = '{kind}'
        ) using (source, period_start)
        group by all
        """
        for name, unit, kind in (
            ("share_by_rule_set_weekly", "week", "iso_week"),
            ("share_by_rule_set_monthly", "month", "month_sum"),
        )
    )
    yield Rule(
        "RULE_SET_TOKENS",
        "blocker",
        f"rule set {DEFAULT_RULE_SET} counts the tokens of usage_daily, to the last one",
        f"""
        select table_name, source, period_start, usage_tokens, tokens,
            usage_tokens is not distinct from tokens as ok
        from ({conserved})
        """,
        "ExpectColumnValuesToBeInSet",
        {"column": "ok", "value_set": [True]},
        "{table_name} {period_start}: {tokens} tokens, usage_daily has {usage_tokens}",
    )
    # One more than there are, so that no claims at all are a relation too.
    listed = ", ".join(f"('{name}')" for name in ["", *(c.claim_id for c in configured()[1])])
    yield Rule(
        "CLAIM_VERDICTS",
        "blocker",
        "every configured claim has a verdict, and no other has",
        f"""
        with configured as (
            select * from (values {listed}) as listed (claim_id) where claim_id <> ''
        )
        select claim_id, configured.claim_id is not null as is_configured,
            coalesce(claims.verdict, 'none') as verdict,
            configured.claim_id is not null and claims.verdict is not null as ok
        from configured full outer join claims using (claim_id)
        """,
        "ExpectColumnValuesToBeInSet",
        {"column": "ok", "value_set": [True]},
        "{claim_id}: verdict {verdict}, configured: {is_configured}",
    )


def _judged(relations: dict[str, str], condition: str, shown: str) -> str:
    """A frame of one row per table, or of each of its rows that break the condition."""
    # In words only what breaks it: to write decimals out takes longer than to compare them.
    rows = " union all ".join(
        f"select '{name}' as table_name, period_start, coalesce({condition}, false) as ok, "
        f"case when ok then '' else {shown} end as shown from {relation}"
        for name, relation in relations.items()
    )
    return f"""
        with judged as ({rows})
        select table_name, cast(null as date) as period_start, '' as shown, true as ok
        from judged group by table_name having bool_and(ok)
        union all
        select table_name, period_start, shown, ok from judged where not ok
    """


def _money_rules() -> Iterator[Rule]:
    limits = thresholds()
    grains = {"daily": "day", "weekly": "week", "monthly": "month"}
    spend_tables = {f"spend_by_{s}_{g}": u for s in ("origin", "lab") for g, u in grains.items()}
    yield Rule(
        "SPEND_BAND",
        "blocker",
        "in every spend table low ≤ blend ≤ high, of dollars and of shares, and free ≤ priced ≤ "
        "all tokens",
        _judged(
            {name: name for name in spend_tables},
            f"""
            list_spend_low_usd <= list_spend_usd and list_spend_usd <= list_spend_high_usd
            and share_low <= share + {_SUM_TOLERANCE} and share <= share_high + {_SUM_TOLERANCE}
            and free_tokens <= priced_tokens and priced_tokens <= tokens
            """,
            "concat_ws(' ', lens, origin, list_spend_low_usd, list_spend_usd, list_spend_high_usd, "
            "share_low, share, share_high, free_tokens, priced_tokens, tokens)",
        ),
        "ExpectColumnValuesToBeInSet",
        {"column": "ok", "value_set": [True]},
        "{table_name} {period_start}: {shown}",
    )
    sums = " union all ".join(
        f"""select '{name}' as table_name, usage.source, usage.period_start, lenses.lens,
            usage.tokens, coalesce(found.tokens, 0) as found_tokens,
            coalesce(found.tokens = usage.tokens and found.usd_off <= {_SUM_TOLERANCE}
                and found.share_off <= {_SUM_TOLERANCE}, false) as ok
        from (
            select source, cast(date_trunc('{unit}', usage_date) as date) as period_start,
                sum(tokens) as tokens
            from usage_daily group by all
        ) as usage
        cross join (values ('author_hq'), ('base_lineage')) as lenses (lens)
        left join (
            select source, period_start, lens, sum(tokens) as tokens,
                abs(sum(list_spend_usd) - any_value(total_list_spend_usd)) as usd_off,
                case when any_value(total_list_spend_usd) > 0 then abs(sum(share) - 1) else 0 end
                    as share_off
            from {name} group by all
        ) as found using (source, period_start, lens)"""
        for name, unit in spend_tables.items()
    )
    yield Rule(
        "SPEND_CONSERVED",
        "blocker",
        "every spend table counts the tokens of usage_daily, its dollars add up to their total "
        "and its shares to 1",
        f"""
        with sums as ({sums})
        select table_name, cast(null as date) as period_start, '' as lens, 0 as tokens,
            0 as found_tokens, true as ok
        from sums group by table_name having bool_and(ok)
        union all
        select table_name, period_start, lens, tokens, found_tokens, ok from sums where not ok
        """,
        "ExpectColumnValuesToBeInSet",
        {"column": "ok", "value_set": [True]},
        "{table_name} {period_start} ({lens}): {found_tokens:,} of {tokens:,} tokens, or dollars "
        "or shares do not add up",
    )
    yield Rule(
        "PRICE_INDEX_CHAIN",
        "blocker",
        "every price link lies between Laspeyres and Paasche, the index is the product of its "
        "links, and prices times mix is the change of the average price",
        f"""
        with linked as (
            select *, index / lag(index) over chain as index_change,
                lag(base_period) over chain as base_before
            from price_index_monthly
            window chain as (partition by source, lens, origin order by period_start)
        )
        select source, period_start, lens, origin, index, fisher_link, laspeyres_link, paasche_link,
            coalesce(case
                when fisher_link is null then index = 100 and base_period = period_start
                else base_period = base_before
                    and fisher_link between least(laspeyres_link, paasche_link) - {_SUM_TOLERANCE}
                        and greatest(laspeyres_link, paasche_link) + {_SUM_TOLERANCE}
                    and abs(index_change / fisher_link - 1) < 1e-6
                    and abs(fisher_link * mix_change - average_price_change) < 1e-6
            end, false) as ok
        from linked
        """,
        "ExpectColumnValuesToBeInSet",
        {"column": "ok", "value_set": [True]},
        "{period_start} {lens} {origin}: index {index}, link {fisher_link}, Laspeyres "
        "{laspeyres_link}, Paasche {paasche_link}",
    )
    jump = limits["price_index"]
    yield Rule(
        "PRICE_INDEX_JUMP",
        "warning",
        f"no price index moves by more than a factor of {jump['warn_factor']} in a month, where "
        f"the matched models hold {jump['from_matched_share']:.0%} of the tokens",
        f"""
        select source, period_start, lens, origin, fisher_link, matched_models
        from price_index_monthly
        where fisher_link is not null
            and least(matched_token_share_from, matched_token_share_to)
                >= {jump["from_matched_share"]}
        """,
        "ExpectColumnValuesToBeBetween",
        {
            "column": "fisher_link",
            "min_value": 1 / jump["warn_factor"],
            "max_value": jump["warn_factor"],
        },
        "{period_start} {lens} {origin}: list prices of {matched_models} matched models moved by a "
        "factor of {fisher_link:.3g}",
    )
    yield Rule(
        "PRICE_QUALITY_RATIOS",
        "blocker",
        "the ratios of price_quality are those of its prices and indices, and the claim follows",
        _judged(
            {
                name: f"(select *, rival_{best}model as rival, "
                f"rival_{best}usd_per_million_tokens as rival_usd, "
                f"rival_{best}quality_index as rival_index from {name})"
                for name, best in (("price_quality_pairs", ""), ("price_quality", "best_"))
            },
            # Decimals decide the claim; the ratios are doubles, so their bounds have no edge.
            f"""
            case when cheapest_model is null then price_ratio is null and not claim_90_80
            else abs(price_ratio * rival_usd - cheapest_usd_per_million_tokens)
                    <= {_SUM_TOLERANCE} * rival_usd
                and abs(quality_ratio * rival_index - cheapest_quality_index) <= {_SUM_TOLERANCE}
                and quality_ratio > 0.9 - {_SUM_TOLERANCE}
                and case
                    when claim_90_80 then price_ratio < 0.2 + {_SUM_TOLERANCE}
                    else price_ratio > 0.2 - {_SUM_TOLERANCE}
                end
            end
            """,
            "concat_ws(' ', origin, rival, cheapest_model, quality_ratio, price_ratio, "
            "claim_90_80)",
        ),
        "ExpectColumnValuesToBeInSet",
        {"column": "ok", "value_set": [True]},
        "{table_name} {period_start}: {shown}",
    )
    covered = limits["quality"]
    yield Rule(
        "QUALITY_COVERAGE",
        "warning",
        f"the models with a quality index hold at least {covered['warn_indexed_share']:.0%} of "
        "the tokens of their origin",
        "select source, period_start, origin, index_read_on, indexed_token_share "
        "from price_quality",
        "ExpectColumnValuesToBeBetween",
        {"column": "indexed_token_share", "min_value": covered["warn_indexed_share"]},
        "{period_start} {origin}: the indices of {index_read_on} cover {indexed_token_share:.4f} "
        "of the tokens; was that catalogue cut?",
    )


def rules() -> list[Rule]:
    """Every rule, blockers and warnings, in the order of the report."""
    return [
        *_share_rules(),
        *_day_rules(),
        *_attribution_rules(),
        *_task_rules(),
        *_claim_rules(),
        *_money_rules(),
    ]
