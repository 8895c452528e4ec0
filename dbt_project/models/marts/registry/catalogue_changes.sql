{% set kinds = ['prompt', 'completion', 'input_cache_read', 'input_cache_write'] %}

with models as (

    select * from {{ ref('stg_catalogue_models') }}

),

authors as (

    select * from {{ ref('int_catalogue_authors') }}

),

catalogue_days as (

    select distinct seen_on from models

),

-- The first landed catalogue has none before it: it is what the second is compared with.
pairs as (

    select
        seen_on,
        lag(seen_on) over (order by seen_on) as previous_seen_on
    from catalogue_days
    qualify lag(seen_on) over (order by seen_on) is not null

),

newer as (

    select
        pairs.previous_seen_on,
        models.*
    from pairs
    inner join models on pairs.seen_on = models.seen_on

),

older as (

    select
        pairs.seen_on as next_seen_on,
        models.*
    from pairs
    inner join models on pairs.previous_seen_on = models.seen_on

),

compared as (

    select
        coalesce(newer.seen_on, older.next_seen_on) as seen_on,
        coalesce(newer.previous_seen_on, older.seen_on) as previous_seen_on,
        coalesce(newer.model_id, older.model_id) as model_id,
        coalesce(newer.model_name, older.model_name) as model_name,
        coalesce(newer.author, older.author) as author,
        -- An author that has gone is looked up in the last catalogue that had it.
        coalesce(newer.seen_on, older.seen_on) as author_seen_on,
        older.model_id is null as is_new,
        newer.model_id is null as is_removed,
        older.canonical_slug as old_canonical_slug,
        {% for kind in kinds -%}
        older.usd_per_million_{{ kind }} as old_usd_{{ kind }},
        newer.usd_per_million_{{ kind }} as new_usd_{{ kind }},
        {% endfor -%}
        newer.canonical_slug as new_canonical_slug
    from newer
    full outer join older
        on
            newer.seen_on = older.next_seen_on
            and newer.model_id = older.model_id

),

changes as (

    select
        *,
        case when is_new then 'new' when is_removed then 'removed' else 'renamed' end as change,
        case when is_new or is_removed then 'model' else 'canonical_slug' end as field,
        cast(null as decimal(24, 18)) as old_usd_per_million_tokens,
        cast(null as decimal(24, 18)) as new_usd_per_million_tokens
    from compared
    where
        is_new
        or is_removed
        -- A slug that is stated for the first time renames nothing.
        or old_canonical_slug <> new_canonical_slug
    {% for kind in kinds %}
    union all
    select
        *,
        'price_changed' as change,
        '{{ kind }}' as field,
        old_usd_{{ kind }} as old_usd_per_million_tokens,
        new_usd_{{ kind }} as new_usd_per_million_tokens
    from compared
    where
        not is_new
        and not is_removed
        and old_usd_{{ kind }} is distinct from new_usd_{{ kind }}
    {% endfor %}
)

select
    changes.seen_on,
    changes.previous_seen_on,
    changes.model_id,
    changes.change,
    changes.field,
    changes.model_name,
    changes.old_canonical_slug,
    changes.new_canonical_slug,
    changes.old_usd_per_million_tokens,
    changes.new_usd_per_million_tokens,
    changes.author,
    authors.author_has_row
from changes
inner join authors
    on
        changes.author_seen_on = authors.seen_on
        and changes.author = authors.author
