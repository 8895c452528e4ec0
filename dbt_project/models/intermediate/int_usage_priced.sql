-- Beside the exact price its whole number of 10^-18 US dollars per token, for sums: to divide or
-- round a sum takes 25 to 80 times as long if decimals have a scale. What is finer is rounded.
with prices as (

    select
        model_permaslug,
        price_kind,
        valid_from,
        valid_to,
        last_seen_on,
        price_source,
        usd_per_million_tokens,
        {{ e18_per_token('usd_per_million_tokens') }} as e18_per_token
    from {{ ref('price_history') }}

),

priced as (

    select
        usage.source,
        usage.usage_date,
        usage.model_permaslug,
        usage.base_slug,
        usage.variant,
        usage.author,
        usage.identification,
        usage.license,
        usage.is_complete,
        usage.is_settled,
        usage.read_after_minutes,
        usage.dump_sha256,
        {% for columns in lenses().values() -%}
        {% for column in columns -%}
        usage.{{ column }},
        {% endfor -%}
        {% endfor -%}
        usage.tokens,
        usage.requests,
        usage.prompt_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.completion_tokens,
        usage.cost_usd,
        usage.own_key_cost_usd,
        usage.region,
        prompts.price_source,
        least(prompts.last_seen_on, completions.last_seen_on) as last_seen_on,
        prompts.usd_per_million_tokens as usd_prompt,
        completions.usd_per_million_tokens as usd_completion,
        -- A `:free` variant costs nothing, whatever the catalogue once listed for it.
        case when usage.variant = 'free' then 0 else prompts.e18_per_token end as prompt_e18,
        case when usage.variant = 'free' then 0 else completions.e18_per_token end
            as completion_e18,
        -- 3:1 prompt to completion, the usual blend if the source does not split tokens; kept
        -- undivided so that it stays an exact decimal
        3 * prompts.usd_per_million_tokens + completions.usd_per_million_tokens as usd_blend_by_4
    from {{ ref('int_usage_identified') }} as usage
    left join prices as prompts
        on
            usage.model_permaslug = prompts.model_permaslug
            and prompts.price_kind = 'prompt'
            and {{ valid_on('usage.usage_date', 'prompts.valid_from', 'prompts.valid_to') }}
    left join prices as completions
        on
            usage.model_permaslug = completions.model_permaslug
            and completions.price_kind = 'completion'
            and {{ valid_on('usage.usage_date', 'completions.valid_from', 'completions.valid_to') }}

)

select
    priced.source,
    priced.usage_date,
    priced.model_permaslug,
    priced.base_slug,
    priced.variant,
    priced.author,
    priced.identification,
    priced.license,
    priced.is_complete,
    priced.is_settled,
    priced.read_after_minutes,
    priced.dump_sha256,
    {% for columns in lenses().values() -%}
    {% for column in columns -%}
    priced.{{ column }},
    {% endfor -%}
    {% endfor -%}
    priced.tokens,
    priced.requests,
    priced.prompt_tokens,
    priced.cache_read_tokens,
    priced.cache_write_tokens,
    priced.completion_tokens,
    priced.cost_usd,
    priced.own_key_cost_usd,
    priced.region,
    priced.price_source,
    priced.usd_prompt,
    priced.usd_completion,
    priced.usd_blend_by_4,
    priced.prompt_e18,
    priced.completion_e18,
    priced.variant = 'free' or priced.usd_blend_by_4 is not null as is_priced,
    -- Seen on the day, later, or not too many days before; a free variant is known by its name
    priced.variant = 'free'
    or coalesce(
        {{ days_between('priced.last_seen_on', 'priced.usage_date') }}
        <= run_settings.fresh_price_days,
        false
    ) as is_fresh
from priced
cross join {{ source('raw', 'run_settings') }} as run_settings
