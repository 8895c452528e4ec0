-- severity: blocker
-- judges: source
-- title: every week has at least {labs.min_per_week} labs with tokens
-- judged: labs
-- min: limits.labs.min_per_week
-- limits: [labs.min_per_week]
-- rows: needed
-- message: "week of {period_start}: {labs} labs with tokens"
--
-- Only feeds of rankings are judged; they count no requests. What a company uses may come and go.
select source, period_start,
    count(*) filter (where lab_id <> 'unidentified' and tokens > 0) as labs
from share_by_lab_weekly
where lens = 'author_hq'
    and source not in (select source from usage_daily where requests is not null)
group by all;
