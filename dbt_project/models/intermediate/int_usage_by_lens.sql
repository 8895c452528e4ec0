-- The three lenses on origin: one branch each, the same words for all. serving_hq exists only for
-- sources that name who served the tokens.
with usage as (

    select * from {{ ref('int_usage_identified') }}

),

sources_with_providers as (

    select distinct source
    from usage
    where provider_name is not null

),

lenses as (
    {% for lens, (origin, lab_id, lab_name) in lenses().items() %}
    select
        usage.source,
        usage.usage_date,
        '{{ lens }}' as lens,
        coalesce(usage.{{ origin }}, 'unidentified') as origin,
        coalesce(usage.{{ lab_id }}, 'unidentified') as lab_id,
        coalesce(usage.{{ lab_name }}, 'Unidentified') as lab_name,
        usage.tokens
    from usage
    {% if lens == 'serving_hq' -%}
    inner join sources_with_providers on usage.source = sources_with_providers.source
    {% endif -%}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    source,
    usage_date,
    lens,
    origin,
    lab_id,
    lab_name,
    cast(sum(tokens) as bigint) as tokens
from lenses
group by all
