{{ share_by(ref('int_usage_by_price_band'), 'daily', ['price_band'], 'unpriced') }}
