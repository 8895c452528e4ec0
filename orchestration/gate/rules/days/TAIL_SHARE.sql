-- severity: warning
-- title: >-
--   the share of `other` is within a factor of {day_shape.warn_tail_factor} of the days before it
-- judged: tail_ratio
-- min: 1 / limits.day_shape.warn_tail_factor
-- max: limits.day_shape.warn_tail_factor
-- limits: [day_shape.warn_tail_factor]
-- message: >-
--   {usage_date}: `other` has {tail_share:.2%}, on the days before {tail_share_before:.2%}
with days as (
    select source, usage_date,
        sum(tokens) filter (where identification = 'tail') / sum(tokens) as tail_share
    from usage_daily where requests is null group by all
),
compared as (
    select *,
        median(tail_share) over (
            partition by source order by usage_date rows between 7 preceding and 1 preceding
        ) as tail_share_before
    from days
)
select source, usage_date, tail_share, tail_share_before,
    tail_share / tail_share_before as tail_ratio
from compared where tail_share > 0 and tail_share_before > 0;
