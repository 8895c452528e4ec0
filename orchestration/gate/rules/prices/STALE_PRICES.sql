-- severity: warning
-- title: >-
--   at most {price_freshness.warn_stale_share:.0%} of a complete month's priced tokens rest on
--   prices that were last seen more than {price_freshness.fresh_days} days before
-- judged: stale_share
-- max: limits.price_freshness.warn_stale_share
-- limits: [price_freshness.warn_stale_share, price_freshness.fresh_days]
-- message: >-
--   month of {period_start}: {stale_share:.4f} of the priced tokens rest on stale prices
--   ({priced_stale_tokens:,} of {priced_tokens:,}); land the catalogue /api/v1/models
select source, period_start, priced_tokens, priced_stale_tokens,
    priced_stale_tokens / priced_tokens as stale_share
from price_coverage_monthly where is_complete and priced_tokens > 0;
