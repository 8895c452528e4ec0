-- If two rows of the seed are about one provider and day, the one that was learned last counts;
-- two that were learned on one day cannot be told apart. Returns the rows that overlap the next
-- one, and periods without a day.
{{ config(meta={'dagster': {'ref': {'name': 'providers'}}}) }}

with with_next as (

    select
        provider_slug,
        known_from,
        valid_from,
        valid_to,
        lead(coalesce(valid_from, date '0001-01-01')) over (
            partition by provider_slug, known_from
            order by coalesce(valid_from, date '0001-01-01')
        ) as next_from
    from {{ ref('providers') }}

)

select * from with_next
where
    valid_from >= valid_to
    or next_from < coalesce(valid_to, date '9999-12-31')
