with unattributed_authors as (

    select distinct author from {{ ref('unattributed_authors') }}

),

routers as (

    select distinct base_slug from {{ ref('routers') }}

),

judged as (

    select
        models.seen_on,
        models.author,
        models.model_id,
        models.author in ('openrouter', 'stealth')
        or authors.author is not null
        or unattributed_authors.author is not null
        or routers.base_slug is not null as has_row
    from {{ ref('stg_catalogue_models') }} as models
    left join {{ ref('authors') }} as authors
        on
            models.author = authors.author
            and {{ valid_on('models.seen_on', 'authors.valid_from', 'authors.valid_to') }}
    left join unattributed_authors on models.author = unattributed_authors.author
    left join routers using (base_slug)

)

select
    seen_on,
    author,
    count(distinct model_id) as models,
    bool_and(has_row) as author_has_row
from judged
group by seen_on, author
