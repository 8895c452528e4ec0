-- Windows in which tokens are counted under the rule sets: every ISO week and month, and what the
-- claims ask for.
with days as (

    select * from {{ ref('int_days') }}

),

wanted as (

    select distinct
        source,
        'iso_week' as window_kind,
        {{ period_start('usage_date', 'weekly') }} as window_start,
        cast(null as date) as stated_end
    from days
    {% for kind in ['month_sum', 'month_mean_of_weeks'] %}
    union
    select distinct
        source,
        '{{ kind }}' as window_kind,
        {{ period_start('usage_date', 'monthly') }} as window_start,
        cast(null as date) as stated_end
    from days
    {% endfor %}
    union
    select
        source,
        window_kind,
        window_start,
        case when window_kind like 'span%' then window_end end as stated_end
    from {{ ref('int_claim_windows') }}

),

windows as (

    select
        source,
        window_kind,
        window_start,
        {{ window_end('window_kind', 'window_start', 'stated_end') }} as window_end
    from wanted

),

numbered as (

    select
        *,
        row_number() over (
            order by source asc, window_kind asc, window_start asc, window_end asc
        ) as place,
        {{ days_between('window_start', 'window_end') }} + 1 as days_in_window,
        {{ first_day_counted('window_kind', 'window_start') }} as first_day,
        {{ last_day_counted('window_kind', 'window_end') }} as last_day
    from windows

),

present as (

    select
        numbered.place,
        cast(count(days.usage_date) as integer) as days_present
    from numbered
    inner join days
        on
            numbered.source = days.source
            and days.usage_date between numbered.window_start and numbered.window_end
    group by numbered.place

),

-- A mean of weeks counts whole weeks, with days before and after its month or span.
complete as (

    select numbered.place
    from numbered
    inner join days
        on
            numbered.source = days.source
            and days.usage_date between numbered.first_day and numbered.last_day
    group by
        numbered.place,
        numbered.first_day,
        numbered.last_day
    having
        bool_and(days.is_complete)
        and count(*) = {{ days_between('numbered.first_day', 'numbered.last_day') }} + 1

)

select
    cast(numbered.place as integer) as window_id,
    numbered.source,
    numbered.window_kind,
    numbered.window_start,
    numbered.window_end,
    coalesce(present.days_present, 0) as days_present,
    cast(numbered.days_in_window as integer) as days_in_window,
    complete.place is not null as is_complete
from numbered
left join present using (place)
left join complete using (place)
