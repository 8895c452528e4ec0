with usage as (

    select * from {{ ref('int_usage_priced') }}

),

days as (

    select * from {{ ref('int_days') }}

),

run_settings as (

    select * from {{ source('raw', 'run_settings') }}

),

-- Since and until when a model has had other prices, as long as they are fresh.
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
    from usage
    cross join run_settings
    left join overrides on usage.model_permaslug = overrides.model_permaslug

),

periods as (

    select
        source,
        {{ period_start('usage_date', 'monthly') }} as period_start,
        cast(count(*) as integer) as days_present,
        bool_and(is_complete) as lost_nothing
    from days
    group by all

),

covered as (

    select
        source,
        {{ period_start('usage_date', 'monthly') }} as period_start,
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
    covered.source,
    covered.period_start,
    periods.days_present,
    periods.lost_nothing
    and periods.days_present
    = {{ days_in_period('periods.period_start', 'monthly') }} as is_complete,
    covered.tokens,
    covered.attributed_tokens,
    covered.priced_tokens,
    covered.priced_attributed_tokens,
    {{ fraction('covered.priced_tokens', 'covered.tokens') }} as priced_share,
    -- NULL where nothing is attributed: that says nothing about prices
    cast(covered.priced_attributed_tokens as double)
    / nullif(cast(covered.attributed_tokens as double), 0) as priced_attributed_share,
    covered.priced_fresh_tokens,
    covered.priced_stale_tokens,
    {{ fraction('covered.priced_fresh_tokens', 'covered.tokens') }} as priced_fresh_share,
    {{ fraction('covered.priced_stale_tokens', 'covered.tokens') }} as priced_stale_share,
    covered.tiered_tokens,
    covered.time_of_day_tokens
from covered
inner join periods
    on
        covered.source = periods.source
        and covered.period_start = periods.period_start
