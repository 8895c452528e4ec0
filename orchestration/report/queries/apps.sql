-- The apps of the newest window, by tokens among the apps that the source lists. Of windows that
-- end on one day, the longest.
with newest as (
    select max(window_end) as window_end, max(window_days) as window_days
    from app_usage
    where window_end = (select max(window_end) from app_usage)
)
select rank, app_name, tokens, share_of_listed, tokens_per_request, window_start, window_end
from app_usage inner join newest using (window_end, window_days)
order by rank, app_id;
