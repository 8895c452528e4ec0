-- What differs from the previous vintage, by cause.
select
    previous_vintage_id, cause, count(*) as rows, min(usage_date) as first_day,
    max(usage_date) as last_day, cast(sum(abs(tokens_after - tokens_before)) as bigint) as tokens,
    max(abs(origin_share_after - origin_share_before)) as largest_share_change
from revisions
group by previous_vintage_id, cause
order by tokens desc, cause;
