{{ share_by(
    ref('int_usage_by_lens'), 'monthly', ['lab_id', 'lab_name', 'origin'], 'unidentified'
) }}
