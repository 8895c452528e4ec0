-- Weeks and months only: windows that claims ask for are not periods of a series.
select
    case when window_kind = 'iso_week' then 'weekly' else 'monthly' end as grain,
    source,
    rule_set,
    window_kind,
    group_name,
    window_start as period_start,
    days_present,
    is_complete,
    tokens,
    total_tokens,
    share,
    share_low,
    share_high,
    universe,
    denominator,
    lens,
    registry_view
from {{ ref('int_rule_set_shares') }}
where window_kind in ('iso_week', 'month_sum', 'month_mean_of_weeks')
