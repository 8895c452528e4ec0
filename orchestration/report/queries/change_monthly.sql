-- The four terms of each origin, month on month, latest first.
select
    period_start_from, period_start_to, origin, sum(share_to) as share_to,
    sum(delta_share) as delta_share, sum(entrants) as entrants, sum(leavers) as leavers,
    sum(within_lab) as within_lab, sum(between_lab) as between_lab
from share_change
where pair_kind = 'month_on_month'
group by period_start_from, period_start_to, origin
order by period_start_to desc, origin;
