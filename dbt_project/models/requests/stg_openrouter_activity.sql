select
    'openrouter_activity' as source,
    dump_sha256,
    as_of,
    row_number,
    usage_date,
    generation_id as request_id,
    {{ with_variant('model_permaslug', 'variant') }} as model_name,
    split_part(provider_name, '/', 1) as provider_name,
    cast(null as string) as region,
    case
        when cancelled = 'true' then 'cancelled'
        when finish_reason = 'error' then 'failed'
        else 'succeeded'
    end as outcome,
    prompt_tokens,
    cache_read_tokens,
    cast(null as bigint) as cache_write_tokens,
    completion_tokens,
    reasoning_tokens,
    cost_usd,
    own_key_cost_usd
from {{ source('raw', 'openrouter_activity') }}
