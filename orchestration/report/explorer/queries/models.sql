-- What the explorer shows by model: one row per source, grain, period and model, all variants
-- together. `unidentified` is what the source does not name (`other`) and routers, which pass
-- requests on: any of it may belong to any model, which is the upper bound. Models that were never
-- among the first 50 of a day, week or month are one row, `other_models`.
with periods as (
    select distinct source, 'daily' as grain, period_start, total_tokens
    from share_by_origin_daily
    where lens = 'author_hq'
    union all
    select distinct source, 'weekly' as grain, period_start, total_tokens
    from share_by_origin_weekly
    where lens = 'author_hq'
    union all
    select distinct source, 'monthly' as grain, period_start, total_tokens
    from share_by_origin_monthly
    where lens = 'author_hq'
),

usage as (
    select
        source,
        usage_date,
        case when identification in ('tail', 'router') then 'unidentified' else base_slug end
            as model,
        tokens
    from usage_daily
),

named as (
    select
        usage.source,
        grains.grain,
        cast(date_trunc(grains.part, usage.usage_date) as date) as period_start,
        usage.model,
        cast(sum(usage.tokens) as bigint) as tokens
    from usage
    cross join (values ('daily', 'day'), ('weekly', 'week'), ('monthly', 'month'))
        as grains (grain, part)
    group by all
),

placed as (
    select
        *,
        rank() over (
            partition by source, grain, period_start, model = 'unidentified'
            order by tokens desc
        ) as place
    from named
),

large as (
    select distinct source, model
    from placed
    where place <= 50
),

members as (
    select
        placed.source,
        placed.grain,
        placed.period_start,
        case when large.model is null then 'other_models' else placed.model end as member,
        case when large.model is not null and placed.model <> 'unidentified' then placed.place end
            as rank,
        cast(sum(placed.tokens) as bigint) as tokens
    from placed
    left join large using (source, model)
    group by all
),

loose as (
    select source, grain, period_start, tokens
    from members
    where member = 'unidentified'
)

select
    members.source,
    members.grain,
    'author_hq' as lens,
    'published' as view,
    'model' as what,
    members.period_start,
    members.member,
    members.member as name,
    members.tokens,
    cast(
        round(1000000 * coalesce(members.tokens / nullif(periods.total_tokens, 0), 0)) as integer
    ) as share_millionths,
    cast(
        round(1000000 * coalesce(members.tokens / nullif(periods.total_tokens, 0), 0)) as integer
    ) as low_millionths,
    cast(
        round(
            1000000 * (
                (
                    members.tokens
                    + case
                        when members.member = 'unidentified' then 0
                        else coalesce(loose.tokens, 0)
                    end
                ) / nullif(periods.total_tokens, 0)
            )
        ) as integer
    ) as high_millionths,
    cast(members.rank as integer) as rank
from members
inner join periods using (source, grain, period_start)
left join loose using (source, grain, period_start)
order by members.source, members.grain, members.period_start, members.tokens desc, members.member
