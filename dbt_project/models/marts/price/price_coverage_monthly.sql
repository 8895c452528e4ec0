with -- Since and until when a model has had other prices, as long as they are fresh.
overrides as (

    select
        model_permaslug,
        min(first_seen_on) filter (where depends_on = 'prompt_length') as tiered_from,
        max(last_seen_on) filter (where depends_on = 'prompt_length') as tiered_to,
        min(first_seen_on) filter (where depends_on = 'time_of_day') as by_hour_from,
        max(last_seen_on) filter (where depends_on = 'time_of_day') as by_hour_to
    from {{ ref('price_overrides') }}
    where price_kind in ('prompt', 'completion')
    group by model_permaslug

),

priced as (

    select
        usage.*,
        periods.period_start,
        periods.days_present,
        periods.is_complete as month_is_complete,
        usage.is_priced
        and coalesce(
            overrides.tiered_from <= usage.usage_date
            and {{ days_between('overrides.tiered_to', 'usage.usage_date') }}
            <= run_settings.fresh_price_days,
            false
        ) as is_tiered,
        usage.is_priced
        and coalesce(
            overrides.by_hour_from <= usage.usage_date
            and {{ days_between('overrides.by_hour_to', 'usage.usage_date') }}
            <= run_settings.fresh_price_days,
            false
        ) as is_by_hour
    from {{ ref('int_usage_priced') }} as usage
    inner join {{ ref('int_periods') }} as periods
        on
            usage.source = periods.source
            and usage.usage_date = periods.usage_date
            and periods.grain = 'monthly'
    cross join {{ source('raw', 'run_settings') }} as run_settings
    left join overrides using (model_permaslug)

),

covered as (

    select
        source,
        period_start,
        days_present,
        month_is_complete as is_complete,
        cast(sum(tokens) as bigint) as tokens,
        cast(
            coalesce(sum(tokens) filter (where identification = 'attributed'), 0) as bigint
        ) as attributed_tokens,
        cast(coalesce(sum(tokens) filter (where is_priced), 0) as bigint) as priced_tokens,
        cast(
            coalesce(
                sum(tokens) filter (where is_priced and identification = 'attributed'), 0
            ) as bigint
        ) as priced_attributed_tokens,
        cast(
            coalesce(sum(tokens) filter (where is_priced and is_fresh), 0) as bigint
        ) as priced_fresh_tokens,
        cast(
            coalesce(sum(tokens) filter (where is_priced and not is_fresh), 0) as bigint
        ) as priced_stale_tokens,
        cast(coalesce(sum(tokens) filter (where is_tiered), 0) as bigint) as tiered_tokens,
        cast(coalesce(sum(tokens) filter (where is_by_hour), 0) as bigint) as time_of_day_tokens
    from priced
    group by all

)

select
    source,
    period_start,
    days_present,
    is_complete,
    tokens,
    attributed_tokens,
    priced_tokens,
    priced_attributed_tokens,
    {{ fraction('priced_tokens', 'tokens') }} as priced_share,
    -- NULL if nothing is attributed: that says nothing about prices
    cast(priced_attributed_tokens as double)
    / nullif(cast(attributed_tokens as double), 0) as priced_attributed_share,
    priced_fresh_tokens,
    priced_stale_tokens,
    {{ fraction('priced_fresh_tokens', 'tokens') }} as priced_fresh_share,
    {{ fraction('priced_stale_tokens', 'tokens') }} as priced_stale_share,
    tiered_tokens,
    time_of_day_tokens
from covered
