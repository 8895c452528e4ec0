-- severity: warning
-- title: >-
--   at least {price_coverage.warn_monthly_share:.0%} of a complete month's attributed tokens have a
--   price on their day
-- judged: priced_share
-- min: limits.price_coverage.warn_monthly_share
-- limits: [price_coverage.warn_monthly_share]
-- message: >-
--   month of {usage_date}: {priced_share:.4f} of the attributed tokens have a price,
--   {unpriced_tokens:,} have none; model_match says which models
select source, period_start as usage_date,
    attributed_tokens - priced_attributed_tokens as unpriced_tokens,
    priced_attributed_tokens / attributed_tokens as priced_share
from price_coverage_monthly where is_complete and attributed_tokens > 0;
