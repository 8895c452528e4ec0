-- The newest dump that has a day replaces all of it: answers of two interfaces, or with other
-- groups, have the same requests under other keys, and a row may be gone from a later answer.
with newest as (

    select * from {{ source('raw', 'openrouter_activity_daily') }}
    qualify
        rank() over (partition by usage_date order by as_of desc, dump_sha256 desc) = 1

)

select
    'openrouter_activity_daily' as source,
    dump_sha256,
    as_of,
    row_number,
    usage_date,
    dump_sha256 || ':' || cast(row_number as string) as request_id,
    {{ with_variant('model_permaslug', 'variant') }} as model_name,
    split_part(provider_name, '/', 1) as provider_name,
    cast(null as string) as region,
    'succeeded' as outcome,
    prompt_tokens,
    cache_read_tokens,
    cast(null as bigint) as cache_write_tokens,
    completion_tokens,
    reasoning_tokens,
    cost_usd,
    own_key_cost_usd,
    requests
from newest
