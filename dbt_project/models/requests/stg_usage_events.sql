{% set counts = [
    'prompt_tokens', 'cache_read_tokens', 'cache_write_tokens',
    'completion_tokens', 'reasoning_tokens',
] %}

select
    'usage_events' as source,
    dump_sha256,
    as_of,
    row_number,
    usage_date,
    request_id,
    model as model_name,
    provider as provider_name,
    region,
    coalesce(status, 'succeeded') as outcome,
    {{ prompt_tokens(*counts) }} as prompt_tokens,
    cache_read_tokens,
    cache_write_tokens,
    {{ completion_tokens(*counts) }} as completion_tokens,
    reasoning_tokens,
    cost_usd,
    own_key_cost_usd
from {{ source('raw', 'usage_events') }}
