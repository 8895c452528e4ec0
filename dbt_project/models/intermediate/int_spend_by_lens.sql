-- What the tokens of each row cost at list prices, under each lens on origin, in whole numbers of
-- 10^-18 US dollars, which are divided where they are published.
with priced as (

    select
        *,
        -- A `:free` variant costs nothing, whatever the catalogue once listed for it.
        case when variant = 'free' then 0 else prompt_e18 end as charged_prompt,
        case when variant = 'free' then 0 else completion_e18 end as charged_completion,
        case when variant = 'free' then 0 else 3 * prompt_e18 + completion_e18 end
            as charged_blend_by_4
    from {{ ref('int_usage_priced') }}

),

lenses as (
    {{ by_lens('priced', [
        'source', 'usage_date', 'model_permaslug', 'tokens', 'is_priced',
        'charged_prompt', 'charged_completion', 'charged_blend_by_4',
    ]) }}
)

select
    source,
    usage_date,
    lens,
    origin,
    lab_id,
    lab_name,
    model_permaslug,
    {% for price in ['prompt', 'completion', 'blend_by_4'] -%}
    cast(
        case when is_priced then tokens * charged_{{ price }} else 0 end as decimal(38, 0)
    ) as {{ price }}_e18,
    {% endfor -%}
    tokens,
    case when is_priced then tokens else 0 end as priced_tokens,
    case when is_priced and charged_blend_by_4 = 0 then tokens else 0 end as free_tokens
from lenses
