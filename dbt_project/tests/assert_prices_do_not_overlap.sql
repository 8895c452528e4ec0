-- On one day a model has at most one price of a kind. Returns the prices that overlap the next.
{{ config(meta={'dagster': {'ref': {'name': 'price_history'}}}) }}

with with_next as (

    select
        model_permaslug,
        price_kind,
        valid_from,
        valid_to,
        lead(valid_from) over (
            partition by model_permaslug, price_kind order by valid_from
        ) as next_from
    from {{ ref('price_history') }}

)

select * from with_next
where
    valid_from >= valid_to
    or (next_from is not null and (valid_to is null or valid_to > next_from))
