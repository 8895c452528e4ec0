-- severity: warning
-- title: tokens without a price are at most {unpriced.warn_monthly_share:.0%} of a month
-- judged: unpriced_share
-- max: limits.unpriced.warn_monthly_share
-- limits: [unpriced.warn_monthly_share]
-- rows: needed
-- message: "month of {period_start}: {unpriced_share:.4f} of all tokens have no price"
select source, period_start,
    coalesce(sum(share) filter (where price_band = 'unpriced'), 0) as unpriced_share
from share_by_price_band_monthly group by all;
