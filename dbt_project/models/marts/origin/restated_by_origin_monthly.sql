{{ restated_by_origin('monthly') }}
