-- The tasks of the newest window, by tokens among what the source could classify.
select
    tag, display_name, use, classified_token_share, classified_usage_share, listed_token_share,
    window_start, window_end
from task_usage
where window_end = (select max(window_end) from task_usage)
order by classified_token_share desc, tag;
