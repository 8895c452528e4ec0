-- A call of a model is a generation or an embedding, or another observation, such as an evaluator,
-- that states tokens or a cost of its own. Spans, agents and chains repeat what the calls within
-- them state. A call counts if it states tokens or a cost, or if it failed.
with counts as (

    select
        *,
        -- Some state only the total
        coalesce(usage_input, case when usage_output is null then usage_total end, 0)
            as stated_input,
        coalesce(usage_output, 0) as stated_output,
        coalesce(usage_cache_write, 0) + coalesce(usage_cache_write_by_lifetime, 0) as cache_write,
        coalesce(usage_cache_read, 0)
        + coalesce(usage_cache_write, 0)
        + coalesce(usage_cache_write_by_lifetime, 0)
        + coalesce(usage_input_by_modality, 0) as input_kinds,
        coalesce(usage_reasoning, 0) + coalesce(usage_output_by_modality, 0) as output_kinds,
        coalesce(cost_of_parts, nullif(total_cost, 0)) as cost_usd
    from {{ source('raw', 'langfuse_observations') }}

),

-- Kinds of tokens, such as those from a cache, are beside the input and output, as Langfuse defines
-- them, or part of them, as many applications send them. The total tells; what is more than its
-- side is not part of it.
placed as (

    select
        *,
        case
            when
                input_kinds <= stated_input
                and output_kinds <= stated_output
                and usage_total = stated_input + stated_output
                then 'both'
            when
                output_kinds <= stated_output
                and usage_total - stated_input - stated_output in (0, input_kinds)
                then 'output'
            when
                input_kinds <= stated_input
                and usage_total - stated_input - stated_output in (0, output_kinds)
                then 'input'
            else 'none'
        end as side_with_its_kinds
    from counts

),

added as (

    select
        *,
        stated_input
        + case when side_with_its_kinds in ('both', 'input') then 0 else input_kinds end
            as prompt_tokens,
        stated_output
        + case when side_with_its_kinds in ('both', 'output') then 0 else output_kinds end
            as completion_tokens
    from placed

)

select
    'langfuse_observations' as source,
    dump_sha256,
    as_of,
    row_number,
    usage_date,
    id as request_id,
    model as model_name,
    cast(null as string) as provider_name,
    cast(null as string) as region,
    case when level = 'ERROR' then 'failed' else 'succeeded' end as outcome,
    prompt_tokens,
    usage_cache_read as cache_read_tokens,
    cache_write as cache_write_tokens,
    completion_tokens,
    usage_reasoning as reasoning_tokens,
    cost_usd,
    cast(null as decimal(18, 9)) as own_key_cost_usd
from added
where
    type not in ('SPAN', 'EVENT', 'AGENT', 'CHAIN')
    and (
        prompt_tokens + completion_tokens > 0
        or cost_usd > 0
        or (level = 'ERROR' and type in ('GENERATION', 'EMBEDDING'))
    )
