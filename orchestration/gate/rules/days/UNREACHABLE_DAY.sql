-- severity: warning
-- title: no day inside the window is one that its source no longer offers
-- judged: is_there
-- one_of: [true]
-- message: "{usage_date}: {source} has no row: {reason}"
--
-- A pull found these days to be unreachable. A dump that has them, landed later, ends the warning.
with present as (select distinct source, usage_date from usage_daily),
ends as (
    select source, min(usage_date) as first_day, max(usage_date) as last_day
    from present group by all
),
unreachable as (
    select source, min(reason) as reason,
        cast(
            unnest(generate_series(first_day, last_day, interval 1 day)) as date
        ) as usage_date
    from gaps group by source, first_day, last_day
)
select unreachable.source, unreachable.usage_date, min(unreachable.reason) as reason,
    bool_or(present.usage_date is not null) as is_there
from unreachable
inner join ends
    on unreachable.source = ends.source
    and unreachable.usage_date between ends.first_day and ends.last_day
left join present
    on unreachable.source = present.source and unreachable.usage_date = present.usage_date
group by unreachable.source, unreachable.usage_date;
