-- Usage logs write a display name or a slug, in any case. A slug goes before a display name; a
-- display name of several providers belongs to none of them.
with known as (

    select
        provider_slug,
        provider_name
    from {{ ref('providers') }}
    union
    select
        provider_slug,
        provider_name
    from {{ ref('stg_provider_lists') }}

),

names as (

    select
        lower(provider_slug) as lookup_name,
        provider_slug,
        1 as precedence
    from known
    union
    select
        lower(provider_name) as lookup_name,
        provider_slug,
        2 as precedence
    from known

),

best as (

    select *
    from names
    qualify rank() over (partition by lookup_name order by precedence) = 1

)

select
    lookup_name,
    min(provider_slug) as provider_slug
from best
group by lookup_name
having min(provider_slug) = max(provider_slug)
