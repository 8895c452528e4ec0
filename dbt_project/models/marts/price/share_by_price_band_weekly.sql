{{ share_by(ref('int_usage_by_price_band'), 'weekly', ['price_band'], 'unpriced') }}
