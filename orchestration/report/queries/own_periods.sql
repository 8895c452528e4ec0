-- The periods of each source of a company's own usage: ISO weeks, or days if no week has four days
-- of use. The newest week that is over and has four days leads the page (`place` is 1).
with own as (
    select source, max(usage_date) as last_day, min(usage_date) as first_day
    from served_daily
    group by source
),
grains as (
    select source, case when max(days_present) >= 4 then 'weekly' else 'daily' end as grain
    from share_by_origin_weekly
    where source in (select source from own)
    group by source
),
periods as (
    select distinct
        'weekly' as grain, source, period_start, period_start + 6 as period_end, days_present,
        is_complete, total_tokens
    from share_by_origin_weekly
    where lens = 'author_hq'
    union all
    select distinct
        'daily' as grain, source, period_start, period_start as period_end, days_present,
        is_complete, total_tokens
    from share_by_origin_daily
    where lens = 'author_hq'
),
bad as (
    select source, usage_date from usage_daily where not is_complete group by all
),
requests as (
    select source, usage_date, sum(requests) as requests from served_daily group by all
),
enough as (
    select
        periods.*, own.first_day, own.last_day,
        grain = 'daily' or days_present >= 4 as has_days,
        has_days and period_end <= last_day as is_over
    from periods
    inner join grains using (source, grain)
    inner join own using (source)
)
select
    enough.source, enough.grain, enough.period_start, enough.period_end, enough.days_present,
    enough.is_complete, enough.total_tokens, enough.has_days, enough.first_day, enough.last_day,
    row_number() over (
        partition by enough.source
        order by enough.is_over desc, enough.period_start desc
    ) as place,
    (
        select cast(sum(requests.requests) as bigint) from requests
        where requests.source = enough.source
            and requests.usage_date between enough.period_start and enough.period_end
    ) as requests,
    (
        select count(*) from bad
        where bad.source = enough.source
            and bad.usage_date between enough.period_start and enough.period_end
    ) as incomplete_days,
    market.days_present as market_days_present, market.is_complete as market_is_complete,
    market.total_tokens as market_total_tokens,
    (
        select max(usage_date) from usage_daily where source = 'openrouter_rankings'
    ) as market_last_day
from enough
left join periods as market
    on enough.grain = market.grain and enough.period_start = market.period_start
    and market.source = 'openrouter_rankings'
order by enough.source, enough.period_start;
