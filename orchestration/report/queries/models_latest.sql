-- The models in order of their tokens in the latest complete week, all variants together, beside
-- the week before. A model has the lab of its last day in these weeks. The upper bound adds all
-- tokens whose model is not named, since they may be of this one: tail, routers, stealth models.
with weeks as (
    select period_start, total_tokens
    from share_by_origin_weekly
    where is_complete and lens = 'author_hq'
    group by period_start, total_tokens
    order by period_start desc
    limit 1
),
usage as (
    select
        usage_daily.*, period_start, total_tokens,
        usage_date >= period_start as is_latest,
        max(usage_date) over (partition by base_slug) as last_date
    from usage_daily
    cross join weeks
    where usage_date between period_start - 7 and period_start + 6
),
models as (
    select
        period_start, total_tokens, base_slug as model,
        max(case when usage_date = last_date then lab_name end) as lab_name,
        max(case when usage_date = last_date then origin end) as origin,
        max(case when usage_date = last_date then license end) as license,
        max(case when usage_date = last_date then identification end) as identification,
        coalesce(sum(tokens) filter (where is_latest), 0) as tokens,
        coalesce(sum(tokens) filter (where not is_latest), 0) as tokens_before,
        sum(list_spend_usd) filter (where is_latest) as list_spend_usd,
        sum(tokens) filter (where is_latest and list_spend_usd is not null) as priced_tokens
    from usage
    group by period_start, total_tokens, base_slug
),
before as (
    select sum(tokens_before) as total_before from models
),
ranked as (
    select
        *,
        rank() over (order by tokens desc) as rank,
        case when tokens_before > 0 then rank() over (order by tokens_before desc) end
            as rank_before
    from models
    where identification <> 'tail'
),
nameless as (
    select coalesce(sum(tokens), 0) as tokens
    from models
    where identification in ('tail', 'router', 'stealth')
)
select
    rank, rank_before, model, lab_name, origin, license, identification, period_start,
    cast(ranked.tokens as bigint) as tokens,
    cast(ranked.tokens as double) / total_tokens as share,
    cast(ranked.tokens as double) / total_tokens as share_low,
    cast(
        nameless.tokens
        + case when identification in ('router', 'stealth') then 0 else ranked.tokens end as double
    ) / total_tokens as share_high,
    cast(ranked.tokens as double) / total_tokens
    - cast(tokens_before as double) / nullif(total_before, 0) as share_change,
    cast(list_spend_usd as double) / nullif(priced_tokens, 0) * 1000000
        as average_usd_per_million_tokens,
    cast(list_spend_usd as double) as list_spend_usd
from ranked
cross join before
cross join nameless
where ranked.tokens > 0
order by rank, model;
