-- Share of all tokens by origin and ISO week, with bounds.
select
    period_start, days_present, is_complete, origin, share, share_low, share_high, total_tokens
from share_by_origin_weekly
where lens = 'author_hq'
order by period_start, origin;
