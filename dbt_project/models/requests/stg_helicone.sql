-- Helicone takes cached, audio and reasoning tokens out of the prompt and the completion, whatever
-- the provider does. It also logs calls of tools and vector databases, and polls of assistants,
-- which are no calls of models.
select
    'helicone' as source,
    dump_sha256,
    as_of,
    row_number,
    usage_date,
    request_id,
    model as model_name,
    provider as provider_name,
    cast(null as string) as region,
    case
        when is_cached then 'cached'
        when response_status = -3 then 'cancelled'
        when response_status not between 200 and 299 then 'failed'
        else 'succeeded'
    end as outcome,
    coalesce(prompt_tokens, 0)
    + coalesce(prompt_cache_read_tokens, 0)
    + coalesce(prompt_cache_write_tokens, 0)
    + coalesce(prompt_audio_tokens, 0) as prompt_tokens,
    prompt_cache_read_tokens as cache_read_tokens,
    prompt_cache_write_tokens as cache_write_tokens,
    coalesce(completion_tokens, 0)
    + coalesce(completion_audio_tokens, 0)
    + coalesce(reasoning_tokens, 0) as completion_tokens,
    reasoning_tokens,
    nullif(cost, 0) as cost_usd,
    cast(null as decimal(18, 9)) as own_key_cost_usd
from {{ source('raw', 'helicone') }}
where
    coalesce(model, '') not in ('vector_db', 'assistant-polling')
    and coalesce(model, '') not like 'tool:%'
