-- Days, rows and tokens behind the report.
select
    min(usage_date) as first_day, max(usage_date) as last_day,
    count(distinct usage_date) as days, count(*) as rows, sum(tokens) as tokens,
    count(distinct usage_date) filter (where not is_complete) as incomplete_days,
    string_agg(distinct usage_date, ', ' order by usage_date) filter (where not is_settled)
        as unsettled_days
from usage_daily;
