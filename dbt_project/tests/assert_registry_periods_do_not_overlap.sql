-- A day has at most one lab per author and one headquarters per lab: two would count its tokens
-- twice. Returns the rows that overlap the next one.
{{ config(meta={'dagster': {'ref': {'name': 'authors'}}}) }}

with periods as (

    select
        'author' as kind,
        author as name,
        coalesce(valid_from, date '0001-01-01') as valid_from,
        coalesce(valid_to, date '9999-12-31') as valid_to
    from {{ ref('authors') }}
    union all
    select
        'lab' as kind,
        lab_id as name,
        coalesce(valid_from, date '0001-01-01') as valid_from,
        coalesce(valid_to, date '9999-12-31') as valid_to
    from {{ ref('labs') }}

),

with_next as (

    select
        *,
        lead(valid_from) over (partition by kind, name order by valid_from) as next_from
    from periods

)

select * from with_next
where valid_from >= valid_to or next_from < valid_to
