-- severity: blocker
-- judges: source
-- title: >-
--   days that are {restatement.judged_after_days} days older than the newest moved by at most
--   {restatement.max_relative_change:.1%} since the previous vintage, model by model
-- judged: relative_change
-- max: limits.restatement.max_relative_change
-- limits: [restatement.judged_after_days, restatement.max_relative_change]
-- accepts_days: true
-- message: >-
--   {usage_date}: {tokens_before:,} tokens in the previous vintage, {tokens_now:,} now
--   ({relative_change:.3g} of them moved)
--
-- Only feeds of rankings are judged; they count no requests. What a company uses may come and go.
with judged as (
    select source, min(usage_date) as oldest_day,
        max(usage_date) - cast(any_value(limits.restatement.judged_after_days) as integer)
            as newest_day
    from previous_usage_daily cross join limits
    where requests is null
    group by source
),
compared as (
    select source, usage_date, coalesce(before.tokens, 0) as tokens_before,
        coalesce(now.tokens, 0) as tokens_now
    from previous_usage_daily as before
    full outer join usage_daily as now using (source, usage_date, model_permaslug)
)
select source, usage_date, sum(tokens_before) as tokens_before, sum(tokens_now) as tokens_now,
    sum(abs(tokens_now - tokens_before)) / nullif(sum(tokens_before), 0) as relative_change
from compared
inner join judged using (source)
where usage_date between oldest_day and newest_day
group by all
having sum(tokens_before) > 0;
