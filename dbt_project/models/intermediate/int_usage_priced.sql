with usage as (

    select * from {{ ref('int_usage_identified') }}

),

-- Beside the exact price its whole number of 10^-18 US dollars per token, for sums: to divide or
-- round a sum takes 25 to 80 times as long where decimals have a scale. What is finer is rounded.
prices as (

    select
        model_permaslug,
        price_kind,
        valid_from,
        valid_to,
        price_source,
        usd_per_million_tokens,
        cast(
            cast(usd_per_million_tokens as decimal(20, 12)) * 1000000000000 as decimal(20, 0)
        ) as e18_per_token
    from {{ ref('price_history') }}

),

priced as (

    select
        usage.source,
        usage.usage_date,
        usage.model_permaslug,
        usage.variant,
        usage.identification,
        {% for columns in lenses().values() -%}
        {% for column in columns -%}
        usage.{{ column }},
        {% endfor -%}
        {% endfor -%}
        usage.tokens,
        prompts.price_source,
        prompts.e18_per_token as prompt_e18,
        completions.e18_per_token as completion_e18,
        -- 3:1 prompt to completion, the usual blend where the source does not split tokens; kept
        -- undivided so that it stays an exact decimal
        3 * prompts.usd_per_million_tokens + completions.usd_per_million_tokens as usd_blend_by_4
    from usage
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
    source,
    usage_date,
    model_permaslug,
    variant,
    identification,
    {% for columns in lenses().values() -%}
    {% for column in columns -%}
    {{ column }},
    {% endfor -%}
    {% endfor -%}
    tokens,
    price_source,
    usd_blend_by_4,
    prompt_e18,
    completion_e18,
    variant = 'free' or usd_blend_by_4 is not null as is_priced
from priced
