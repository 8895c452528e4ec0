-- Which origin the classified tokens of a use went to, in the newest window, with bounds; the
-- largest use first.
with newest as (
    select max(window_end) as window_end
    from task_usage_by_origin
),
uses as (
    select use, sum(classified_token_share) as share
    from task_usage inner join newest using (window_end)
    group by use
)
select
    use, origin, window_end,
    sum(classified_token_share_low) as share_low, sum(classified_token_share_high) as share_high
from task_usage_by_origin inner join newest using (window_end) left join uses using (use)
where lens = 'author_hq'
group by use, uses.share, origin, window_end
order by uses.share desc nulls last, use, share_low desc, origin;
