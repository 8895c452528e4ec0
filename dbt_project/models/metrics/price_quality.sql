-- Against the best model of the other country: how good is the best of this one, and what does the
-- cheapest cost that reaches 90 %? home_* answers the same within the other country itself.
with pairs as (

    select * from {{ ref('price_quality_pairs') }}
    where rival_rank = 1

),

models as (

    select * from {{ ref('int_quality_models') }}

),

months as (

    select * from {{ ref('int_quality_months') }}

),

usage as (

    select
        source,
        {{ period_start('usage_date', 'monthly') }} as period_start,
        base_slug,
        headquarters,
        tokens
    from {{ ref('int_usage_identified') }}
    where headquarters is not null

),

best as (

    select *
    from models
    qualify
        row_number() over (
            partition by source, period_start, origin
            order by intelligence_index desc, usd_blend_by_4 asc, base_slug asc
        ) = 1

),

home as (

    select
        pairs.source,
        pairs.period_start,
        pairs.origin,
        models.base_slug,
        models.usd_blend_by_4
    from pairs
    inner join models
        on
            pairs.source = models.source
            and pairs.period_start = models.period_start
            and pairs.rival_origin = models.origin
            and 10 * models.intelligence_index >= 9 * pairs.rival_quality_index
    qualify
        row_number() over (
            partition by pairs.source, pairs.period_start, pairs.origin
            order by
                models.usd_blend_by_4 asc, models.intelligence_index desc, models.base_slug asc
        ) = 1

),

-- How much of what was used had an index at all.
covered as (

    select
        usage.source,
        usage.period_start,
        usage.headquarters as origin,
        cast(sum(usage.tokens) as bigint) as tokens,
        cast(
            sum(case when readings.base_slug is not null then usage.tokens else 0 end) as bigint
        ) as indexed_tokens
    from usage
    inner join months using (source, period_start)
    left join {{ ref('int_index_readings') }} as readings
        on
            months.index_read_on = readings.read_on
            and usage.base_slug = readings.base_slug
    group by all

)

select
    pairs.source,
    pairs.period_start,
    pairs.days_present,
    pairs.is_complete,
    pairs.origin,
    pairs.rival_origin,
    best.base_slug as best_model,
    best.intelligence_index as best_quality_index,
    cast(best.usd_blend_by_4 * 0.25 as decimal(24, 18)) as best_usd_per_million_tokens,
    best.tokens as best_tokens,
    pairs.rival_model as rival_best_model,
    pairs.rival_quality_index as rival_best_quality_index,
    pairs.rival_usd_per_million_tokens as rival_best_usd_per_million_tokens,
    pairs.rival_tokens as rival_best_tokens,
    cast(best.intelligence_index as double)
    / nullif(cast(pairs.rival_quality_index as double), 0) as best_quality_ratio,
    pairs.cheapest_model,
    pairs.cheapest_quality_index,
    pairs.cheapest_usd_per_million_tokens,
    pairs.cheapest_tokens,
    pairs.quality_ratio,
    pairs.price_ratio,
    pairs.price_ratio_all_prompt,
    pairs.price_ratio_all_completion,
    pairs.claim_90_80,
    home.base_slug as home_cheapest_model,
    cast(home.usd_blend_by_4 as double)
    / (4 * cast(pairs.rival_usd_per_million_tokens as double)) as home_price_ratio,
    pairs.priced_on,
    pairs.index_read_on,
    pairs.index_source,
    months.indexed_models,
    {{ fraction('covered.indexed_tokens', 'covered.tokens') }} as indexed_token_share
from pairs
inner join months using (source, period_start)
left join best using (source, period_start, origin)
left join home using (source, period_start, origin)
left join covered using (source, period_start, origin)
