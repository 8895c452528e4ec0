{{ price_by(ref('spend_by_origin_monthly'), ['origin']) }}
