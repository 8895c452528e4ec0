-- What the tokens of each row cost at list prices, under each lens on origin, in whole numbers of
-- 10^-18 US dollars, which are divided where they are published. Price indices compare prices, so
-- that all of them need one split: `prompt`, `completion` and `blend_by_4` are of all tokens.
with priced as (

    select
        *,
        {% for end in ['list_by_4', 'low', 'high'] -%}
        case when is_priced then {{ list_spend_e18(end) }} else 0 end as {{ end }}_e18,
        {% endfor -%}
        3 * prompt_e18 + completion_e18 as blend_by_4_e18
    from {{ ref('int_usage_priced') }}

),

lenses as (
    {{ by_lens('priced', [
        'source', 'usage_date', 'model_permaslug', 'tokens', 'is_priced', 'prompt_e18',
        'completion_e18', 'blend_by_4_e18', 'list_by_4_e18', 'low_e18', 'high_e18',
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
        case when is_priced then tokens * {{ price }}_e18 else 0 end as decimal(38, 0)
    ) as {{ price }}_e18,
    {% endfor -%}
    list_by_4_e18,
    low_e18,
    high_e18,
    tokens,
    case when is_priced then tokens else 0 end as priced_tokens,
    case when is_priced and blend_by_4_e18 = 0 then tokens else 0 end as free_tokens
from lenses
