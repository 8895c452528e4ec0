-- Who served a company's own tokens, by provider, in each ISO week (or day, if no week has four days
-- of use); `of_origin` is the origin of the models that it served most.
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
    source, period_start, provider_id, max(provider_name) as provider_name,
    max(serving_headquarters) as serving_headquarters,
    cast(sum(tokens) as bigint) as tokens,
    sum(tokens) / sum(sum(tokens)) over (partition by source, period_start) as share,
    cast(sum(requests) as bigint) as requests,
    coalesce(sum(tokens) filter (where origin = 'CN' and license = 'open_weight'), 0) / sum(tokens)
        as chinese_weights_share,
    case when count(*) = count(cost_usd) then sum(cost_usd) end as cost_usd
from served
group by source, period_start, provider_id
order by source, period_start, tokens desc, provider_id;
