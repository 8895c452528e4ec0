-- Where a claim is looked for: its own window, and the windows near it. A statement about a week
-- is also looked for in the weeks beside it and in 7 days that end up to a week earlier or later;
-- one about a month in its weeks, as the mean of its weeks and in 30 days that end near its end.
-- If the publisher names no window ("a year ago", "now"), 7 days that end within a month of ours
-- are looked at as well. A statement of above or below is decided in its own window.
{% set days_near = 7 %}
{% set days_near_if_unstated = 31 %}

with claims as (

    select * from {{ source('raw', 'claims') }}
    where is_measurable and window_kind is not null

),

days as (

    select
        source,
        usage_date
    from {{ ref('int_days') }}

),

stated as (

    select
        claim_id,
        source,
        window_kind,
        window_start,
        {{ window_end('window_kind', 'window_start', 'window_end') }} as window_end,
        window_is_stated,
        comparison not in ('above', 'below') as is_searched
    from claims

),

-- Every window of the series that could be asked, of each kind that is searched.
series as (
    {% for kind, grain in [
        ('day', 'daily'), ('iso_week', 'weekly'), ('month_sum', 'monthly'),
        ('month_mean_of_weeks', 'monthly'),
    ] %}
    select distinct
        source,
        '{{ kind }}' as window_kind,
        {{ period_start('usage_date', grain) }} as window_start
    from days
    union all
    {% endfor %}
    {% for kind, length in [('trailing_7d', 7), ('trailing_30d', 30)] %}
    select
        source,
        '{{ kind }}' as window_kind,
        cast(usage_date - interval {{ length - 1 }} day as date) as window_start
    from days
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

with_ends as (

    select
        *,
        {{ window_end('window_kind', 'window_start', 'cast(null as date)') }} as window_end
    from series
    -- 7 days that are an ISO week, or 30 days that are a month, are searched once.
    where
        not (
            window_kind = 'trailing_7d'
            and window_start = {{ period_start('window_start', 'weekly') }}
        )
        and not (
            window_kind = 'trailing_30d'
            and window_start = {{ period_start('window_start', 'monthly') }}
            and last_day(window_start) = cast(window_start + interval 29 day as date)
        )

),

near as (

    select
        stated.claim_id,
        stated.source,
        with_ends.window_kind,
        with_ends.window_start,
        with_ends.window_end,
        abs({{ days_between('stated.window_end', 'with_ends.window_end') }}) as days_away
    from stated
    inner join with_ends using (source)
    where
        stated.is_searched
        and (
            (
                not stated.window_is_stated
                and abs({{ days_between('stated.window_end', 'with_ends.window_end') }})
                <= {{ days_near_if_unstated }}
                and with_ends.window_kind in ('iso_week', 'trailing_7d')
            )
            or (
                abs({{ days_between('stated.window_end', 'with_ends.window_end') }})
                <= {{ days_near }}
                and (
                    (
                        stated.window_kind in ('iso_week', 'trailing_7d')
                        and with_ends.window_kind in ('iso_week', 'trailing_7d')
                    )
                    or (stated.window_kind = 'day' and with_ends.window_kind = 'day')
                    or (
                        stated.window_kind in ('month_sum', 'month_mean_of_weeks', 'trailing_30d')
                        and with_ends.window_kind
                        in ('month_sum', 'month_mean_of_weeks', 'trailing_30d')
                    )
                )
            )
        )
    union all
    -- The weeks of a month: as far away as they reach out of it.
    select
        stated.claim_id,
        stated.source,
        with_ends.window_kind,
        with_ends.window_start,
        with_ends.window_end,
        greatest({{ days_between('stated.window_end', 'with_ends.window_end') }}, 0)
        + greatest({{ days_between('with_ends.window_start', 'stated.window_start') }}, 0)
            as days_away
    from stated
    inner join with_ends using (source)
    where
        stated.is_searched
        and stated.window_is_stated
        and stated.window_kind in ('month_sum', 'month_mean_of_weeks', 'trailing_30d')
        and with_ends.window_kind = 'iso_week'
        and with_ends.window_start <= stated.window_end
        and with_ends.window_end >= stated.window_start

)

select
    claim_id,
    source,
    window_kind,
    window_start,
    window_end,
    true as is_stated,
    0 as days_away
from stated
union all
select
    near.claim_id,
    near.source,
    near.window_kind,
    near.window_start,
    near.window_end,
    false as is_stated,
    near.days_away
from near
left join stated using (claim_id, window_kind, window_start)
where stated.claim_id is null
