{{ share_by(
    ref('int_usage_by_lens'), {'lab_id': 'unidentified'}, attributes=['lab_name', 'origin']
) }}
