-- severity: blocker
-- title: at most {rows_per_day.max_rows} rows a day
-- judged: rows
-- min: 1
-- max: limits.rows_per_day.max_rows
-- limits: [rows_per_day.max_rows]
-- message: "{usage_date}: {rows} rows"
select source, usage_date, count(*) as rows,
    count(*) filter (where model_permaslug = 'other') as other_rows
from usage_daily where source = 'openrouter_rankings' group by all;
