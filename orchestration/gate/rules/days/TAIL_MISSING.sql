-- severity: blocker
-- judges: source
-- title: no complete day lacks the row `other` if the days before it have it
-- judged: ok
-- one_of: [true]
-- accepts_days: true
-- message: "{usage_date}: no row `other`; was the dump cut short?"
--
-- Without its tail the day would look identified. Days that are marked incomplete already say so
-- and are not judged. Only feeds of rankings are judged; the tail of a log are small cells.
with days as (
    select source, usage_date, bool_and(is_complete) as is_complete,
        count(*) filter (where identification = 'tail') as tail_rows
    from usage_daily where requests is null group by all
),
compared as (
    select *,
        min(tail_rows) over (
            partition by source order by usage_date rows between 7 preceding and 1 preceding
        ) as tail_rows_before
    from days
)
select source, usage_date, tail_rows >= least(tail_rows_before, 1) as ok
from compared
where is_complete and tail_rows_before is not null;
