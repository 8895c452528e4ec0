with usage as (

    select * from {{ ref('int_usage_priced') }}

),

days as (

    select * from {{ ref('int_days') }}

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
        ) as priced_attributed_tokens
    from usage
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
    / nullif(cast(covered.attributed_tokens as double), 0) as priced_attributed_share
from covered
inner join periods
    on
        covered.source = periods.source
        and covered.period_start = periods.period_start
