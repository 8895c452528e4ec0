-- The tasks of the newest window, by tokens among what the source could classify.
select
    tag, display_name, use, token_share, usage_share, listed_token_share, window_start, window_end
from task_usage
where window_end = (select max(window_end) from task_usage)
order by token_share desc, tag;
