-- The days of request logs as they may be published: what used a model, without groups of few
-- requests. If `small_cells` is set, a model, provider or region with fewer requests loses its
-- name: it joins those of its day, model and provider that have none. If these are too few
-- themselves, the smallest of the others joins them, so that no total gives a group away. A day
-- with fewer requests is left out. All tables of a log come from here, so that nothing finer is in
-- any of them.
{% set suppressed = '(suppressed)' %}
{% set levels = [
    ('model_name', "'" ~ suppressed ~ "'", ['source', 'usage_date']),
    ('provider_name', "''", ['source', 'usage_date', 'model_name']),
    ('region', "''", ['source', 'usage_date', 'model_name', 'provider_name']),
] %}
{% set measures = [
    'dump_sha256', 'requests', 'requests_with_tokens', 'prompt_tokens', 'cache_read_tokens',
    'cache_write_tokens', 'completion_tokens', 'requests_with_cost', 'cost_usd',
    'own_key_cost_usd',
] %}

with level_0 as (

    select
        days.source,
        days.usage_date,
        {{ model_as_named('days.model_name') }} as model_name,
        coalesce(days.provider_name, '') as provider_name,
        coalesce(lower(days.region), '') as region,
        {% for measure in measures -%}
        days.{{ measure }},
        {% endfor -%}
        run_settings.small_cells
    from {{ source('raw', 'request_days') }} as days
    cross join {{ source('raw', 'run_settings') }} as run_settings
    -- Answers from the gateway's own cache and tests used no model.
    where
        days.outcome not in ('cached', 'test') and days.prompt_tokens + days.completion_tokens > 0

),

small_days as (

    select
        source,
        usage_date
    from level_0
    where small_cells > 0
    group by source, usage_date, small_cells
    having sum(requests_with_tokens) < small_cells

),
{% for child, nameless, parents in levels %}
{%- set group = (parents + [child]) | join(', ') %}
{{ child }}_totals as (

    select
        {{ group }},
        small_cells,
        sum(requests_with_tokens) as requests,
        sum(requests_with_tokens) < small_cells or {{ child }} = {{ nameless }} as is_nameless
    from level_{{ loop.index0 }}
    where small_cells > 0
    group by {{ group }}, small_cells

),

{{ child }}_nameless as (

    select {{ group }}
    from {{ child }}_totals
    qualify
        is_nameless
        or (
            row_number() over (
                partition by {{ parents | join(', ') }}, is_nameless
                order by requests, {{ child }}
            ) = 1
            and sum(case when is_nameless then requests else 0 end) over (
                partition by {{ parents | join(', ') }}
            ) between 1 and small_cells - 1
        )

),

level_{{ loop.index }} as (

    select
        {% for column in parents -%}
        days.{{ column }},
        {% endfor -%}
        case when nameless.source is null then days.{{ child }} else {{ nameless }} end
            as {{ child }},
        {% for later, _, _ in levels[loop.index:] -%}
        days.{{ later }},
        {% endfor -%}
        {% for measure in measures -%}
        days.{{ measure }},
        {% endfor -%}
        days.small_cells
    from level_{{ loop.index0 }} as days
    left join {{ child }}_nameless as nameless
        on
            days.source = nameless.source
            {% for column in parents[1:] -%}
            and days.{{ column }} = nameless.{{ column }}
            {% endfor -%}
            and days.{{ child }} = nameless.{{ child }}

),
{% endfor %}
published as (

    select level_3.*
    from level_3
    left join small_days using (source, usage_date)
    where small_days.source is null

)

select
    source,
    usage_date,
    dump_sha256,
    model_name,
    nullif(provider_name, '') as provider_name,
    nullif(region, '') as region,
    {% for measure in measures[1:-1] -%}
    {{ measure }},
    {% endfor -%}
    own_key_cost_usd
from published
