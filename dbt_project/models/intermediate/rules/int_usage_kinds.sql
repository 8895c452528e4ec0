-- The kinds of rows that the rule sets tell apart, in each reading (lens and registry view) that
-- one of them asks for: a model whose attribution changes is another kind from that day on.
with usage as (

    select distinct
        model_permaslug,
        base_slug,
        author,
        variant
    from {{ ref('int_usage_identified') }}

),

attribution as (

    select * from {{ ref('int_attribution') }}

),

readings as (

    select distinct
        lens,
        registry_view
    from {{ source('raw', 'rule_sets') }}

),

attributed as (
    {% for lens, (origin, lab_id, lab_name) in lenses().items() if lens != 'serving_hq' %}
    select
        attribution.base_slug,
        readings.lens,
        readings.registry_view,
        attribution.identification,
        coalesce(attribution.{{ origin }}, 'unidentified') as origin,
        coalesce(attribution.{{ lab_id }}, 'unidentified') as lab_id,
        attribution.license,
        attribution.revealed_as,
        min(attribution.usage_date) as first_day
    from attribution
    inner join readings
        on
            attribution.registry_view = readings.registry_view
            and readings.lens = '{{ lens }}'
    group by all
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

kinds as (

    select
        attributed.*,
        usage.model_permaslug,
        {{ made_by('attributed.revealed_as', 'usage.author') }} as author,
        usage.variant = 'free' as is_free
    from usage
    inner join attributed on usage.base_slug = attributed.base_slug

),

numbered as (

    select
        *,
        row_number() over (
            order by
                lens asc,
                registry_view asc,
                model_permaslug asc,
                first_day asc,
                identification asc,
                origin asc,
                lab_id asc,
                license asc
        ) as place
    from kinds

)

select
    cast(place as integer) as kind_id,
    lens,
    registry_view,
    model_permaslug,
    base_slug,
    author,
    is_free,
    identification,
    origin,
    lab_id,
    license
from numbered
