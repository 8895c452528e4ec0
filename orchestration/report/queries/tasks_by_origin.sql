-- Which origin the classified tokens of a use went to, in the newest window, with bounds.
select
    use, origin, window_end,
    sum(classified_token_share_low) as share_low, sum(classified_token_share_high) as share_high
from task_usage_by_origin
where lens = 'author_hq' and window_end = (select max(window_end) from task_usage_by_origin)
group by use, origin, window_end
order by use, share_low desc, origin;
