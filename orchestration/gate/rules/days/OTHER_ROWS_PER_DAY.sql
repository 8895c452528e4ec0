-- severity: blocker
-- title: at most {rows_per_day.max_other_rows} row `other` a day
-- judged: other_rows
-- max: limits.rows_per_day.max_other_rows
-- limits: [rows_per_day.max_other_rows]
-- message: "{usage_date}: {other_rows} rows `other`"
select source, usage_date, count(*) as rows,
    count(*) filter (where model_permaslug = 'other') as other_rows
from usage_daily where source = 'openrouter_rankings' group by all;
