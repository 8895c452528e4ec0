{{ share_by(ref('int_usage_by_lens'), 'monthly', ['origin'], 'unidentified') }}
