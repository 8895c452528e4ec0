{{ share_by(ref('int_usage_by_price_band'), 'monthly', ['price_band'], 'unpriced') }}
