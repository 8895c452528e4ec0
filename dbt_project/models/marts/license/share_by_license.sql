{{ share_by(ref('int_usage_by_license'), {'license': 'unknown'}) }}
