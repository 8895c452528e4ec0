{% set kinds = ['prompt', 'completion', 'input_cache_read', 'input_cache_write'] %}

with models as (

    select * from {{ source('raw', 'openrouter_models') }}

),

dumps as (

    select * from {{ source('raw', 'dumps') }}

),

slugs as (

    select
        models.*,
        dumps.as_of,
        cast(dumps.as_of as date) as seen_on,
        coalesce(models.canonical_slug, split_part(models.model_id, ':', 1))
        || case
            when instr(models.model_id, ':') > 0
                then substr(models.model_id, instr(models.model_id, ':'))
            else ''
        end as model_permaslug,
        case when models.canonical_slug is null then 'id' else 'canonical_slug' end as match_kind
    from models
    inner join dumps on models.dump_sha256 = dumps.dump_sha256

),

kinds as (
    {% for kind in kinds %}
    select
        as_of,
        seen_on,
        model_id,
        model_permaslug,
        match_kind,
        '{{ kind }}' as price_kind,
        usd_per_token_{{ kind }} as usd_per_token
    from slugs
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select
    seen_on,
    model_permaslug,
    price_kind,
    match_kind,
    cast(usd_per_token * 1000000 as decimal(24, 18)) as usd_per_million_tokens
from kinds
where usd_per_token >= 0
-- Floating aliases (`~author/…-latest`) share the canonical slug of their target: the target's
-- own entry speaks first. Of several catalogues of one day the last one counts.
qualify
    row_number() over (
        partition by seen_on, model_permaslug, price_kind
        order by as_of desc, model_id like '~%' asc, model_id asc
    ) = 1
