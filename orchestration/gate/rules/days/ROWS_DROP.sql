-- severity: blocker
-- judges: source
-- title: >-
--   no complete day has fewer than {day_shape.min_rows_ratio:.0%} of the rows of the days before it
-- judged: rows_ratio
-- min: limits.day_shape.min_rows_ratio
-- limits: [day_shape.min_rows_ratio]
-- accepts_days: true
-- message: "{usage_date}: {rows} rows, the days before it have {rows_before:g}"
--
-- A dump that was cut short loses its last rows. Days that are marked incomplete already say so
-- and are not judged.
-- Only feeds of rankings are judged; they count no requests. What a company uses may come and go.
with days as (
    select source, usage_date, bool_and(is_complete) as is_complete, count(*) as rows
    from usage_daily where requests is null group by all
),
compared as (
    select *,
        median(rows) over (
            partition by source order by usage_date rows between 7 preceding and 1 preceding
        ) as rows_before
    from days
)
select source, usage_date, rows, rows_before, rows / rows_before as rows_ratio
from compared where is_complete and rows_before is not null;
