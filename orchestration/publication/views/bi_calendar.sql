-- description: One row per source and UTC day from its first to its newest day of usage, also if
--   the source published nothing on that day.
-- key: [source, usage_date]
-- columns:
--   usage_date: UTC day.
--   week_start: Monday of the ISO week; `period_start` of the weekly views.
--   iso_year: Year of the ISO week.
--   iso_week: Number of the ISO week, 1 to 53.
--   month_start: First day of the month; `period_start` of the monthly views.
--   has_usage: False if the source published nothing on this day.
--   is_complete: "True if the day is present and lost no row to quarantine; a day of a request log
--     may lose one for a thousand good ones."
--   week_is_complete: True if this holds for every day of the week.
--   month_is_complete: True if this holds for every day of the month.
with published as (
    select distinct
        source,
        period_start as usage_date,
        is_complete
    from share_by_origin_daily
    where lens = 'author_hq'
),

weeks as (
    select distinct
        source,
        period_start,
        is_complete
    from share_by_origin_weekly
    where lens = 'author_hq'
),

months as (
    select distinct
        source,
        period_start,
        is_complete
    from share_by_origin_monthly
    where lens = 'author_hq'
),

days as (
    select
        source,
        cast(
            unnest(generate_series(min(usage_date), max(usage_date), interval '1' day)) as date
        ) as usage_date
    from published
    group by source
),

dated as (
    select
        source,
        usage_date,
        cast(date_trunc('week', usage_date) as date) as week_start,
        cast(extract(isoyear from usage_date) as integer) as iso_year,
        cast(extract(week from usage_date) as integer) as iso_week,
        cast(date_trunc('month', usage_date) as date) as month_start
    from days
)

select
    dated.source,
    dated.usage_date,
    dated.week_start,
    dated.iso_year,
    dated.iso_week,
    dated.month_start,
    published.usage_date is not null as has_usage,
    coalesce(published.is_complete, false) as is_complete,
    coalesce(weeks.is_complete, false) as week_is_complete,
    coalesce(months.is_complete, false) as month_is_complete
from dated
left join published
    on dated.source = published.source and dated.usage_date = published.usage_date
left join weeks
    on dated.source = weeks.source and dated.week_start = weeks.period_start
left join months
    on dated.source = months.source and dated.month_start = months.period_start
