-- severity: blocker
-- judges: source
-- title: >-
--   at least {price_coverage.min_monthly_share:.0%} of the attributed tokens of a complete month
--   before the newest catalogue, with one in its first week, have a price on their day
-- judged: priced_share
-- min: limits.price_coverage.min_monthly_share
-- limits: [price_coverage.min_monthly_share]
-- accepts_days: true
-- message: >-
--   month of {usage_date}: {priced_share:.4f} of the attributed tokens have a price; land the
--   catalogue /api/v1/models of these days
--
-- Later months bring models that no landed catalogue can price, and so do months that began without
-- one, which nobody can land any more: a warning (PRICE_COVERAGE).
-- Only feeds of rankings are judged; they count no requests. What a company uses may come and go.
with readings as (
    select unnest([valid_from, valid_to, last_seen_on]) as read_on
    from price_history
    where price_source in ('openrouter_models', 'openrouter_catalogue')
)
select source, period_start as usage_date,
    attributed_tokens - priced_attributed_tokens as unpriced_tokens,
    priced_attributed_tokens / attributed_tokens as priced_share
from price_coverage_monthly
where is_complete and attributed_tokens > 0
    and source not in (
        select usage_daily.source from usage_daily where requests is not null
    )
    and last_day(period_start) <= (select max(read_on) from readings)
    and exists (from readings where read_on between period_start and period_start + 6);
