-- Every origin in the latest complete week, 52 weeks earlier and in the first complete week, with
-- the registry as known then and as known now: there is one share for both if nothing has been
-- learned since.
with complete as (
    select
        period_start, origin, total_tokens, because,
        coalesce(share_then, share) as share_then,
        coalesce(share_high_then, share_high) as share_high_then,
        coalesce(share_now, share) as share_now,
        coalesce(share_high_now, share_high) as share_high_now
    from share_by_origin_weekly
    full join restated_by_origin_weekly
        using (source, period_start, is_complete, lens, origin, total_tokens)
    where is_complete and lens = 'author_hq'
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
    complete.*
from complete cross join edges
where period_start in (latest, cast(latest - interval 364 day as date), earliest)
order by period_start desc, origin = 'unidentified', share_then desc, share_now desc, origin;
