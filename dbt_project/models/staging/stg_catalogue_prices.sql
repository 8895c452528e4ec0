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
    -- Of several catalogues of one day the last one counts, also where it lacks a model.
    qualify
        rank() over (
            partition by cast(dumps.as_of as date)
            order by dumps.as_of desc, dumps.pulled_at desc, dumps.dump_sha256 desc
        ) = 1

),

-- Floating aliases (`~author/…-latest`) share the canonical slug of their target: the target's
-- own entry speaks first, for all kinds, so that prices of two entries are never mixed.
entries as (

    select *
    from slugs
    qualify
        row_number() over (
            partition by seen_on, model_permaslug
            order by model_id like '~%' asc, match_kind asc, model_id asc
        ) = 1

),

kinds as (
    {% for kind in kinds %}
    select
        seen_on,
        model_permaslug,
        match_kind,
        '{{ kind }}' as price_kind,
        -- NULL from 1 US dollar per token on, which the column does not hold: that is no price
        try_cast(usd_per_token_{{ kind }} * 1000000 as decimal(24, 18)) as usd_per_million_tokens
    from entries
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select
    seen_on,
    model_permaslug,
    price_kind,
    match_kind,
    usd_per_million_tokens
from kinds
where usd_per_million_tokens >= 0
