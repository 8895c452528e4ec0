-- severity: warning
-- title: >-
--   every model that had {registry.model_row_from_daily_share:.1%} of a day has a row in the
--   registry
-- judged: ok
-- one_of: [true]
-- limits: [registry.model_row_from_daily_share]
-- message: "{base_slug}: had up to {largest_share:.3%} of a day and has no row in models.csv"
with days as (
    select source, usage_date, sum(tokens) as total_tokens from usage_daily group by all
),
models as (
    select source, usage_date, base_slug, sum(tokens) as day_tokens
    from usage_daily where identification not in ('tail', 'router') group by all
),
shares as (
    select source, base_slug, max(day_tokens / total_tokens) as largest_share
    from models inner join days using (source, usage_date)
    group by all
),
known as (select distinct base_slug, true as ok from registry_models)
select source, base_slug, largest_share, coalesce(ok, false) as ok
from shares
cross join limits
left join known using (base_slug)
where largest_share >= limits.registry.model_row_from_daily_share;
