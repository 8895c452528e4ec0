-- What changed each origin's share, lab by lab, in four terms that add up: year on year if
-- there is a year, otherwise the latest month against the one before.
with chosen as (
    select change_id
    from share_change
    where is_complete and pair_kind in ('year_on_year', 'month_on_month')
    order by
        case change_id when 'year_on_year_weekly' then 1 when 'year_on_year_monthly' then 2 else 3 end,
        period_start_to desc
    limit 1
)
select
    change_id, grain, period_start_from, period_start_to, origin, lab_id, lab_name, share_from,
    share_to, delta_share, entrants, leavers, within_lab, between_lab, models_entered,
    models_left,
    row_number() over (partition by origin order by abs(delta_share) desc, lab_id) as size_order
from share_change inner join chosen using (change_id)
order by origin, size_order;
