-- A company's own tokens by the origin of the model, its license and the country of who served it, in
-- each ISO week (or day, if no week has four days of use).
with grains as (
    select source, case when max(days_present) >= 4 then 'weekly' else 'daily' end as grain
    from share_by_origin_weekly
    where source in (select source from served_daily)
    group by source
),
served as (
    select
        served_daily.*,
        case grain
            when 'weekly' then cast(date_trunc('week', usage_date) as date) else usage_date
        end as period_start
    from served_daily inner join grains using (source)
)
select
    source, period_start, origin, license, serving_headquarters,
    cast(sum(tokens) as bigint) as tokens,
    sum(tokens) / sum(sum(tokens)) over (partition by source, period_start) as share,
    cast(sum(requests) as bigint) as requests,
    case when count(*) = count(cost_usd) then sum(cost_usd) end as cost_usd
from served
group by source, period_start, origin, license, serving_headquarters
order by source, period_start, tokens desc, origin, license, serving_headquarters;
