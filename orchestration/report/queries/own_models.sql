-- The models that moved the shares of a company's own tokens, from each ISO week with four days of
-- use to the next (from each day to the next, if no week has four). Models are base slugs.
with grains as (
    select source, case when max(days_present) >= 4 then 'weekly' else 'daily' end as grain
    from share_by_origin_weekly
    where source in (select source from served_daily)
    group by source
),
periods as (
    select distinct 'weekly' as grain, source, period_start, days_present, total_tokens
    from share_by_origin_weekly
    where days_present >= 4
    union all
    select distinct 'daily' as grain, source, period_start, days_present, total_tokens
    from share_by_origin_daily
),
pairs as (
    select
        source, grain,
        lag(period_start) over (partition by source order by period_start) as period_start_from,
        lag(days_present) over (partition by source order by period_start) as days_present_from,
        lag(total_tokens) over (partition by source order by period_start) as total_tokens_from,
        period_start as period_start_to, days_present as days_present_to,
        total_tokens as total_tokens_to
    from periods inner join grains using (source, grain)
    qualify period_start_from is not null
),
models as (
    select
        source,
        case grain
            when 'weekly' then cast(date_trunc('week', usage_date) as date) else usage_date
        end as period_start,
        origin, coalesce(lab_name, 'Unidentified') as lab_name, base_slug, sum(tokens) as tokens
    from usage_daily inner join grains using (source)
    group by all
)
select
    pairs.source, period_start_from, days_present_from, period_start_to, days_present_to,
    origin, lab_name, base_slug,
    coalesce(sum(tokens) filter (where period_start = period_start_from), 0)
        / any_value(total_tokens_from) as share_from,
    coalesce(sum(tokens) filter (where period_start = period_start_to), 0)
        / any_value(total_tokens_to) as share_to,
    share_to - share_from as delta_share
from pairs
inner join models
    on pairs.source = models.source
    and models.period_start in (pairs.period_start_from, pairs.period_start_to)
group by all
order by pairs.source, period_start_to, abs(delta_share) desc, base_slug, origin;
