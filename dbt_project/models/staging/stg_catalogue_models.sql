{% set kinds = ['prompt', 'completion', 'input_cache_read', 'input_cache_write'] %}

with models as (

    select
        *,
        -- The usage source names models by their canonical slug, so that slug's author counts.
        lower({{ regexp_replaced('coalesce(canonical_slug, model_id)', '^~', '') }}) as slug
    from {{ source('raw', 'openrouter_models') }}

),

dumps as (

    select * from {{ source('raw', 'dumps') }}
    where source = 'openrouter_models'

)

select
    cast(dumps.as_of as date) as seen_on,
    models.dump_sha256,
    models.model_id,
    models.canonical_slug,
    split_part(models.slug, '/', 1) as author,
    split_part(models.slug, ':', 1) as base_slug,
    models.model_name,
    models.created_unix,
    models.hugging_face_id,
    models.modality,
    models.context_length,
    try_cast(models.expiration_date as date) as expires_on,
    models.intelligence_index,
    models.coding_index,
    models.price_overrides,
    {% for kind in kinds -%}
    -- NULL if there is no price: -1 marks a router, 1 US dollar per token does not fit
    case
        when models.usd_per_token_{{ kind }} >= 0
            then {{ list_price(
                'try_cast(models.usd_per_token_' ~ kind ~ ' * 1000000 as decimal(24, 18))'
            ) }}
    end as usd_per_million_{{ kind }},
    {% endfor -%}
    models.agentic_index
from models
inner join dumps using (dump_sha256)
-- Of several catalogues of one day the last one counts, even if it lacks a model.
qualify
    rank() over (
        partition by cast(dumps.as_of as date)
        order by dumps.as_of desc, dumps.pulled_at desc, dumps.dump_sha256 desc
    ) = 1
