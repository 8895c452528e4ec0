{{ gateway_comparison(ref('share_by_origin'), 'origin') }}
