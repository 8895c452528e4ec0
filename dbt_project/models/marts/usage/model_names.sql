with days as (

    select * from {{ ref('int_request_days') }}

),

names as (

    select
        *,
        lower(split_part(model_permaslug, ':', 1)) as base_slug
    from {{ ref('int_model_names') }}

),

attribution as (

    select attribution.*
    from {{ ref('int_attribution') }} as attribution
    inner join {{ source('raw', 'run_settings') }} as run_settings
        on attribution.registry_view = run_settings.registry_view

)

select
    days.source,
    names.model_name,
    names.model_permaslug,
    names.match_kind,
    max_by(attribution.identification, days.usage_date) as identification,
    cast(sum(days.prompt_tokens + days.completion_tokens) as bigint) as tokens,
    cast(sum(days.requests_with_tokens) as bigint) as requests
from days
inner join names on days.model_name = names.model_name
inner join attribution
    on
        days.usage_date = attribution.usage_date
        and names.base_slug = attribution.base_slug
group by days.source, names.model_name, names.model_permaslug, names.match_kind
