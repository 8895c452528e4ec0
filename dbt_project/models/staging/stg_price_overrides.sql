{% set kinds = ['prompt', 'completion', 'input_cache_read', 'input_cache_write'] %}

with models as (

    select * from {{ ref('stg_catalogue_models') }}
    where price_overrides is not null

),

entries as (

    select
        seen_on,
        model_id,
        {{ json_rows(
            'price_overrides', ['min_prompt_tokens', 'utc_start', 'utc_end'] + kinds
        ) }} as entry
    from models

),

kinds as (
    {% for kind in kinds %}
    select
        entries.seen_on,
        entries.model_id,
        '{{ kind }}' as price_kind,
        cast(entries.entry.min_prompt_tokens as bigint) as min_prompt_tokens,
        {{ clock_time('entries.entry.utc_start') }} as utc_start,
        {{ clock_time('entries.entry.utc_end') }} as utc_end,
        try_cast(
            cast(entries.entry.{{ kind }} as decimal(38, 30)) * 1000000 as decimal(24, 18)
        ) as usd_per_million_tokens
    from entries
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

-- Only entries that belong to a permaslug, and what differs from their list price: at times of day
-- the list price itself is repeated for the other hours.
select
    prices.seen_on,
    prices.model_permaslug,
    prices.price_kind,
    kinds.min_prompt_tokens,
    kinds.utc_start,
    kinds.utc_end,
    kinds.usd_per_million_tokens,
    prices.matched_id
from {{ ref('stg_catalogue_prices') }} as prices
inner join kinds
    on
        prices.seen_on = kinds.seen_on
        and prices.matched_id = kinds.model_id
        and prices.price_kind = kinds.price_kind
where kinds.usd_per_million_tokens <> prices.stated_usd_per_million_tokens
