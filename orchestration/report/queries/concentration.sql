-- How many equal labs, models or origins would be as concentrated, by ISO week, with bounds.
select
    period_start, days_present, is_complete, unit, units, hhi, hhi_low, hhi_high,
    effective_number, effective_number_low, effective_number_high, top_5_share,
    top_5_share_low, top_5_share_high
from concentration_weekly
where lens in ('author_hq', 'none')
order by period_start, unit;
