{% set columns = {
    'prompt': 'usd_per_token_prompt',
    'completion': 'usd_per_token_completion',
    'input_cache_read': 'usd_per_token_input_cache_read',
    'input_cache_write': 'usd_per_token_input_cache_write',
    'request': 'usd_per_request',
} %}

with dumps as (

    select * from {{ source('raw', 'dumps') }}
    where source = 'openrouter_models'

),

corrections as (

    select * from {{ source('raw', 'corrections') }}

),

-- Entries whose slug could not be believed: nobody knows to which model their prices belong.
nameless as (

    select
        seen_on,
        entry_id
    from {{ ref('stg_unreadable_entries') }}
    where source = 'openrouter_models' and field = 'canonical_slug'

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
    from {{ source('raw', 'openrouter_models') }} as models
    inner join dumps using (dump_sha256)
    -- Of several catalogues of one day the last one counts, even if it lacks a model.
    qualify
        rank() over (
            partition by cast(dumps.as_of as date)
            order by dumps.as_of desc, dumps.pulled_at desc, dumps.dump_sha256 desc
        ) = 1

),

-- Floating aliases (`~author/…-latest`) share the canonical slug of their target: the target's
-- own entry comes first, for all kinds, so that prices of two entries are never mixed.
entries as (

    select
        slugs.*,
        -- What costs nothing per token but has another price, or makes songs or pictures (whose
        -- price the catalogue states in words), has no token price; `:free` says that it is free.
        slugs.usd_per_token_prompt = 0
        and slugs.usd_per_token_completion = 0
        and slugs.model_id not like '%:free'
        and (
            coalesce(slugs.usd_per_request, 0) > 0
            or coalesce(slugs.other_usd_image, 0) > 0
            or coalesce(slugs.other_usd_image_output, 0) > 0
            or coalesce(slugs.other_usd_audio, 0) > 0
            or coalesce(slugs.other_usd_audio_output, 0) > 0
            or coalesce(split_part(slugs.modality, '->', 2), 'text') <> 'text'
        ) as is_charged_otherwise
    from slugs
    left join nameless
        on
            slugs.seen_on = nameless.seen_on
            and slugs.model_id = nameless.entry_id
    where nameless.entry_id is null
    qualify
        row_number() over (
            partition by slugs.seen_on, slugs.model_permaslug
            order by slugs.model_id like '~%' asc, slugs.match_kind asc, slugs.model_id asc
        ) = 1

),

kinds as (
    {% for kind, column in columns.items() %}
    select
        seen_on,
        model_permaslug,
        match_kind,
        model_id as matched_id,
        '{{ kind }}' as price_kind,
        -- NULL from 1 US dollar per token on, which does not fit into the column: there is no price
        -- then
        try_cast({{ column }} * 1000000 as decimal(24, 18)) as usd_per_million_tokens
    from entries
    {% if kind in ['prompt', 'completion'] -%}
    where not coalesce(is_charged_otherwise, false)
    {% endif -%}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

-- -1 marks a router. A request price of 0 means the same as none.
prices as (

    select * from kinds
    where usd_per_million_tokens > 0 or (usd_per_million_tokens = 0 and price_kind <> 'request')

)

select
    prices.seen_on,
    prices.model_permaslug,
    prices.price_kind,
    prices.match_kind,
    prices.matched_id,
    prices.usd_per_million_tokens as stated_usd_per_million_tokens,
    case
        when corrections.id is null then {{ list_price('prices.usd_per_million_tokens') }}
        else try_cast(corrections.value as decimal(18, 9))
    end as usd_per_million_tokens,
    corrections.id as correction_id
from prices
left join corrections
    on
        {{ corrects(
            'corrections', "'openrouter_catalogue'", 'prices.model_permaslug', 'prices.price_kind'
        ) }}
        and prices.usd_per_million_tokens = try_cast(corrections.expect as decimal(24, 18))
        and {{ valid_on('prices.seen_on', 'corrections.valid_from', 'corrections.valid_to') }}
