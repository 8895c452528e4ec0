-- A table, because five models read all of it.
{{ config(materialized='table') }}

with dumps as (

    select * from {{ source('raw', 'dumps') }}
    where source = 'openrouter_rankings'

),

listed as (

    select
        dumps.source,
        rankings.dump_sha256,
        dumps.as_of,
        dumps.pulled_at,
        rankings.usage_date,
        rankings.model_permaslug,
        -- OpenRouter's rankings do not say who served the tokens.
        cast(null as string) as provider_name,
        cast(null as string) as region,
        rankings.tokens,
        cast(null as bigint) as requests,
        cast(null as bigint) as prompt_tokens,
        cast(null as bigint) as cache_read_tokens,
        cast(null as bigint) as cache_write_tokens,
        cast(null as bigint) as completion_tokens,
        cast(null as decimal(18, 9)) as cost_usd,
        cast(null as decimal(18, 9)) as own_key_cost_usd
    from {{ source('raw', 'openrouter_rankings') }} as rankings
    inner join dumps using (dump_sha256)
    union all
    select * from {{ ref('stg_request_usage') }}

),

slugs as (

    select
        *,
        -- No regular expression: every row of 400 dumps comes through here.
        lower(
            case
                when model_permaslug like '~%' then substr(model_permaslug, 2)
                else model_permaslug
            end
        ) as slug
    from listed

)

select
    source,
    dump_sha256,
    as_of,
    pulled_at,
    usage_date,
    model_permaslug,
    split_part(slug, ':', 1) as base_slug,
    case
        when instr(slug, ':') > 0 then substr(slug, instr(slug, ':') + 1)
        else 'standard'
    end as variant,
    split_part(split_part(slug, ':', 1), '/', 1) as author,
    provider_name,
    region,
    tokens,
    requests,
    prompt_tokens,
    cache_read_tokens,
    cache_write_tokens,
    completion_tokens,
    cost_usd,
    own_key_cost_usd
from slugs
