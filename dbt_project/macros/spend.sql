{#-
    List spend. Sums are whole numbers of 10^-18 US dollars, exact and fast; what may rest on the 3:1
    blend is kept four times too large in them. What divides them comes last.
-#}

{% macro usd(sum_e18, divisor=1) -%}
    {#- US dollars, exact: DuckDB would divide as doubles. divisor: 1 or 4. -#}
    {%- set factor = {1: '0.00000000000000000100', 4: '0.00000000000000000025'}[divisor] -%}
    {{ sum_e18 }} * cast('{{ factor }}' as decimal(20, 20))
{%- endmacro %}

{% macro per_million(sum_e18, tokens, divisor=1) -%}
    {#- A token-weighted price in US dollars per million tokens; NULL if no token has one. -#}
    cast({{ sum_e18 }} as double) / nullif({{ divisor }} * 1e12 * cast({{ tokens }} as double), 0)
{%- endmacro %}

{% macro list_price(usd_per_million_tokens) -%}
    {#-
        A price as every table after staging has it, so that it is published as it is used. What is
        finer comes from somebody's division: 0.90000000000000005 is the price 0.9.
    -#}
    cast({{ usd_per_million_tokens }} as decimal(18, 9))
{%- endmacro %}

{% macro e18_per_token(usd_per_million_tokens) -%}
    {#- A price as whole number of 10^-18 US dollars per token, exact. -#}
    cast(
        cast({{ usd_per_million_tokens }} as decimal(20, 12)) * 1000000000000 as decimal(20, 0)
    )
{%- endmacro %}

{% macro list_spend_e18(end) -%}
    {#-
        What the tokens of a row cost at its list prices. If the source splits them into prompt and
        completion, that is known, and both ends of the band are it; if not, the blend is assumed.
        end: `list_by_4` (four times too large), `low` or `high`.
    -#}
    {%- set per_token = {
        'list_by_4': '(3 * prompt_e18 + completion_e18)',
        'low': 'least(prompt_e18, completion_e18)',
        'high': 'greatest(prompt_e18, completion_e18)',
    }[end] -%}
    {%- set factor = 4 if end == 'list_by_4' else 1 -%}
    cast(
        case
            when prompt_tokens is null then tokens * {{ per_token }}
            else prompt_tokens * ({{ factor }} * prompt_e18)
                + completion_tokens * ({{ factor }} * completion_e18)
        end as decimal(38, 0)
    )
{%- endmacro %}

{#-
    Tokens, list spend and its band, and token-weighted prices by period and lens, for all grains.

    columns, unknown: as in share_by

    What a model's tokens cost is between all of them as prompt and all as completion tokens. A
    key's share of the list spend is lowest if its own models are at their cheaper end and all
    others at their more expensive one, and the other way round; unknown tokens with a price may be
    the key's. Either end can be reached. Tokens without a price are left out of all of this.
-#}
{% macro spend_by(columns, unknown) %}
{%- set key = columns[0] -%}
with spend as (

    select * from {{ ref('int_spend_by_lens') }}

),

periods as (

    select * from {{ ref('int_periods') }}

),

known as (

    select
        periods.grain,
        periods.source,
        periods.period_start,
        periods.days_present,
        periods.is_complete,
        spend.lens,
        spend.{{ key }},
        {% for attribute in columns[1:] -%}
        max_by(spend.{{ attribute }}, spend.usage_date) as {{ attribute }},
        {% endfor -%}
        spend.{{ key }} = '{{ unknown }}' as is_unknown,
        cast(sum(spend.tokens) as bigint) as tokens,
        cast(sum(spend.priced_tokens) as bigint) as priced_tokens,
        cast(sum(spend.free_tokens) as bigint) as free_tokens,
        sum(spend.list_by_4_e18) as list_by_4_e18,
        sum(spend.low_e18) as low_e18,
        sum(spend.high_e18) as high_e18
    from spend
    inner join periods using (source, usage_date)
    group by all

),

totals as (

    select
        grain,
        source,
        period_start,
        lens,
        cast(sum(tokens) as bigint) as tokens,
        sum(list_by_4_e18) as list_by_4_e18,
        sum(low_e18) as low_e18,
        sum(high_e18) as high_e18,
        sum(case when is_unknown then low_e18 else 0 end) as unknown_low_e18,
        sum(case when is_unknown then high_e18 else 0 end) as unknown_high_e18
    from known
    group by all

),

with_totals as (

    select
        known.*,
        totals.tokens as total_tokens,
        totals.list_by_4_e18 as total_list_by_4_e18,
        totals.low_e18 as total_low_e18,
        totals.high_e18 as total_high_e18,
        -- what is unknown cannot be the unknown's
        case when known.is_unknown then 0 else totals.unknown_low_e18 end as unknown_low_e18,
        case when known.is_unknown then 0 else totals.unknown_high_e18 end as unknown_high_e18,
        rank() over (
            partition by
                known.grain,
                known.source,
                known.period_start,
                known.lens,
                known.is_unknown
            order by known.list_by_4_e18 desc
        ) as place
    from known
    inner join totals using (grain, source, period_start, lens)

)

select
    grain,
    source,
    period_start,
    days_present,
    is_complete,
    lens,
    {% for column in columns -%}
    {{ column }},
    {% endfor -%}
    tokens,
    total_tokens,
    {{ fraction('tokens', 'total_tokens') }} as token_share,
    priced_tokens,
    {{ fraction('priced_tokens', 'tokens') }} as priced_token_share,
    free_tokens,
    {{ usd('list_by_4_e18', 4) }} as list_spend_usd,
    {{ usd('low_e18') }} as list_spend_low_usd,
    {{ usd('high_e18') }} as list_spend_high_usd,
    {{ usd('total_list_by_4_e18', 4) }} as total_list_spend_usd,
    {{ fraction('list_by_4_e18', 'total_list_by_4_e18') }} as spend_share,
    {{ fraction('low_e18', 'low_e18 + total_high_e18 - high_e18') }} as spend_share_low,
    {{ fraction(
        'high_e18 + unknown_high_e18',
        'high_e18 + unknown_high_e18 + total_low_e18 - low_e18 - unknown_low_e18'
    ) }} as spend_share_high,
    {{ fraction('low_e18', 'total_low_e18') }} as spend_share_at_low,
    {{ fraction('high_e18', 'total_high_e18') }} as spend_share_at_high,
    {{ per_million('list_by_4_e18', 'priced_tokens', 4) }} as average_usd_per_million_tokens,
    {{ per_million('low_e18', 'priced_tokens') }} as average_usd_per_million_tokens_low,
    {{ per_million('high_e18', 'priced_tokens') }} as average_usd_per_million_tokens_high,
    {{ per_million('list_by_4_e18', 'priced_tokens - free_tokens', 4) }}
        as paid_usd_per_million_tokens,
    case when not is_unknown then cast(place as integer) end as spend_rank
from with_totals
{% endmacro %}
