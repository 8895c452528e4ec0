{#-
    Tokens, shares and sharp bounds by period and lens, for all grains.

    relation:   one row per source, usage_date, lens, keys and attributes, with tokens
    keys:       what the shares are of: each column with the value for what is not identified
    attributes: columns that describe the key, as on its last day in the period

    With K tokens known to belong to a row, U that may belong to it and T all tokens of the period,
    the share lies between K/T and (K+U)/T, and either end can be reached (Manski bounds). Tokens
    may belong to a row if each of their keys is its own or not identified. A row of which a key is
    not identified is not a share of something: it is part of U of others.
-#}
{% macro share_by(relation, keys, attributes=[]) %}
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
        {% for key in keys -%}
        usage.{{ key }},
        {% endfor -%}
        {% for attribute in attributes -%}
        max_by(usage.{{ attribute }}, usage.usage_date) as {{ attribute }},
        {% endfor -%}
        {% for key, unknown in keys.items() -%}
        usage.{{ key }} = '{{ unknown }}' {{ 'or' if not loop.last }}
        {% endfor -%}
        as is_unknown,
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
        rank() over (
            partition by grain, source, period_start, lens, is_unknown
            order by tokens desc
        ) as place
    from known

),

loose as (

    select * from known
    where is_unknown

),

-- Tokens that may belong to a row.
possible as (

    select
        mine.grain,
        mine.source,
        mine.period_start,
        mine.lens,
        {% for key in keys -%}
        mine.{{ key }},
        {% endfor -%}
        sum(loose.tokens) as tokens
    from known as mine
    inner join loose
        on
            mine.grain = loose.grain
            and mine.source = loose.source
            and mine.period_start = loose.period_start
            and mine.lens = loose.lens
            {% for key, unknown in keys.items() -%}
            and loose.{{ key }} in (mine.{{ key }}, '{{ unknown }}')
            {% endfor %}
    where not mine.is_unknown
    group by all

)

select
    with_totals.grain,
    with_totals.source,
    with_totals.period_start,
    with_totals.days_present,
    with_totals.is_complete,
    with_totals.lens,
    {% for column in keys.keys() | list + attributes -%}
    with_totals.{{ column }},
    {% endfor -%}
    with_totals.tokens,
    with_totals.total_tokens,
    {{ fraction('with_totals.tokens', 'with_totals.total_tokens') }} as share,
    {{ fraction('with_totals.tokens', 'with_totals.total_tokens') }} as share_low,
    {{ fraction(
        'with_totals.tokens + coalesce(possible.tokens, 0)', 'with_totals.total_tokens'
    ) }} as share_high,
    case when not with_totals.is_unknown then cast(with_totals.place as integer) end as rank
from with_totals
left join possible
    on
        with_totals.grain = possible.grain
        and with_totals.source = possible.source
        and with_totals.period_start = possible.period_start
        and with_totals.lens = possible.lens
        {% for key in keys -%}
        and with_totals.{{ key }} = possible.{{ key }}
        {% endfor %}
{% endmacro %}
