{%- set columns = ['source', 'usage_date', 'license', 'tokens'] -%}
{{ share_by(
    '(' ~ by_lens(ref('int_usage_identified'), columns) ~ ')',
    {'origin': 'unidentified', 'license': 'unknown'}
) }}
