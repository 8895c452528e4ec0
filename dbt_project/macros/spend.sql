{#-
    List spend. Sums of tokens times US dollars per million tokens are exact decimals; what divides
    them comes last. The blend is kept four times too large until then.
-#}

{% macro usd(sum_of_products, divisor=1) -%}
    {#- US dollars, exact: DuckDB would divide decimals as doubles. divisor: 1 or 4. -#}
    cast({{ sum_of_products }} * {{ {1: "cast('0.000001' as decimal(6, 6))", 4: "cast('0.00000025' as decimal(8, 8))"}[divisor] }} as decimal(38, 18))
{%- endmacro %}

{#-
    One spend table: tokens, list spend and its band by period and lens.

    grain, columns, unknown: as in share_by

    A model's tokens cost between all of them as prompt and all as completion tokens. A key's share
    of the list spend is lowest where its own models sit at their cheaper end and all others at
    their dearer one, and the other way round; unknown tokens with a price may be the key's. Either
    end can be reached. Tokens without a price are outside of all of it.
-#}
{% macro spend_by(grain, columns, unknown) %}
{%- set key = columns[0] -%}
{%- set attributes = columns[1:] -%}
{%- set period = 'partition by source, period_start, lens' -%}
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
        usd_blend_by_4,
        least(usd_prompt, usd_completion) as usd_low,
        greatest(usd_prompt, usd_completion) as usd_high
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
        {{ usd('sum(usd_blend_by_4)', 4) }} as list_spend_usd,
        {{ usd('sum(usd_low)') }} as list_spend_low_usd,
        {{ usd('sum(usd_high)') }} as list_spend_high_usd
    from spend
    group by all

),

with_totals as (

    select
        *,
        cast(sum(tokens) over ({{ period }}) as bigint) as total_tokens,
        cast(sum(list_spend_usd) over ({{ period }}) as decimal(38, 18)) as total_list_spend_usd,
        sum(list_spend_low_usd) over ({{ period }}) - list_spend_low_usd as others_low_usd,
        sum(list_spend_high_usd) over ({{ period }}) - list_spend_high_usd as others_high_usd,
        case when {{ is_unknown }} then 0 else
            sum(case when {{ is_unknown }} then list_spend_low_usd else 0 end) over ({{ period }})
        end as unknown_low_usd,
        case when {{ is_unknown }} then 0 else
            sum(case when {{ is_unknown }} then list_spend_high_usd else 0 end) over ({{ period }})
        end as unknown_high_usd,
        case when {{ key }} <> '{{ unknown }}' then
            cast(
                rank() over (
                    partition by source, period_start, lens, {{ is_unknown }}
                    order by list_spend_usd desc
                )
                as integer
            )
        end as rank
    from known

)

select
    with_totals.source,
    with_totals.period_start,
    periods.days_present,
    periods.lost_nothing
    and periods.days_present
    = {{ days_in_period('periods.period_start', grain) }} as is_complete,
    with_totals.lens,
    {% for column in columns -%}
    with_totals.{{ column }},
    {% endfor -%}
    with_totals.tokens,
    with_totals.total_tokens,
    {{ fraction('with_totals.tokens', 'with_totals.total_tokens') }} as token_share,
    with_totals.priced_tokens,
    {{ fraction('with_totals.priced_tokens', 'with_totals.tokens') }} as priced_token_share,
    with_totals.free_tokens,
    with_totals.list_spend_usd,
    with_totals.list_spend_low_usd,
    with_totals.list_spend_high_usd,
    with_totals.total_list_spend_usd,
    {{ fraction('with_totals.list_spend_usd', 'with_totals.total_list_spend_usd') }} as share,
    {{ fraction(
        'with_totals.list_spend_low_usd',
        'with_totals.list_spend_low_usd + with_totals.others_high_usd'
    ) }} as share_low,
    {{ fraction(
        'with_totals.list_spend_high_usd + with_totals.unknown_high_usd',
        'with_totals.list_spend_high_usd + with_totals.unknown_high_usd'
        ~ ' + with_totals.others_low_usd - with_totals.unknown_low_usd'
    ) }} as share_high,
    {{ fraction(
        'with_totals.list_spend_low_usd',
        'with_totals.list_spend_low_usd + with_totals.others_low_usd'
    ) }} as share_at_low,
    {{ fraction(
        'with_totals.list_spend_high_usd',
        'with_totals.list_spend_high_usd + with_totals.others_high_usd'
    ) }} as share_at_high,
    with_totals.rank
from with_totals
inner join periods
    on
        with_totals.source = periods.source
        and with_totals.period_start = periods.period_start
{% endmacro %}

{#- One table of token-weighted prices: list spend over the tokens that have a price. -#}
{% macro price_by(spend_table, columns) %}
{%- set per_million = '1000000 * cast({} as double) / nullif(cast({} as double), 0)' -%}
with spend as (

    select * from {{ spend_table }}

)

select
    source,
    period_start,
    days_present,
    is_complete,
    lens,
    {% for column in columns -%}
    {{ column }},
    {% endfor -%}
    tokens,
    priced_tokens,
    priced_token_share,
    free_tokens,
    {% for name in ['', '_low', '_high'] -%}
    {{ per_million.format('list_spend' ~ name ~ '_usd', 'priced_tokens') }}
        as usd_per_million_tokens{{ name }},
    {% endfor -%}
    {{ per_million.format('list_spend_usd', '(priced_tokens - free_tokens)') }}
        as paid_usd_per_million_tokens
from spend
{% endmacro %}
