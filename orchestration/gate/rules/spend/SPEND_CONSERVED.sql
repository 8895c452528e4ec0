-- severity: blocker
-- title: >-
--   every spend table counts the tokens of usage_daily; its dollars add up to their total, and its
--   shares to 1
-- judged: ok
-- one_of: [true]
-- rows: needed
-- verified: true
-- message: >-
--   {table_name} {period_start} ({lens}): {found_tokens:,} of {tokens:,} tokens, or dollars
--   or shares do not add up
--
-- One row per table, or each of its bad periods, also those that a table lacks. Dollars are rounded
-- to nine decimals: each row and the total may miss by half of the last one, and no more.
with spend as (
    select 'spend_by_origin_daily' as table_name, * from spend_by_origin_daily
    union all by name
    select 'spend_by_origin_weekly' as table_name, * from spend_by_origin_weekly
    union all by name
    select 'spend_by_origin_monthly' as table_name, * from spend_by_origin_monthly
    union all by name
    select 'spend_by_lab_daily' as table_name, * from spend_by_lab_daily
    union all by name
    select 'spend_by_lab_weekly' as table_name, * from spend_by_lab_weekly
    union all by name
    select 'spend_by_lab_monthly' as table_name, * from spend_by_lab_monthly
),
found as (
    select table_name, source, period_start, lens, sum(tokens) as tokens,
        2 * abs(sum(list_spend_usd) - any_value(total_list_spend_usd))
            <= (count(*) + 1) * 0.000000001 as usd_add_up,
        case when any_value(total_list_spend_usd) > 0 then abs(sum(spend_share) - 1) else 0 end
            as share_off
    from spend group by all
),
usage as (
    select grain, source, cast(date_trunc(unit, usage_date) as date) as period_start,
        sum(tokens) as tokens
    from usage_daily
    cross join (values ('daily', 'day'), ('weekly', 'week'), ('monthly', 'month'))
        as grains (grain, unit)
    group by all
),
expected as (
    select subject || '_' || grain as table_name, *
    from usage
    cross join (values ('spend_by_origin'), ('spend_by_lab')) as subjects (subject)
    cross join (values ('author_hq'), ('base_lineage'), ('serving_hq')) as lenses (lens)
    where lens <> 'serving_hq'
        or source in (select source from served_daily where provider_id <> 'unidentified')
),
sums as (
    select table_name, period_start, lens, expected.tokens,
        coalesce(found.tokens, 0) as found_tokens,
        coalesce(
            found.tokens = expected.tokens and found.usd_add_up and found.share_off <= 1e-9,
            false
        ) as ok
    from expected left join found using (table_name, source, period_start, lens)
)
select table_name, cast(null as date) as period_start, '' as lens, 0 as tokens,
    0 as found_tokens, true as ok
from sums group by table_name having bool_and(ok)
union all
select table_name, period_start, lens, tokens, found_tokens, ok
from sums where not ok;
