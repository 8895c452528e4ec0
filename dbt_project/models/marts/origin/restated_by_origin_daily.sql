{{ restated_by_origin('daily') }}
