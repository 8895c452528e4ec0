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

)

select
    cast(
        row_number() over (
            order by
                windows.source asc,
                windows.window_kind asc,
                windows.window_start asc,
                windows.window_end asc
        )
        as integer
    ) as window_id,
    windows.source,
    windows.window_kind,
    windows.window_start,
    windows.window_end,
    cast(count(days.usage_date) as integer) as days_present,
    cast({{ days_between('windows.window_start', 'windows.window_end') }} + 1 as integer)
        as days_in_window,
    coalesce(bool_and(days.is_complete), false)
    and count(days.usage_date)
    = {{ days_between('windows.window_start', 'windows.window_end') }} + 1 as is_complete
from windows
left join days
    on
        windows.source = days.source
        and days.usage_date between windows.window_start and windows.window_end
group by windows.source, windows.window_kind, windows.window_start, windows.window_end
