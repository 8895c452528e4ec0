with spendlogs as (

    select
        *,
        -- Without a model and a function, the request was refused before it reached one.
        coalesce(status = 'failure', false)
        or (model is null and call_type is null) as is_failed,
        -- More tokens from or to the prompt cache than there are in all: these are not among them.
        coalesce(cache_read_tokens > prompt_tokens, false) as reads_are_beside,
        coalesce(
            coalesce(cache_read_tokens, 0) + cache_write_tokens > prompt_tokens, false
        ) as writes_are_beside,
        coalesce(
            total_tokens = prompt_tokens + completion_tokens + reasoning_tokens, false
        ) as reasoning_is_beside
    from {{ source('raw', 'litellm_spendlogs') }}

)

select
    'litellm_spendlogs' as source,
    dump_sha256,
    as_of,
    row_number,
    usage_date,
    request_id,
    model as model_name,
    custom_llm_provider as provider_name,
    cast(null as string) as region,
    case
        when is_failed then 'failed'
        when lower(cache_hit) = 'true' then 'cached'
        else 'succeeded'
    end as outcome,
    prompt_tokens
    + case when reads_are_beside then cache_read_tokens else 0 end
    + case when writes_are_beside then cache_write_tokens else 0 end as prompt_tokens,
    cache_read_tokens,
    cache_write_tokens,
    completion_tokens
    + case when reasoning_is_beside then reasoning_tokens else 0 end as completion_tokens,
    -- LiteLLM may have estimated them from the text, and too many.
    case
        when reasoning_tokens > completion_tokens and not reasoning_is_beside then completion_tokens
        else reasoning_tokens
    end as reasoning_tokens,
    spend as cost_usd,
    cast(null as decimal(18, 9)) as own_key_cost_usd
from spendlogs
-- Calls of tools, files, batches and the like are no requests to a model.
where (model is not null and coalesce(call_type, '') <> 'call_mcp_tool') or is_failed
