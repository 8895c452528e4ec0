with usage as (

    select * from {{ ref('stg_usage') }}

),

days as (

    select * from {{ ref('int_days') }}

),

authors as (

    select * from {{ ref('authors') }}

),

labs as (

    select * from {{ ref('labs') }}

),

routers as (

    select * from {{ ref('routers') }}

),

identified as (

    select
        usage.source,
        usage.usage_date,
        usage.model_permaslug,
        usage.base_slug,
        usage.variant,
        usage.author,
        usage.tokens,
        days.is_complete,
        usage.dump_sha256,
        case
            when usage.model_permaslug = 'other' then 'tail'
            when routers.base_slug is not null then 'router'
            when usage.author in ('openrouter', 'stealth') then 'stealth'
            when labs.lab_id is not null then 'attributed'
            else 'unmapped'
        end as identification,
        labs.lab_id,
        labs.lab_name,
        labs.headquarters
    from usage
    inner join days
        on
            usage.source = days.source
            and usage.usage_date = days.usage_date
            and usage.dump_sha256 = days.dump_sha256
    left join routers on usage.base_slug = routers.base_slug
    left join authors
        on
            usage.author = authors.author
            and {{ valid_on('usage.usage_date', 'authors.valid_from', 'authors.valid_to') }}
    left join labs
        on
            authors.lab_id = labs.lab_id
            and {{ valid_on('usage.usage_date', 'labs.valid_from', 'labs.valid_to') }}

)

select
    source,
    usage_date,
    model_permaslug,
    base_slug,
    variant,
    author,
    identification,
    tokens,
    is_complete,
    dump_sha256,
    case when identification = 'attributed' then lab_id end as lab_id,
    case when identification = 'attributed' then lab_name end as lab_name,
    case when identification = 'attributed' then headquarters end as headquarters
from identified
