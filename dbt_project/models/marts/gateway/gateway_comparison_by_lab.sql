{{ gateway_comparison(ref('share_by_lab'), 'lab_id', ['lab_name', 'origin']) }}
