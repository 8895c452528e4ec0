-- Every period that the explorer can show: all weeks and months, and the newest 91 days of each
-- source (13 weeks; more would double the page).
with periods as (
    select
        source,
        'daily' as grain,
        period_start,
        days_present,
        is_complete,
        total_tokens
    from share_by_origin_daily
    where lens = 'author_hq'
    group by all
    union all
    select
        source,
        'weekly' as grain,
        period_start,
        days_present,
        is_complete,
        total_tokens
    from share_by_origin_weekly
    where lens = 'author_hq'
    group by all
    union all
    select
        source,
        'monthly' as grain,
        period_start,
        days_present,
        is_complete,
        total_tokens
    from share_by_origin_monthly
    where lens = 'author_hq'
    group by all
)

select *
from periods
qualify grain <> 'daily' or dense_rank() over (
    partition by source, grain order by period_start desc
) <= 91
order by source, grain, period_start
