-- severity: blocker
-- judges: source
-- title: >-
--   every day's total is within a factor of {day_total.max_factor} of the median of the
--   {day_total.neighbors} days before it (the days after it, at the start of the window)
-- judged: ratio
-- min: 1 / limits.day_total.max_factor
-- max: limits.day_total.max_factor
-- limits: [day_total.max_factor, day_total.neighbors, day_total.min_neighbors]
-- accepts_days: true
-- message: >-
--   {usage_date}: {total_tokens:,} tokens are {ratio:.3g} times the median of the neighboring days
--   ({neighbors_median:,})
--
-- Only feeds of rankings are judged; they count no requests. What a company uses may come and go.
with totals as (
    select source, usage_date, sum(tokens) as total_tokens from usage_daily
    where requests is null group by all
),
numbered as (
    select *, row_number() over (partition by source order by usage_date) as n from totals
),
compared as (
    select day.source, day.usage_date, day.total_tokens,
        median(neighbor.total_tokens) as neighbors_median
    from numbered as day
    cross join limits
    left join numbered as neighbor
        on day.source = neighbor.source
        and case
            when day.n > limits.day_total.min_neighbors
                then neighbor.n between day.n - limits.day_total.neighbors and day.n - 1
            else neighbor.n between day.n + 1 and day.n + limits.day_total.neighbors
        end
    group by all
)
select source, usage_date, total_tokens, cast(neighbors_median as bigint) as neighbors_median,
    total_tokens / nullif(neighbors_median, 0) as ratio
from compared
where neighbors_median is not null;
