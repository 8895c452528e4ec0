-- severity: blocker
-- judges: source
-- title: >-
--   no day is missing inside the window, or inside the newest dump around it, except those that the
--   source never published or no longer offers
-- judged: explained
-- one_of: [true]
-- limits: [known_missing_days]
-- accepts_days: true
-- rows: needed
-- message: "{usage_date}: no row of {source} in {lacking}"
--
-- Only feeds of rankings are judged; they count no requests. What a company uses may come and go.
-- A dump that has days before and after a day lacks the day itself if the day comes from an older
-- one: what was read before is not the newest word.
with present as (
    select source, usage_date, any_value(dump_sha256) as dump_sha256,
        usage_date + to_minutes(any_value(read_after_minutes)) as as_of
    from usage_daily where requests is null group by source, usage_date
),
dumps as (
    select source, dump_sha256, min(usage_date) as first_day, max(usage_date) as last_day,
        max(as_of) as as_of
    from present group by all
),
skipped as (
    select present.source, present.usage_date,
        'dump ' || max_by(dumps.dump_sha256, dumps.as_of)[:12] as dump
    from present
    inner join dumps
        on present.source = dumps.source
        and present.as_of < dumps.as_of
        and present.usage_date between dumps.first_day and dumps.last_day
    group by all
),
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
    coalesce(skipped.dump, 'any dump') as lacking,
    (present.usage_date is not null and skipped.dump is null)
    or known.usage_date is not null
    or exists (
        select 1 from gaps
        where gaps.source = calendar.source
            and calendar.usage_date between gaps.first_day and gaps.last_day
    ) as explained
from calendar
left join present using (source, usage_date)
left join skipped using (source, usage_date)
left join known using (source, usage_date);
