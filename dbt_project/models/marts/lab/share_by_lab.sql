{{ share_by(
    ref('int_usage_by_lens'), ['lab_id', 'lab_name', 'origin'], unknown='unidentified'
) }}
