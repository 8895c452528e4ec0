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

readings as (

    select distinct
        lens,
        registry_view
    from {{ source('raw', 'rule_sets') }}

),

attribution as (
    {{ by_lens(
        ref('int_attribution'),
        [
            'usage_date', 'base_slug', 'registry_view', 'identification', 'license',
            'revealed_as',
        ],
        has_providers=false
    ) }}
),

attributed as (

    select
        attribution.base_slug,
        attribution.lens,
        attribution.registry_view,
        attribution.identification,
        attribution.origin,
        attribution.lab_id,
        attribution.license,
        attribution.revealed_as,
        min(attribution.usage_date) as first_day
    from attribution
    inner join readings using (lens, registry_view)
    group by all

),

kinds as (

    select
        attributed.*,
        usage.model_permaslug,
        {{ made_by('attributed.revealed_as', 'usage.author') }} as author,
        usage.variant = 'free' as is_free
    from usage
    inner join attributed using (base_slug)

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
