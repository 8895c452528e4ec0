-- The labs in order of their share of the latest complete week.
with latest as (
    select max(period_start) as period_start
    from share_by_lab_weekly
    where is_complete and lens = 'author_hq'
)
select lab_id, lab_name, origin, share, share_low, share_high, rank, tokens, period_start
from share_by_lab_weekly inner join latest using (period_start)
where lens = 'author_hq' and lab_id <> 'unidentified'
order by rank, lab_id;
