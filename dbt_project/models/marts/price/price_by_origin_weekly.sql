{{ price_by(ref('spend_by_origin_weekly'), ['origin']) }}
