-- What the source restated, by the dump that did it; the newest restatements first.
select
    max(usage_date) as last_day, min(usage_date) as first_day, count(*) as rows,
    min(read_after_minutes) as read_after_minutes,
    cast(sum(abs(tokens_after - tokens_before)) as bigint) as tokens,
    max(abs(origin_share_after - origin_share_before)) as largest_share_change, dump_sha256_after
from revisions
group by dump_sha256_after
order by last_day desc, first_day desc, dump_sha256_after
limit 14;
