-- Months whose shares change with what is known by now about unnamed models.
select
    period_start, is_complete, origin, share_then, share_high_then, share_now, share_high_now,
    because
from restated_by_origin_monthly
where lens = 'author_hq' and tokens_moved <> 0
order by period_start desc, origin;
