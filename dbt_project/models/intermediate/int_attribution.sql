-- Which lab is behind a slug on a day, as known then (on the day of use) and as known now. Computed
-- per slug and day, not per row of usage: request-level sources have thousands of rows for each.
with slug_days as (

    select
        usage_date,
        base_slug,
        author
    from {{ ref('stg_usage') }}
    union
    -- Models that task classifications name: read as on the last day of their window.
    select
        window_end as usage_date,
        base_slug,
        author
    from {{ ref('int_task_models') }}

),

run_settings as (

    select * from {{ source('raw', 'run_settings') }}

),

models as (

    select * from {{ ref('models') }}

),

authors as (

    select * from {{ ref('authors') }}
    -- OpenRouter's own names say nothing about the lab behind a model.
    where author not in ('openrouter', 'stealth')

),

labs as (

    select * from {{ ref('labs') }}

),

asked as (

    select
        slug_days.*,
        'then' as registry_view,
        least(slug_days.usage_date, run_settings.registry_as_of) as known_on
    from slug_days
    cross join run_settings
    union all
    select
        slug_days.*,
        'now' as registry_view,
        run_settings.registry_as_of as known_on
    from slug_days
    cross join run_settings

),

known_models as (

    {{ registry_rows(
        'models', 'base_slug', 'asked', ['lab_id', 'license', 'base_lab_id', 'revealed_as']
    ) }}

),

known_authors as (

    {{ registry_rows('authors', 'author', 'asked', ['lab_id']) }}

),

-- A row of the model itself comes before the row of its author.
named as (

    select
        asked.*,
        coalesce(known_models.lab_id, known_authors.lab_id) as lab_id,
        known_models.base_lab_id,
        known_models.license,
        known_models.revealed_as,
        routers.base_slug is not null as is_router
    from asked
    left join known_models using (usage_date, known_on, base_slug)
    left join known_authors using (usage_date, known_on, author)
    left join {{ ref('routers') }} as routers using (base_slug)

),

asked_labs as (

    select
        usage_date,
        known_on,
        lab_id
    from named
    union all
    select
        usage_date,
        known_on,
        base_lab_id as lab_id
    from named

),

known_labs as (

    {{ registry_rows('labs', 'lab_id', 'asked_labs', ['lab_name', 'headquarters']) }}

),

identified as (

    select
        named.*,
        known_labs.lab_name,
        known_labs.headquarters,
        base_labs.lab_name as base_lab_name,
        base_labs.headquarters as base_headquarters,
        case
            when named.base_slug = 'other' then 'tail'
            when named.is_router then 'router'
            when known_labs.lab_id is not null then 'attributed'
            when named.author in ('openrouter', 'stealth') then 'stealth'
            else 'unmapped'
        end as identification
    from named
    left join known_labs using (usage_date, known_on, lab_id)
    left join known_labs as base_labs
        on
            named.usage_date = base_labs.usage_date
            and named.known_on = base_labs.known_on
            and named.base_lab_id = base_labs.lab_id

)

select
    usage_date,
    base_slug,
    registry_view,
    identification,
    case when identification = 'attributed' then lab_id end as lab_id,
    case when identification = 'attributed' then lab_name end as lab_name,
    case when identification = 'attributed' then headquarters end as headquarters,
    case when identification = 'attributed' then base_lab_id end as base_lab_id,
    case when identification = 'attributed' then base_lab_name end as base_lab_name,
    case when identification = 'attributed' then base_headquarters end as base_headquarters,
    -- Whether weights can be downloaded does not depend on who made them.
    case
        when identification in ('tail', 'router') then 'unknown' else coalesce(license, 'unknown')
    end as license,
    case when identification = 'attributed' then revealed_as end as revealed_as
from identified
