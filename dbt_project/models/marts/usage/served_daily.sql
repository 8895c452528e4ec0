-- Who served what of a company's own usage. The country is that of the provider's headquarters.
with usage as (

    select
        *,
        prompt_tokens * prompt_e18 + completion_tokens * completion_e18 as list_e18
    from {{ ref('int_usage_priced') }}
    -- Only a request log counts requests.
    where requests is not null

)

select
    source,
    usage_date,
    model_permaslug,
    coalesce(provider_id, 'unidentified') as provider_id,
    coalesce(max(provider_name), 'Unidentified') as provider_name,
    coalesce(serving_headquarters, 'unidentified') as serving_country,
    coalesce(headquarters, 'unidentified') as origin,
    license,
    cast(sum(tokens) as bigint) as tokens,
    cast(sum(requests) as bigint) as requests,
    cast(sum(prompt_tokens) as bigint) as prompt_tokens,
    cast(sum(completion_tokens) as bigint) as completion_tokens,
    case when count(*) = count(cost_usd) then cast(sum(cost_usd) as decimal(18, 9)) end as cost_usd,
    case
        when bool_and(is_priced)
            then cast({{ usd('cast(sum(list_e18) as decimal(38, 0))') }} as decimal(18, 9))
    end as list_cost_usd
from usage
group by
    source, usage_date, model_permaslug, provider_id, serving_headquarters, headquarters, license
