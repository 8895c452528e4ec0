{#-
    One share table: tokens, shares and sharp bounds by period and lens.

    relation: one row per source, usage_date, lens and columns, with tokens
    grain:    daily | weekly | monthly
    columns:  what the shares are of: the first is the key, the others describe it, as on the
              key's last day in the period
    unknown:  value of the key that stands for what is not identified

    With K tokens known to belong to a key, U unknown tokens and T all tokens of the period, the
    share lies between K/T and (K+U)/T, and either end can be reached (Manski bounds).
-#}
{% macro share_by(relation, grain, columns, unknown) %}
{%- set key = columns[0] -%}
{%- set attributes = columns[1:] -%}
with usage as (

    select
        source,
        usage_date,
        {{ period_start('usage_date', grain) }} as period_start,
        lens,
        {{ columns | join(',\n        ') }},
        tokens
    from {{ relation }}

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
        cast(sum(tokens) as bigint) as tokens
    from usage
    group by all

),

with_totals as (

    select
        known.*,
        cast(sum(tokens) over (partition by source, period_start, lens) as bigint) as total_tokens,
        cast(
            sum(case when {{ key }} = '{{ unknown }}' then tokens else 0 end)
                over (partition by source, period_start, lens)
            as bigint
        ) as unknown_tokens,
        case when {{ key }} <> '{{ unknown }}' then
            cast(
                rank() over (
                    partition by source, period_start, lens, {{ key }} = '{{ unknown }}'
                    order by tokens desc
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
    {{ fraction('with_totals.tokens', 'with_totals.total_tokens') }} as share,
    {{ fraction('with_totals.tokens', 'with_totals.total_tokens') }} as share_low,
    {{ fraction(
        "with_totals.tokens + case when with_totals." ~ key ~ " = '" ~ unknown
        ~ "' then 0 else with_totals.unknown_tokens end",
        'with_totals.total_tokens'
    ) }} as share_high,
    with_totals.rank
from with_totals
inner join periods
    on
        with_totals.source = periods.source
        and with_totals.period_start = periods.period_start
{% endmacro %}
