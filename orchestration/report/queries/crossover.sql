-- When did one origin overtake the other, first, last and beyond doubt, as known then and now?
-- `first_period` is the first complete period of the source: who led then never overtook anyone.
with periods as (
    select source, 'weekly' as grain, period_start from share_by_origin_weekly
    where is_complete and lens = 'author_hq'
    union all
    select source, 'monthly', period_start from share_by_origin_monthly
    where is_complete and lens = 'author_hq'
    union all
    select source, 'daily', period_start from share_by_origin_daily
    where is_complete and lens = 'author_hq'
),
firsts as (
    select source, grain, min(period_start) as first_period
    from periods
    group by source, grain
)
select crossover.*, first_period, coalesce(first_lead = first_period, false) as led_from_first
from crossover left join firsts using (source, grain)
where lens = 'author_hq'
order by
    case grain when 'weekly' then 1 when 'monthly' then 2 else 3 end,
    origin, rival_origin, registry_view desc;
