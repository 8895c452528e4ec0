-- description: Tokens, share of all tokens, lab, origin, license, list spend and average price by
--   model and calendar month. One row per source, month and model, all variants
--   together. What the source does not name is the row `other`, so the shares of a month add up to
--   1. On days on which the source does not name a model, its tokens are in `other`. List spend is
--   not what was paid.
-- key: [source, period_start, model]
-- columns:
--   model: "Slug of the model in lower case, without variant; `other` for all models that the
--     source does not name."
--   lab_id: "Lab that released the model, on its last day in the period, or `unidentified`."
--   lab_name: "Canonical name of the lab, or `Unidentified`."
--   origin: "ISO 3166-1 alpha-2 code of the lab's headquarters on that day, or `unidentified`."
--   origin_name: The usual English name of the country, or `Unidentified`.
--   rank: 1 is the largest by tokens; NULL in the row `other`.
--   tokens: Tokens of the model in the period, prompt plus completion, exact.
--   list_spend_usd: "US dollars that priced_tokens cost at the list prices of their days, as a
--     floating-point number; usage_daily has decimals and bounds. NULL if nothing has a price. Not
--     what was paid."
with usage as (
    select
        *,
        cast(date_trunc('month', usage_date) as date) as period_start,
        max(usage_date) over (
            partition by source, base_slug, date_trunc('month', usage_date)
        ) as last_date
    from usage_daily
),

models as (
    select
        source,
        period_start,
        base_slug as model,
        max(case when usage_date = last_date then lab_id end) as lab_id,
        max(case when usage_date = last_date then lab_name end) as lab_name,
        max(case when usage_date = last_date then origin end) as origin,
        max(case when usage_date = last_date then license end) as license,
        max(case when usage_date = last_date then identification end) as identification,
        cast(sum(tokens) as bigint) as tokens,
        cast(sum(case when list_spend_usd is not null then tokens else 0 end) as bigint)
            as priced_tokens,
        sum(list_spend_usd) as list_spend_usd
    from usage
    group by source, period_start, base_slug
),

ranked as (
    select
        *,
        rank() over (
            partition by source, period_start, identification = 'tail'
            order by tokens desc
        ) as place
    from models
),

periods as (
    select distinct
        source,
        period_start,
        days_present,
        is_complete,
        total_tokens
    from share_by_origin_monthly
    where lens = 'author_hq'
)

select
    ranked.source,
    ranked.period_start,
    periods.days_present,
    periods.is_complete,
    ranked.model,
    coalesce(ranked.lab_id, 'unidentified') as lab_id,
    coalesce(ranked.lab_name, 'Unidentified') as lab_name,
    ranked.origin,
    coalesce(bi_countries.origin_name, ranked.origin) as origin_name,
    ranked.license,
    ranked.identification,
    case when ranked.identification <> 'tail' then cast(ranked.place as integer) end as rank,
    ranked.tokens,
    periods.total_tokens,
    cast(ranked.tokens as double precision) / periods.total_tokens as share,
    ranked.priced_tokens,
    cast(ranked.list_spend_usd as double precision) as list_spend_usd,
    cast(ranked.list_spend_usd as double precision) / nullif(ranked.priced_tokens, 0) * 1000000
        as average_usd_per_million_tokens
from ranked
inner join periods
    on ranked.source = periods.source and ranked.period_start = periods.period_start
left join bi_countries on ranked.origin = bi_countries.origin
