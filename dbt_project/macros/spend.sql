{#-
    List spend. Sums are whole numbers of 10^-18 US dollars, exact and fast; the 3:1 blend is kept
    four times too large in them. What divides them comes last.
-#}

{% macro usd(sum_e18, divisor=1) -%}
    {#- US dollars, exact: DuckDB would divide as doubles. divisor: 1 or 4. -#}
    {%- set factor = {1: '0.00000000000000000100', 4: '0.00000000000000000025'}[divisor] -%}
    {{ sum_e18 }} * cast('{{ factor }}' as decimal(20, 20))
{%- endmacro %}

{% macro per_million(sum_e18, tokens, divisor=1) -%}
    {#- A token-weighted price in US dollars per million tokens; NULL where no token has one. -#}
    cast({{ sum_e18 }} as double) / nullif({{ divisor }} * 1e12 * cast({{ tokens }} as double), 0)
{%- endmacro %}

{#-
    One spend table: tokens, list spend and its band, and token-weighted prices by period and lens.

    grain, columns, unknown: as in share_by

    A model's tokens cost between all of them as prompt and all as completion tokens. A key's share
    of the list spend is lowest where its own models sit at their cheaper end and all others at
    their dearer one, and the other way round; unknown tokens with a price may be the key's. Either
    end can be reached. Tokens without a price are outside of all of it.
-#}
{% macro spend_by(grain, columns, unknown) %}
{%- set key = columns[0] -%}
{%- set attributes = columns[1:] -%}
{%- set is_unknown = key ~ " = '" ~ unknown ~ "'" -%}
with spend as (

    select
        source,
        usage_date,
        {{ period_start('usage_date', grain) }} as period_start,
        lens,
        {{ columns | join(',\n        ') }},
        tokens,
        priced_tokens,
        free_tokens,
        blend_by_4_e18,
        least(prompt_e18, completion_e18) as low_e18,
        greatest(prompt_e18, completion_e18) as high_e18
    from {{ ref('int_spend_by_lens') }}

),

periods as (

    select
        source,
        {{ period_start('usage_date', grain) }} as period_start,
        cast(count(*) as integer) as days_present,
        bool_and(is_complete) as lost_nothing
    from {{ ref('int_days') }}
    group by all

),

known as (

    select
        source,
        period_start,
        lens,
        {{ key }},
        {% for attribute in attributes -%}
        max_by({{ attribute }}, usage_date) as {{ attribute }},
        {% endfor -%}
        cast(sum(tokens) as bigint) as tokens,
        cast(sum(priced_tokens) as bigint) as priced_tokens,
        cast(sum(free_tokens) as bigint) as free_tokens,
        sum(blend_by_4_e18) as blend_by_4_e18,
        sum(low_e18) as low_e18,
        sum(high_e18) as high_e18
    from spend
    group by all

),

totals as (

    select
        source,
        period_start,
        lens,
        cast(sum(tokens) as bigint) as tokens,
        sum(blend_by_4_e18) as blend_by_4_e18,
        sum(low_e18) as low_e18,
        sum(high_e18) as high_e18,
        sum(case when {{ is_unknown }} then low_e18 else 0 end) as unknown_low_e18,
        sum(case when {{ is_unknown }} then high_e18 else 0 end) as unknown_high_e18
    from known
    group by all

),

with_totals as (

    select
        known.*,
        totals.tokens as total_tokens,
        totals.blend_by_4_e18 as total_blend_by_4_e18,
        totals.low_e18 as total_low_e18,
        totals.high_e18 as total_high_e18,
        {{ usd('totals.blend_by_4_e18', 4) }} as total_list_spend_usd,
        -- what is unknown cannot be the unknown's
        case when known.{{ is_unknown }} then 0 else totals.unknown_low_e18 end as unknown_low_e18,
        case when known.{{ is_unknown }} then 0 else totals.unknown_high_e18 end as unknown_high_e18
    from known
    inner join totals
        on
            known.source = totals.source
            and known.period_start = totals.period_start
            and known.lens = totals.lens

),

ranked as (

    select
        *,
        case when {{ key }} <> '{{ unknown }}' then
            cast(
                rank() over (
                    partition by source, period_start, lens, {{ is_unknown }}
                    order by blend_by_4_e18 desc
                )
                as integer
            )
        end as spend_rank
    from with_totals

)

select
    ranked.source,
    ranked.period_start,
    periods.days_present,
    periods.lost_nothing
    and periods.days_present
    = {{ days_in_period('periods.period_start', grain) }} as is_complete,
    ranked.lens,
    {% for column in columns -%}
    ranked.{{ column }},
    {% endfor -%}
    ranked.tokens,
    ranked.total_tokens,
    {{ fraction('ranked.tokens', 'ranked.total_tokens') }} as token_share,
    ranked.priced_tokens,
    {{ fraction('ranked.priced_tokens', 'ranked.tokens') }} as priced_token_share,
    ranked.free_tokens,
    {{ usd('ranked.blend_by_4_e18', 4) }} as list_spend_usd,
    {{ usd('ranked.low_e18') }} as list_spend_low_usd,
    {{ usd('ranked.high_e18') }} as list_spend_high_usd,
    ranked.total_list_spend_usd,
    {{ fraction('ranked.blend_by_4_e18', 'ranked.total_blend_by_4_e18') }} as spend_share,
    {{ fraction(
        'ranked.low_e18',
        'ranked.low_e18 + ranked.total_high_e18 - ranked.high_e18'
    ) }} as spend_share_low,
    {{ fraction(
        'ranked.high_e18 + ranked.unknown_high_e18',
        'ranked.high_e18 + ranked.unknown_high_e18'
        ~ ' + ranked.total_low_e18 - ranked.low_e18 - ranked.unknown_low_e18'
    ) }} as spend_share_high,
    {{ fraction('ranked.low_e18', 'ranked.total_low_e18') }} as spend_share_at_low,
    {{ fraction('ranked.high_e18', 'ranked.total_high_e18') }} as spend_share_at_high,
    {{ per_million('ranked.blend_by_4_e18', 'ranked.priced_tokens', 4) }}
        as average_usd_per_million_tokens,
    {{ per_million('ranked.low_e18', 'ranked.priced_tokens') }}
        as average_usd_per_million_tokens_low,
    {{ per_million('ranked.high_e18', 'ranked.priced_tokens') }}
        as average_usd_per_million_tokens_high,
    {{ per_million('ranked.blend_by_4_e18', 'ranked.priced_tokens - ranked.free_tokens', 4) }}
        as paid_usd_per_million_tokens,
    ranked.spend_rank
from ranked
inner join periods
    on
        ranked.source = periods.source
        and ranked.period_start = periods.period_start
{% endmacro %}
