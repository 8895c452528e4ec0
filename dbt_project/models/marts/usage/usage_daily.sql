-- Origin and lab are those of author_hq, in the registry view of the run, as in share_by_origin_*.
-- What has a price is what the spend tables value; a `:free` variant needs no price in a list.
-- A model that several providers or regions served is one row.
with usage as (

    select
        {{ all_columns_but([
            'tokens', 'requests', 'prompt_tokens', 'cache_read_tokens', 'cache_write_tokens',
            'completion_tokens', 'cost_usd', 'own_key_cost_usd',
            'serving_headquarters', 'provider_id', 'provider_name', 'region',
        ]) }},
        cast(sum(tokens) as bigint) as tokens,
        cast(sum(requests) as bigint) as requests,
        cast(sum(prompt_tokens) as bigint) as prompt_tokens,
        cast(sum(completion_tokens) as bigint) as completion_tokens,
        case when count(*) = count(cost_usd) then cast(sum(cost_usd) as decimal(18, 9)) end
            as cost_usd
    from {{ ref('int_usage_priced') }}
    group by all

),

priced as (

    select
        *,
        -- With only one of the prices, least() would return it
        case when is_priced then {{ list_spend_e18('list_by_4') }} end as list_by_4_e18,
        case when is_priced then {{ list_spend_e18('low') }} end as low_e18,
        case when is_priced then {{ list_spend_e18('high') }} end as high_e18
    from usage

)

select
    source,
    usage_date,
    model_permaslug,
    base_slug,
    variant,
    author,
    lab_id,
    lab_name,
    coalesce(headquarters, 'unidentified') as origin,
    license,
    identification,
    tokens,
    requests,
    prompt_tokens,
    completion_tokens,
    cost_usd,
    {{ price_band('variant', 'usd_blend_by_4') }} as price_band,
    case when is_priced and variant <> 'free' then price_source end as price_source,
    case when is_priced then is_fresh end as price_is_fresh,
    {% for kind in ['prompt', 'completion'] -%}
    case
        when is_priced
            then cast(case when variant = 'free' then 0 else usd_{{ kind }} end as decimal(24, 18))
    end as {{ kind }}_usd_per_million_tokens,
    {% endfor -%}
    cast(
        case when variant = 'free' then 0 else usd_blend_by_4 * 0.25 end as decimal(24, 18)
    ) as blend_usd_per_million_tokens,
    {{ usd('list_by_4_e18', 4) }} as list_spend_usd,
    {{ usd('low_e18') }} as list_spend_low_usd,
    {{ usd('high_e18') }} as list_spend_high_usd,
    is_complete,
    is_settled,
    read_after_minutes,
    dump_sha256
from priced
