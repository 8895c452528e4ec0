with stated as (

    select
        model_permaslug,
        price_kind,
        min_prompt_tokens,
        utc_start,
        utc_end,
        {{ list_price('usd_per_million_tokens') }} as usd_per_million_tokens,
        seen_on as first_seen_on,
        seen_on as last_seen_on,
        'openrouter_models' as price_source,
        matched_id
    from {{ ref('stg_price_overrides') }}
    union all
    select
        model_permaslug,
        price_kind,
        min_prompt_tokens,
        utc_start,
        utc_end,
        {{ list_price('usd_per_million_tokens') }} as usd_per_million_tokens,
        first_seen_on,
        last_seen_on,
        'openrouter_catalogue' as price_source,
        source_model_id as matched_id
    from {{ ref('price_override_seed') }}

)

select
    model_permaslug,
    price_kind,
    case
        when min_prompt_tokens is null then utc_start || ' to ' || utc_end || ' UTC'
        else concat('prompts from ', min_prompt_tokens, ' tokens')
    end as holds_when,
    case when min_prompt_tokens is null then 'time_of_day' else 'prompt_length' end as depends_on,
    min_prompt_tokens,
    utc_start,
    utc_end,
    usd_per_million_tokens,
    min(first_seen_on) as first_seen_on,
    max(last_seen_on) as last_seen_on,
    max_by(price_source, last_seen_on) as price_source,
    max_by(matched_id, last_seen_on) as matched_id
from stated
group by all
