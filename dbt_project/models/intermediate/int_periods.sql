-- The day, the ISO week and the month of every day of use: what is summed over periods is joined
-- with this once, and has all three grains.
with period_days as (

    select
        grains.grain,
        days.source,
        days.usage_date,
        days.is_complete,
        case grains.grain
            when 'daily' then days.usage_date
            when 'weekly' then {{ period_start('days.usage_date', 'weekly') }}
            when 'monthly' then {{ period_start('days.usage_date', 'monthly') }}
        end as period_start,
        case grains.grain
            when 'daily' then 1
            when 'weekly' then 7
            when 'monthly' then day(last_day(days.usage_date))
        end as days_in_period
    from {{ ref('int_days') }} as days
    cross join (values ('daily'), ('weekly'), ('monthly')) as grains (grain)

),

counted as (

    select
        *,
        count(*) over (partition by grain, source, period_start) as days_present,
        bool_and(is_complete) over (partition by grain, source, period_start) as lost_nothing
    from period_days

)

select
    grain,
    source,
    usage_date,
    period_start,
    cast(days_present as integer) as days_present,
    lost_nothing and days_present = days_in_period as is_complete
from counted
