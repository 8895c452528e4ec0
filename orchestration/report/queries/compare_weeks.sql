-- Tokens and shares of every origin and lab in every ISO week: what the page compares two of.
select
    'origin' as share_of, period_start, is_complete, total_tokens, origin as id, origin as name,
    origin, tokens, share, share_low, share_high
from share_by_origin_weekly
where lens = 'author_hq'
union all
select
    'lab', period_start, is_complete, total_tokens, lab_id, lab_name, origin, tokens, share,
    share_low, share_high
from share_by_lab_weekly
where lens = 'author_hq' and lab_id <> 'unidentified'
order by period_start, share_of, id;
