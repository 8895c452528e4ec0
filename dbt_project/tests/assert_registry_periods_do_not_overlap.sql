-- Of what was learned on one day, a day of use has at most one lab per author, one headquarters
-- per lab and one license per model: two would leave it to chance which one counts. Returns the
-- rows that overlap the next one. Rows learned later may overlap earlier ones: they replace them.
{{ config(meta={'dagster': {'ref': {'name': 'models'}}}) }}

with periods as (
    {% for seed, key in [('authors', 'author'), ('labs', 'lab_id'), ('models', 'base_slug')] %}
    select
        '{{ seed }}' as kind,
        {{ key }} as name,
        known_from,
        coalesce(valid_from, date '0001-01-01') as valid_from,
        coalesce(valid_to, date '9999-12-31') as valid_to
    from {{ ref(seed) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

with_next as (

    select
        *,
        lead(valid_from) over (partition by kind, name, known_from order by valid_from) as next_from
    from periods

)

select * from with_next
where valid_from >= valid_to or next_from < valid_to
