-- Weekly share of the eight labs that lead the latest complete week.
with latest as (
    select max(period_start) as period_start
    from share_by_lab_weekly
    where is_complete and lens = 'author_hq'
),
leaders as (
    select lab_id
    from share_by_lab_weekly inner join latest using (period_start)
    where lens = 'author_hq' and lab_id <> 'unidentified'
    order by rank, lab_id
    limit 8
)
select period_start, days_present, is_complete, lab_name, share
from share_by_lab_weekly inner join leaders using (lab_id)
where lens = 'author_hq'
order by period_start, lab_name;
