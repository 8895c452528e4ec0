-- What the seeds say about one slug agrees: keys are in lower case, a model's lab is its author's
-- lab, a reveal is known only after the day on which it was made, and a deliberately unmapped
-- author has no lab. Returns the contradictions.
{{ config(meta={'dagster': {'ref': {'name': 'models'}}}) }}

with models as (

    select * from {{ ref('models') }}

),

authors as (

    select * from {{ ref('authors') }}

),

unattributed as (

    select * from {{ ref('unattributed_authors') }}

),

model_authors as (

    select
        *,
        split_part(base_slug, '/', 1) as author
    from models

)

select
    'models' as seed,
    base_slug as name,
    'not in lower case' as contradiction
from models
where base_slug <> lower(base_slug)
union all
select
    'authors' as seed,
    author as name,
    'not in lower case' as contradiction
from authors
where author <> lower(author)
union all
select
    'models' as seed,
    model_authors.base_slug as name,
    'its author belongs to ' || authors.lab_id || ', its row for ' || model_authors.lab_id
        as contradiction
from model_authors
inner join authors
    on
        model_authors.author = authors.author
        and model_authors.lab_id <> authors.lab_id
        and coalesce(authors.valid_from, date '0001-01-01')
        < coalesce(model_authors.valid_to, date '9999-12-31')
        and coalesce(model_authors.valid_from, date '0001-01-01')
        < coalesce(authors.valid_to, date '9999-12-31')
union all
select
    'models' as seed,
    base_slug as name,
    'revealed on a day after it was known, or without one' as contradiction
from models
where
    revealed_as is not null
    and (revealed_on is null or known_from is null or known_from <= revealed_on)
union all
select
    'unattributed_authors' as seed,
    unattributed.author as name,
    'has a lab in authors' as contradiction
from unattributed
inner join authors using (author)
union all
select
    'gateway_names' as seed,
    names.name,
    'its model belongs to another lab' as contradiction
from {{ ref('gateway_names') }} as names
left join models on names.base_slug = models.base_slug
left join authors on split_part(names.base_slug, '/', 1) = authors.author
where names.lab_id <> coalesce(models.lab_id, authors.lab_id)
