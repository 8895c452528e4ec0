-- severity: blocker
-- judges: source
-- title: >-
--   at most {repeated_day.max_same_share:.0%} of the rows of a day repeat the tokens of one of the
--   {repeated_day.days_before} days before it
-- judged: same_share
-- max: limits.repeated_day.max_same_share
-- limits: [repeated_day.days_before, repeated_day.max_same_share]
-- accepts_days: true
-- message: >-
--   {usage_date}: {same_rows} of {rows} rows have exactly the tokens of {repeated_date}; was the day
--   copied?
--
-- Only feeds of rankings are judged; they count no requests. What a company uses may come and go.
with usage as (
    select source, usage_date, model_permaslug, tokens from usage_daily
    where tokens > 0 and requests is null
),
repeated as (
    select day.source, day.usage_date, before.usage_date as repeated_date, count(*) as same_rows
    from usage as day
    cross join limits
    inner join usage as before
        on day.source = before.source
        and day.model_permaslug = before.model_permaslug
        and day.tokens = before.tokens
        and before.usage_date
            between day.usage_date - cast(limits.repeated_day.days_before as integer)
            and day.usage_date - 1
    group by all
),
worst as (
    select source, usage_date, max(same_rows) as same_rows,
        max_by(repeated_date, same_rows) as repeated_date
    from repeated group by source, usage_date
),
days as (select source, usage_date, count(*) as rows from usage group by all)
select source, usage_date, rows, coalesce(same_rows, 0) as same_rows, repeated_date,
    coalesce(same_rows, 0) / rows as same_share
from days left join worst using (source, usage_date);
