{{ share_by(ref('int_usage_by_license'), 'daily', ['license'], 'unknown') }}
