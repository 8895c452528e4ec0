{{ share_by(ref('int_usage_by_price_band'), {'price_band': 'unpriced'}) }}
