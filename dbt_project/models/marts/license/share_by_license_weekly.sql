{{ share_by(ref('int_usage_by_license'), 'weekly', ['license'], 'unknown') }}
