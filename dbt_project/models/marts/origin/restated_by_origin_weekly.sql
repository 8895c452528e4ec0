{{ restated_by_origin('weekly') }}
