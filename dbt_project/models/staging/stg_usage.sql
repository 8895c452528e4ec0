with dumps as (

    select * from {{ source('raw', 'dumps') }}
    where source = 'openrouter_rankings'

),

slugs as (

    select
        dump_sha256,
        usage_date,
        model_permaslug,
        tokens,
        -- No regular expression: every row of 400 dumps comes through here, some of them three
        -- times.
        lower(
            case
                when model_permaslug like '~%' then substr(model_permaslug, 2)
                else model_permaslug
            end
        ) as slug
    from {{ source('raw', 'openrouter_rankings') }}

)

select
    dumps.source,
    slugs.dump_sha256,
    dumps.as_of,
    dumps.pulled_at,
    slugs.usage_date,
    slugs.model_permaslug,
    split_part(slugs.slug, ':', 1) as base_slug,
    case
        when instr(slugs.slug, ':') > 0 then substr(slugs.slug, instr(slugs.slug, ':') + 1)
        else 'standard'
    end as variant,
    split_part(split_part(slugs.slug, ':', 1), '/', 1) as author,
    -- OpenRouter's rankings do not say who served the tokens.
    cast(null as varchar) as provider_name,
    slugs.tokens
from slugs
inner join dumps using (dump_sha256)
