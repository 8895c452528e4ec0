-- Open weights of Chinese labs in a company's own usage, by the country of who served them, in each
-- ISO week (or day, if no week has four days of use). The lower bound is what is known; the upper
-- bound adds the tokens that may belong there: whose origin, license or provider is not known.
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
        end as period_start,
        origin = 'CN' and license = 'open_weight' as is_known,
        origin in ('CN', 'unidentified') and license in ('open_weight', 'unknown') as is_possible
    from served_daily inner join grains using (source)
),
totals as (
    select source, period_start, sum(tokens) as total_tokens
    from served
    group by source, period_start
),
countries as (
    select distinct source, period_start, serving_headquarters
    from served
    union
    select source, period_start, 'US' from totals
)
select
    countries.source, countries.period_start, countries.serving_headquarters,
    coalesce(sum(tokens) filter (
        where is_known and served.serving_headquarters = countries.serving_headquarters
    ), 0) as known_tokens,
    coalesce(sum(requests) filter (
        where is_known and served.serving_headquarters = countries.serving_headquarters
    ), 0) as requests,
    sum(cost_usd) filter (
        where is_known and served.serving_headquarters = countries.serving_headquarters
    ) as cost_usd,
    known_tokens / any_value(total_tokens) as share,
    share as share_low,
    case
        when countries.serving_headquarters = 'unidentified' then share
        else coalesce(sum(tokens) filter (
            where is_possible
                and served.serving_headquarters in (countries.serving_headquarters, 'unidentified')
        ), 0) / any_value(total_tokens)
    end as share_high
from countries
inner join totals using (source, period_start)
inner join served
    on countries.source = served.source and countries.period_start = served.period_start
group by countries.source, countries.period_start, countries.serving_headquarters
order by source, period_start, share desc, serving_headquarters;
