-- A request that a guardrail blocked before the model has 0 tokens and no error: no model answered.
select
    'bedrock_invocations' as source,
    dump_sha256,
    as_of,
    row_number,
    usage_date,
    request_id,
    model_id as model_name,
    'Amazon Bedrock' as provider_name,
    coalesce(inference_region, region) as region,
    case
        when error_code is not null then 'failed'
        when
            input_tokens = 0
            and output_tokens = 0
            and coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0) = 0
            then 'failed'
        else 'succeeded'
    end as outcome,
    -- The log counts the cache beside the input.
    case
        when coalesce(input_tokens, cache_read_tokens, cache_write_tokens) is not null
            then
                coalesce(input_tokens, 0)
                + coalesce(cache_read_tokens, 0)
                + coalesce(cache_write_tokens, 0)
    end as prompt_tokens,
    cache_read_tokens,
    cache_write_tokens,
    output_tokens as completion_tokens,
    cast(null as bigint) as reasoning_tokens,
    cast(null as decimal(18, 9)) as cost_usd,
    cast(null as decimal(18, 9)) as own_key_cost_usd
from {{ source('raw', 'bedrock_invocations') }}
