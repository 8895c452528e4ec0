-- severity: blocker
-- title: every share table counts exactly the tokens of usage_daily
-- judged: lost_tokens
-- one_of: [0]
-- rows: needed
-- verified: true
-- message: "{table_name} {period_start}: differs from usage_daily by {lost_tokens} tokens"
--
-- One row per table and lens for all periods, and one for each period that differs. A period that
-- is missing from a table makes the row for all periods differ. Only sources that say who served the
-- tokens have rows under serving_hq.
with of_tokens as (
    from shares
    union all by name
    select 'identification_daily' as table_name, usage_date as period_start, 'all' as lens, *
    from identification_daily
    union all by name
    select 'price_coverage_monthly' as table_name, 'all' as lens, * from price_coverage_monthly
),
usage as (
    select grain, source, cast(date_trunc(unit, usage_date) as date) as period_start,
        sum(tokens) as tokens
    from usage_daily
    cross join (values ('daily', 'day'), ('weekly', 'week'), ('monthly', 'month'))
        as grains (grain, unit)
    group by all
),
totals as (
    select sum(tokens) as all_tokens,
        coalesce(sum(tokens) filter (
            where source in (select source from served_daily where provider_id <> 'unidentified')
        ), 0) as served_tokens
    from usage_daily
),
expected as (
    select table_name, lens, if(lens = 'serving_hq', served_tokens, all_tokens) as total_tokens
    from (
        select table_name, lens from share_lenses
        union all
        values ('identification_daily', 'all'), ('price_coverage_monthly', 'all')
    ) cross join totals
),
periods as (
    select table_name, string_split(table_name, '_')[-1] as grain, source, period_start, lens,
        sum(tokens) as tokens
    from of_tokens group by all
)
select table_name, cast(period_start as varchar) as period_start,
    cast(coalesce(periods.tokens - usage.tokens, 1) as hugeint) as lost_tokens
from periods left join usage using (grain, source, period_start)
where periods.tokens is distinct from usage.tokens
union all
select table_name, 'all periods' as period_start,
    cast(coalesce(sum(tokens), 0) - any_value(total_tokens) as hugeint)
from expected left join (select table_name, lens, tokens from of_tokens) using (table_name, lens)
group by table_name, lens;
