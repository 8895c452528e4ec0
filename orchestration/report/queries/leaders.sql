-- Every origin in the latest complete week, 52 weeks earlier and in the first complete week.
with complete as (
    select * from share_by_origin_weekly where is_complete and lens = 'author_hq'
),
edges as (
    select max(period_start) as latest, min(period_start) as earliest from complete
)
select
    case
        when period_start = latest then 'latest'
        when period_start = earliest then 'first'
        else 'year_earlier'
    end as moment,
    period_start, origin, share, share_low, share_high, tokens, total_tokens, rank
from complete cross join edges
where period_start in (latest, cast(latest - interval 364 day as date), earliest)
order by period_start desc, rank nulls last, origin;
