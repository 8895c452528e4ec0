-- severity: blocker
-- judges: source
-- title: >-
--   at least {price_coverage.min_monthly_share:.0%} of the attributed tokens of a complete month
--   before the newest catalogue have a price on their day
-- judged: priced_share
-- min: limits.price_coverage.min_monthly_share
-- limits: [price_coverage.min_monthly_share]
-- accepts_days: true
-- message: >-
--   month of {usage_date}: {priced_share:.4f} of the attributed tokens have a price; land the
--   catalogue /api/v1/models of these days
--
-- Later months bring models that no landed catalogue can price: a warning (PRICE_COVERAGE).
-- Only feeds of rankings are judged; they count no requests. What a company uses may come and go.
with catalogue as (
    select max(greatest(valid_from, coalesce(valid_to, valid_from))) as newest_day
    from price_history
    where price_source in ('openrouter_models', 'openrouter_catalogue')
)
select source, period_start as usage_date,
    attributed_tokens - priced_attributed_tokens as unpriced_tokens,
    priced_attributed_tokens / attributed_tokens as priced_share
from price_coverage_monthly
inner join catalogue on last_day(period_start) <= catalogue.newest_day
where is_complete and attributed_tokens > 0
    and source in (select usage_daily.source from usage_daily where requests is null);
