-- Who served what of a company's own usage, where, and what it cost. The list states two prices
-- that tell caching from discounts: that of a prompt token, and that of one that was read from or
-- written to a prompt cache.
with usage as (

    select * from {{ ref('int_usage_priced') }}
    -- Only a request log counts requests.
    where requests is not null

),

cache_prices as (

    select
        model_permaslug,
        price_kind,
        valid_from,
        valid_to,
        {{ e18_per_token('usd_per_million_tokens') }} as e18_per_token
    from {{ ref('price_history') }}
    where price_kind in ('input_cache_read', 'input_cache_write')

),

regions as (

    select * from {{ ref('cloud_regions') }}

),

-- A region's name says where it is, unless the provider is a cloud that means another place by it.
named_regions as (

    select
        region,
        country
    from regions
    where country is not null
    union
    -- A log may state the country itself.
    select
        lower(code) as region,
        code as country
    from {{ source('raw', 'countries') }}

),

valued as (

    select
        usage.*,
        usage.prompt_tokens * usage.prompt_e18
        + usage.completion_tokens * usage.completion_e18 as list_e18,
        {% for kind in ['read', 'write'] -%}
        -- NULL if the list states no price for these tokens
        case
            when usage.cache_{{ kind }}_tokens = 0 or usage.variant = 'free' then 0
            else usage.cache_{{ kind }}_tokens * (usage.prompt_e18 - {{ kind }}s.e18_per_token)
        end as {{ kind }}_saved_e18,
        {% endfor -%}
        case when own_regions.cloud is null then named_regions.country else own_regions.country end
            as served_in
    from usage
    {% for kind in ['read', 'write'] -%}
    left join cache_prices as {{ kind }}s
        on
            usage.model_permaslug = {{ kind }}s.model_permaslug
            and {{ kind }}s.price_kind = 'input_cache_{{ kind }}'
            and {{ valid_on('usage.usage_date', kind ~ 's.valid_from', kind ~ 's.valid_to') }}
    {% endfor -%}
    left join regions as own_regions
        on usage.provider_id = own_regions.cloud and usage.region = own_regions.region
    left join named_regions on usage.region = named_regions.region

),

summed as (

    select
        source,
        usage_date,
        model_permaslug,
        coalesce(provider_id, 'unidentified') as provider_id,
        coalesce(max(provider_name), 'Unidentified') as provider_name,
        coalesce(region, 'unidentified') as region,
        coalesce(headquarters, 'unidentified') as origin,
        coalesce(serving_headquarters, 'unidentified') as serving_headquarters,
        coalesce(served_in, 'unidentified') as served_in,
        license,
        cast(sum(tokens) as bigint) as tokens,
        cast(sum(requests) as bigint) as requests,
        cast(sum(prompt_tokens) as bigint) as prompt_tokens,
        cast(sum(cache_read_tokens) as bigint) as cache_read_tokens,
        cast(sum(cache_write_tokens) as bigint) as cache_write_tokens,
        cast(sum(completion_tokens) as bigint) as completion_tokens,
        case when count(*) = count(cost_usd) then cast(sum(cost_usd) as decimal(18, 9)) end
            as cost_usd,
        cast(sum(own_key_cost_usd) as decimal(18, 9)) as own_key_cost_usd,
        case
            when bool_and(is_priced)
                then cast({{ usd('cast(sum(list_e18) as decimal(38, 0))') }} as decimal(18, 9))
        end as list_cost_usd,
        case
            when bool_and(is_priced) and count(*) = count(read_saved_e18 + write_saved_e18)
                then cast(
                    {{ usd('cast(sum(read_saved_e18 + write_saved_e18) as decimal(38, 0))') }}
                    as decimal(18, 9)
                )
        end as caching_saved_usd
    from valued
    group by
        source, usage_date, model_permaslug, provider_id, region, headquarters,
        serving_headquarters, served_in, license

)

select
    source,
    usage_date,
    model_permaslug,
    provider_id,
    provider_name,
    region,
    origin,
    serving_headquarters,
    served_in,
    license,
    tokens,
    requests,
    prompt_tokens,
    cache_read_tokens,
    cache_write_tokens,
    completion_tokens,
    cost_usd,
    own_key_cost_usd,
    list_cost_usd,
    caching_saved_usd,
    cast(list_cost_usd - caching_saved_usd as decimal(18, 9)) as list_cost_cached_usd,
    cast(
        list_cost_usd - caching_saved_usd - cost_usd - own_key_cost_usd as decimal(18, 9)
    ) as discount_usd,
    case
        when list_cost_usd is null then 'no_list_price'
        when caching_saved_usd is null then 'no_cache_price'
        when cost_usd is null then 'no_cost'
    end as unknown_because
from summed
