with spans as (

    select
        *,
        coalesce(gateway = 'openrouter', false) or server is not null as is_openrouter
    from {{ source('raw', 'otlp') }}

),

-- Agents, chains and the outer spans of the AI SDK repeat what their children used; the children of
-- OpenRouter's generations repeat those.
calls as (

    select
        *,
        is_openrouter and coalesce(span_name, '') = 'LLM Generation' as is_generation
    from spans
    where
        lower(coalesce(operation, '')) not in (
            'invoke_agent', 'invoke_workflow', 'agent', 'chain', 'tool', 'span', 'event'
        )
        and not (coalesce(operation, '') like 'ai.%' and operation not like '%.do%')
        and coalesce(span_name, '') <> 'agent run'
        and not (
            is_openrouter
            and parent_span_id is not null
            and coalesce(span_name, '') in ('provider attempt', 'generation', 'moderation')
        )

),

generations as (

    select * from calls
    where is_generation

),

-- Of the spans that an application and OpenRouter have of one request, OpenRouter's states who
-- served it and what it cost. Of two nested calls the inner one is an attempt of the outer one.
others as (

    select calls.* from calls
    where
        not calls.is_generation
        and not exists (
            select 1 from generations
            where
                generations.usage_date = calls.usage_date
                and generations.generation_id = calls.generation_id
        )
        and not exists (
            select 1 from generations
            where
                generations.usage_date = calls.usage_date
                and generations.trace_id = calls.trace_id
                and generations.parent_span_id = calls.span_id
        )
        and not exists (
            select 1 from calls as outer_calls
            where
                outer_calls.usage_date = calls.usage_date
                and outer_calls.trace_id = calls.trace_id
                and outer_calls.span_id = calls.parent_span_id
        )

),

counted as (

    select * from generations
    union all
    select * from others

),

stated as (

    select
        *,
        coalesce(cache_read_tokens, 0) as cache_read,
        coalesce(cache_write_tokens, 0) as cache_write,
        coalesce(reasoning_tokens, 0) as reasoning,
        total_tokens - input_tokens - coalesce(output_tokens, 0) as beside
    from counted

),

-- The cache is beside the input if the total says so, or if it is larger than the input.
with_cache as (

    select
        *,
        case
            when beside in (cache_read + cache_write, cache_read + cache_write + reasoning)
                then cache_read + cache_write
            when beside = cache_read and cache_write <= input_tokens then cache_read
            when cache_read + cache_write > input_tokens then cache_read + cache_write
            else 0
        end as cache_beside
    from stated

)

select
    'otlp' as source,
    dump_sha256,
    as_of,
    row_number,
    usage_date,
    coalesce(generation_id, trace_id || ':' || span_id) as request_id,
    case
        -- LiteLLM answers under the name that was asked for, not under that of the model.
        when gateway = 'litellm' then coalesce(request_model, response_model)
        else coalesce(response_model, request_model)
    end as model_name,
    case
        when is_openrouter then server
        -- Older instruments name themselves here.
        when
            lower(provider) not in (
                'strands-agents', 'langchain', 'langgraph', 'llama_index', 'llamaindex', 'crewai',
                'autogen', 'spring_ai', 'pydantic-ai', 'gcp.vertex.agent', 'agno', 'haystack',
                '_other'
            )
            then provider
    end as provider_name,
    -- A country or a region, in AWS's and Google's names, then in Azure's; not a quantization.
    case
        when
            {{ matches(
                "split_part(server_slug, '/', 2)",
                '^(global|europe|[a-z]{2}|[a-z]{2,12}(-gov)?-[a-z]+-?[0-9]+'
                ~ '|[a-z]*(central|east|north|south|west)(asia|europe|india|us)?[0-9]?)$'
            ) }}
            then split_part(server_slug, '/', 2)
    end as region,
    case
        when is_test then 'test'
        when is_cache_hit then 'cached'
        when has_failed then 'failed'
        when is_openrouter and finish_reason is null and cost_usd = 0 then 'cancelled'
        else 'succeeded'
    end as outcome,
    input_tokens + cache_beside as prompt_tokens,
    cache_read_tokens,
    cache_write_tokens,
    case
        when reasoning > 0 and beside - cache_beside = reasoning then output_tokens + reasoning
        else output_tokens
    end as completion_tokens,
    -- Without any completion tokens they are a part of nothing.
    case when output_tokens is not null then reasoning_tokens end as reasoning_tokens,
    -- LiteLLM states the price of an answer from its cache, which it did not pay.
    case when is_cache_hit then 0 else cost_usd end as cost_usd,
    cast(null as decimal(18, 9)) as own_key_cost_usd
from with_cache
