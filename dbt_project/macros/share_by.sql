{#-
    Tokens, shares and sharp bounds by period and lens, for all grains.

    relation: one row per source, usage_date, lens and columns, with tokens
    columns:  what the shares are of: the first is the key, the others describe it, as on the
              key's last day in the period
    unknown:  value of the key that stands for what is not identified

    With K tokens known to belong to a key, U unknown tokens and T all tokens of the period, the
    share lies between K/T and (K+U)/T, and either end can be reached (Manski bounds).
-#}
{% macro share_by(relation, columns, unknown) %}
{%- set key = columns[0] -%}
with usage as (

    select * from {{ relation }}

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
        usage.lens,
        usage.{{ key }},
        {% for attribute in columns[1:] -%}
        max_by(usage.{{ attribute }}, usage.usage_date) as {{ attribute }},
        {% endfor -%}
        usage.{{ key }} = '{{ unknown }}' as is_unknown,
        cast(sum(usage.tokens) as bigint) as tokens
    from usage
    inner join periods using (source, usage_date)
    group by all

),

with_totals as (

    select
        *,
        cast(
            sum(tokens) over (partition by grain, source, period_start, lens) as bigint
        ) as total_tokens,
        sum(case when is_unknown then tokens else 0 end) over (
            partition by grain, source, period_start, lens
        ) as unknown_tokens,
        rank() over (
            partition by grain, source, period_start, lens, is_unknown
            order by tokens desc
        ) as place
    from known

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
    {{ fraction('tokens', 'total_tokens') }} as share,
    {{ fraction('tokens', 'total_tokens') }} as share_low,
    {{ fraction(
        'tokens + case when is_unknown then 0 else unknown_tokens end', 'total_tokens'
    ) }} as share_high,
    case when not is_unknown then cast(place as integer) end as rank
from with_totals
{% endmacro %}
