-- severity: blocker
-- judges: source
-- title: >-
--   no day is missing inside the window except those that the source never published or no longer
--   offers
-- judged: explained
-- one_of: [true]
-- limits: [known_missing_days]
-- accepts_days: true
-- rows: needed
-- message: "{usage_date}: no row of {source}"
with present as (select distinct source, usage_date from usage_daily),
ends as (
    select source, min(usage_date) as first_day, max(usage_date) as last_day
    from present group by all
),
calendar as (
    select source,
        cast(unnest(generate_series(first_day, last_day, interval 1 day)) as date) as usage_date
    from ends
),
known_by_source as (
    select unnest(map_entries(
        cast(cast(limits.known_missing_days as json) as map(varchar, date[]))
    )) as entry
    from limits
),
known as (
    select entry.key as source, unnest(entry.value) as usage_date from known_by_source
)
select calendar.source, calendar.usage_date,
    present.usage_date is not null or known.usage_date is not null
    or exists (
        select 1 from gaps
        where gaps.source = calendar.source
            and calendar.usage_date between gaps.first_day and gaps.last_day
    ) as explained
from calendar
left join present using (source, usage_date)
left join known using (source, usage_date);
