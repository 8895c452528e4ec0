-- A correction that the source no longer needs stops the run: it would go on changing right
-- figures.
with stated as (

    select
        price_source as source,
        model_permaslug as key,
        price_kind as field,
        stated_usd_per_million_tokens as usd_per_million_tokens,
        valid_from,
        valid_to
    from {{ ref('stg_price_seeds') }}
    union all
    select
        'openrouter_catalogue' as source,
        model_permaslug as key,
        price_kind as field,
        stated_usd_per_million_tokens as usd_per_million_tokens,
        seen_on as valid_from,
        cast(seen_on + interval '1' day as date) as valid_to
    from {{ ref('stg_catalogue_prices') }}

),

price_corrections as (

    select corrections.*
    from {{ source('raw', 'corrections') }} as corrections
    inner join {{ ref('price_sources') }} as price_sources
        on corrections.source = price_sources.price_source

),

-- The newest that the source says about the days of the correction.
newest as (

    select
        price_corrections.id,
        price_corrections.source,
        price_corrections.key,
        price_corrections.field,
        price_corrections.expect,
        stated.usd_per_million_tokens as found,
        coalesce(
            stated.usd_per_million_tokens
            = try_cast(price_corrections.expect as decimal(24, 18))
            and {{ covers(
                'price_corrections.valid_from', 'price_corrections.valid_to',
                'stated.valid_from', 'stated.valid_to'
            ) }},
            false
        ) as is_needed
    from price_corrections
    left join stated
        on
            {{ corrects('price_corrections', 'stated.source', 'stated.key', 'stated.field') }}
            and {{ overlaps(
                'price_corrections.valid_from', 'price_corrections.valid_to',
                'stated.valid_from', 'stated.valid_to'
            ) }}
    qualify
        row_number() over (
            partition by price_corrections.id
            order by stated.valid_from desc nulls last
        ) = 1

)

select
    id,
    source,
    key,
    field,
    expect,
    found,
    case
        when is_needed then true
        else cast({{ fail_with(
            "'correction ' || id || ' in configuration/corrections.yml: ' || source || ' '"
            " || key || ' ' || field || ': expected ' || expect || ' over whole validities, found '"
            " || coalesce(cast(found as string), 'nothing')"
            " || '. Upstream has changed: end or remove the correction.'"
        ) }} as boolean)
    end as is_needed
from newest
