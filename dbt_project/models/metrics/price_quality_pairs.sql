-- For each of a country's best models: the other country's cheapest one with at least 90 % of its
-- index. All of a row comes from one reading of the indices and one day of prices.
{% set rivals = {'CN': 'US', 'US': 'CN'} %}
{% set best_models = 10 %}

with models as (

    select * from {{ ref('int_quality_models') }}

),

origins as (
    {% for origin, rival in rivals.items() %}
    select
        '{{ origin }}' as origin,
        '{{ rival }}' as rival_origin
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

ranked as (

    select
        *,
        row_number() over (
            partition by source, period_start, origin
            order by intelligence_index desc, usd_blend_by_4 asc, base_slug asc
        ) as quality_rank
    from models

),

pairs as (

    select
        origins.origin,
        origins.rival_origin,
        rivals.source,
        rivals.period_start,
        rivals.quality_rank as rival_rank,
        rivals.base_slug as rival_model,
        rivals.intelligence_index as rival_quality_index,
        rivals.usd_prompt as rival_prompt,
        rivals.usd_completion as rival_completion,
        rivals.usd_blend_by_4 as rival_blend_by_4,
        rivals.tokens as rival_tokens,
        rivals.index_source,
        models.base_slug as cheapest_model,
        models.intelligence_index as cheapest_quality_index,
        models.usd_prompt,
        models.usd_completion,
        models.usd_blend_by_4,
        models.tokens as cheapest_tokens
    from origins
    inner join ranked as rivals on origins.rival_origin = rivals.origin
    left join models
        on
            rivals.source = models.source
            and rivals.period_start = models.period_start
            and origins.origin = models.origin
            -- as integers of tenths: at least 90 %, exactly
            and 10 * models.intelligence_index >= 9 * rivals.intelligence_index
    where rivals.quality_rank <= {{ best_models }}
    qualify
        row_number() over (
            partition by origins.origin, rivals.source, rivals.period_start, rivals.base_slug
            order by
                models.usd_blend_by_4 asc nulls last,
                models.intelligence_index desc,
                models.base_slug asc
        ) = 1

)

select
    pairs.source,
    pairs.period_start,
    months.days_present,
    months.is_complete,
    pairs.origin,
    pairs.rival_origin,
    cast(pairs.rival_rank as integer) as rival_rank,
    pairs.rival_model,
    pairs.rival_quality_index,
    cast(pairs.rival_blend_by_4 * 0.25 as decimal(24, 18)) as rival_usd_per_million_tokens,
    pairs.rival_tokens,
    pairs.cheapest_model,
    pairs.cheapest_quality_index,
    cast(pairs.usd_blend_by_4 * 0.25 as decimal(24, 18)) as cheapest_usd_per_million_tokens,
    pairs.cheapest_tokens,
    cast(pairs.cheapest_quality_index as double)
    / nullif(cast(pairs.rival_quality_index as double), 0) as quality_ratio,
    cast(pairs.usd_blend_by_4 as double) / cast(pairs.rival_blend_by_4 as double) as price_ratio,
    cast(pairs.usd_prompt as double)
    / nullif(cast(pairs.rival_prompt as double), 0) as price_ratio_all_prompt,
    cast(pairs.usd_completion as double)
    / nullif(cast(pairs.rival_completion as double), 0) as price_ratio_all_completion,
    coalesce(5 * pairs.usd_blend_by_4 <= pairs.rival_blend_by_4, false) as claim_90_80,
    months.priced_on,
    months.index_read_on,
    pairs.index_source
from pairs
inner join {{ ref('int_quality_months') }} as months using (source, period_start)
