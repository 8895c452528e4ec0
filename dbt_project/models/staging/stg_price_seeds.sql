with catalogue as (

    select * from {{ ref('price_seed') }}

),

others as (

    select * from {{ ref('price_seed_other') }}

),

notes as (

    select * from {{ ref('price_notes') }}

),

corrections as (

    select * from {{ source('raw', 'corrections') }}

),

seeds as (
    {% for seed in ['catalogue', 'others', 'notes'] %}
    select
        model_permaslug,
        price_kind,
        usd_per_million_tokens,
        valid_from,
        valid_to,
        price_source,
        match_kind,
        source_model_id as matched_id
    from {{ seed }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select
    seeds.model_permaslug,
    seeds.price_kind,
    seeds.usd_per_million_tokens as stated_usd_per_million_tokens,
    case
        when corrections.id is null then {{ list_price('seeds.usd_per_million_tokens') }}
        else try_cast(corrections.value as decimal(18, 9))
    end as usd_per_million_tokens,
    seeds.valid_from,
    seeds.valid_to,
    seeds.price_source,
    sources.precedence,
    seeds.matched_id,
    seeds.match_kind,
    corrections.id as correction_id
from seeds
inner join {{ ref('price_sources') }} as sources using (price_source)
left join corrections
    on
        {{ corrects(
            'corrections', 'seeds.price_source', 'seeds.model_permaslug', 'seeds.price_kind'
        ) }}
        and seeds.usd_per_million_tokens = try_cast(corrections.expect as decimal(24, 18))
        and {{ covers(
            'corrections.valid_from', 'corrections.valid_to', 'seeds.valid_from', 'seeds.valid_to'
        ) }}
