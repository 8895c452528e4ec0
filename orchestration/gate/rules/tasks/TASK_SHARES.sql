-- severity: warning
-- title: >-
--   shares of task tags add up to 1, and those of the models listed under a tag to no more, except
--   for the rounding of each share
-- judged: ok
-- one_of: [true]
-- message: >-
--   {window_days} days to {window_end}: shares of {what} add up to {sum_of_shares:.6f}; rounding
--   explains {slack:.6g}
--
-- A warning: an answer that does not add up is published as it arrived, and the warning says so.
with sums as (
    select window_end, window_days, 'all tags, tokens' as what, count(*) as shares,
        any_value(share_rounding) as share_rounding, sum(classified_token_share) as sum_of_shares,
        true as is_whole
    from task_usage group by all
    union all
    select window_end, window_days, 'all tags, requests' as what, count(*),
        any_value(share_rounding), sum(classified_usage_share), true
    from task_usage group by all
    union all
    select window_end, window_days, 'models of ' || tag || ', tokens' as what, models_listed,
        share_rounding, listed_token_share, false
    from task_usage
    union all
    select window_end, window_days, 'models of ' || tag || ', requests' as what, models_listed,
        share_rounding, listed_usage_share, false
    from task_usage
),
judged as (
    select *, shares * share_rounding as slack from sums
)
select *,
    sum_of_shares <= 1 + slack + 1e-9
    and (not is_whole or sum_of_shares >= 1 - slack - 1e-9) as ok
from judged;
