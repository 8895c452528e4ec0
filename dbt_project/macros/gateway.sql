{#-
    Two gateways beside each other by week and month: a usage source, which counts tokens, and a
    gateway that publishes shares of its days and no totals.

    relation:   the share table (all grains) of the usage source
    key:        its key; `unidentified` is what is not known
    attributes: columns that describe the key, as on its last compared day in the period

    Only days that both have are compared, and both sides are the mean of their daily shares: the
    gateway's days cannot be weighted. Bounds are those of every day, averaged: on each day what is
    not identified may belong to anybody, on either side. A gateway that counts something else than
    tokens has nothing beside it.
-#}
{% macro gateway_comparison(relation, key, attributes=[]) %}
{%- set frame = [
    'grain', 'source', 'gateway_source', 'dataset', 'modality', 'share_of', 'period_start',
] -%}
with gateway as (

    select
        source as gateway_source,
        dataset,
        modality,
        metric as share_of,
        usage_date,
        is_settled,
        share,
        coalesce({{ 'headquarters' if key == 'origin' else key }}, 'unidentified') as {{ key }}
        {%- for attribute in attributes %},
        {{ {
            'lab_name': "coalesce(lab_name, 'Unidentified')",
            'origin': "coalesce(headquarters, 'unidentified')",
        }[attribute] }} as {{ attribute }}
        {%- endfor %}
    from {{ ref('int_gateway_shares') }}

),

gateway_days as (

    select
        gateway_source,
        dataset,
        modality,
        share_of,
        usage_date,
        bool_and(is_settled) as is_settled,
        -- What is neither listed nor in `Other` is not identified either.
        greatest(1 - sum(share), 0) as unlisted_share
    from gateway
    group by all

),

theirs as (

    select
        gateway_source,
        dataset,
        modality,
        share_of,
        usage_date,
        share,
        {{ ([key] + attributes) | join(',\n        ') }}
    from gateway
    union all
    select
        gateway_source,
        dataset,
        modality,
        share_of,
        usage_date,
        unlisted_share as share,
        'unidentified' as {{ key }}
        {%- for attribute in attributes %},
        '{{ {'lab_name': 'Unidentified', 'origin': 'unidentified'}[attribute] }}' as {{ attribute }}
        {%- endfor %}
    from gateway_days

),

ours as (

    select
        source,
        period_start as usage_date,
        {{ key }},
        {% for attribute in attributes -%}
        {{ attribute }},
        {% endfor -%}
        tokens,
        total_tokens,
        cast({{ fraction('tokens', 'total_tokens') }} as decimal(20, 18)) as share
    from {{ relation }}
    where grain = 'daily' and lens = 'author_hq'

),

compared_days as (

    select
        periods.grain,
        periods.source,
        gateway_days.gateway_source,
        gateway_days.dataset,
        gateway_days.modality,
        gateway_days.share_of,
        periods.period_start,
        periods.usage_date,
        periods.days_present,
        periods.is_complete and gateway_days.is_settled as is_complete
    from {{ ref('int_periods') }} as periods
    inner join gateway_days on periods.usage_date = gateway_days.usage_date
    where periods.grain <> 'daily'

),

frames as (

    select
        {{ frame | join(',\n        ') }},
        cast(count(*) as integer) as days_compared,
        bool_and(is_complete) and count(*) = max(days_present) as is_complete,
        -- OpenRouter counts tokens of all modalities.
        share_of = 'tokens' and modality in ('all', 'text') as has_both
    from compared_days
    group by all

),

rows_of_days as (

    select
        {% for column in frame -%}
        compared_days.{{ column }},
        {% endfor -%}
        compared_days.usage_date,
        ours.{{ key }},
        {% for attribute in attributes -%}
        ours.{{ attribute }},
        {% endfor -%}
        ours.tokens,
        ours.share as our_share,
        0 as their_share
    from compared_days
    inner join ours
        on
            compared_days.source = ours.source
            and compared_days.usage_date = ours.usage_date
    where compared_days.share_of = 'tokens' and compared_days.modality in ('all', 'text')
    union all
    select
        {% for column in frame -%}
        compared_days.{{ column }},
        {% endfor -%}
        compared_days.usage_date,
        theirs.{{ key }},
        {% for attribute in attributes -%}
        theirs.{{ attribute }},
        {% endfor -%}
        0 as tokens,
        0 as our_share,
        theirs.share as their_share
    from compared_days
    inner join theirs
        on
            compared_days.gateway_source = theirs.gateway_source
            and compared_days.dataset = theirs.dataset
            and compared_days.modality = theirs.modality
            and compared_days.share_of = theirs.share_of
            and compared_days.usage_date = theirs.usage_date

),

summed as (

    select
        {{ frame | join(',\n        ') }},
        {{ key }},
        {% for attribute in attributes -%}
        max_by({{ attribute }}, usage_date) as {{ attribute }},
        {% endfor -%}
        sum(tokens) as tokens,
        sum(our_share) as our_share,
        sum(their_share) as their_share
    from rows_of_days
    group by all

),

{% set in_frame = 'over (partition by ' ~ frame | join(', ') ~ ')' -%}
with_unknown as (

    select
        *,
        sum(tokens) {{ in_frame }} as total_tokens,
        case
            when {{ key }} = 'unidentified' then 0
            else
                sum(case when {{ key }} = 'unidentified' then our_share else 0 end)
                    {{ in_frame }}
        end as our_unknown,
        case
            when {{ key }} = 'unidentified' then 0
            else
                sum(case when {{ key }} = 'unidentified' then their_share else 0 end)
                    {{ in_frame }}
        end as their_unknown
    from summed

),

averaged as (

    select
        frames.*,
        with_unknown.{{ key }},
        {% for attribute in attributes -%}
        with_unknown.{{ attribute }},
        {% endfor -%}
        {% for side in ['our', 'their'] -%}
        {% set only = 'case when frames.has_both then ' if side == 'our' else '' -%}
        {% set end = ' end' if side == 'our' else '' -%}
        {{ only }}cast(with_unknown.{{ side }}_share as double) / frames.days_compared{{ end }}
            as {{ side }}_low,
        {{ only }}cast(with_unknown.{{ side }}_share + with_unknown.{{ side }}_unknown as double)
        / frames.days_compared{{ end }} as {{ side }}_high,
        {% endfor -%}
        case
            when frames.has_both
                then {{ fraction('with_unknown.tokens', 'with_unknown.total_tokens') }}
        end as token_weighted_share
    from with_unknown
    inner join frames using ({{ frame | join(', ') }})

)

select
    {{ frame | join(',\n    ') }},
    days_compared,
    is_complete,
    'author_hq' as lens,
    {{ key }},
    {% for attribute in attributes -%}
    {{ attribute }},
    {% endfor -%}
    round(our_low, 12) as mean_share,
    round(our_low, 12) as mean_share_low,
    round(our_high, 12) as mean_share_high,
    token_weighted_share,
    round(their_low, 12) as gateway_share,
    round(their_low, 12) as gateway_share_low,
    round(their_high, 12) as gateway_share_high,
    round(their_low - our_low, 12) as spread,
    -- What is unidentified is not a bound of itself.
    case
        when {{ key }} = 'unidentified' then round(their_low - our_low, 12)
        else round(their_low - our_high, 12)
    end as spread_low,
    case
        when {{ key }} = 'unidentified' then round(their_low - our_low, 12)
        else round(their_high - our_low, 12)
    end as spread_high
from averaged
{% endmacro %}
