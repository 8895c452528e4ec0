{% set kinds = ['prompt', 'completion', 'input_cache_read', 'input_cache_write'] %}

with models as (

    select * from {{ ref('stg_catalogue_models') }}

),

unreadable as (

    select * from {{ ref('stg_unreadable_entries') }}
    where source = 'openrouter_models'

),

-- Entries that were listed but could not be read at all
hidden as (

    select
        seen_on,
        entry_id
    from unreadable
    where field is null

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
    inner join models using (seen_on)

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

-- Who is listed on both days, readable or not, neither came nor went.
listed as (

    select compared.*
    from compared
    left join hidden
        on
            compared.model_id = hidden.entry_id
            and (
                (compared.is_removed and compared.seen_on = hidden.seen_on)
                or (compared.is_new and compared.previous_seen_on = hidden.seen_on)
            )
    where hidden.entry_id is null

),

changes as (

    select
        *,
        case when is_new then 'new' when is_removed then 'removed' else 'renamed' end as change,
        case when is_new or is_removed then 'model' else 'canonical_slug' end as field,
        cast(null as decimal(18, 9)) as old_usd_per_million_tokens,
        cast(null as decimal(18, 9)) as new_usd_per_million_tokens
    from listed
    where
        is_new
        or is_removed
        -- A slug that is stated for the first time renames nothing.
        or old_canonical_slug <> new_canonical_slug
    {% for kind in kinds %}
    union all
    select
        listed.*,
        'price_changed' as change,
        '{{ kind }}' as field,
        listed.old_usd_{{ kind }} as old_usd_per_million_tokens,
        listed.new_usd_{{ kind }} as new_usd_per_million_tokens
    from listed
    -- A price that could not be read has not changed
    left join unreadable
        on
            listed.model_id = unreadable.entry_id
            and unreadable.field = 'pricing.{{ kind }}'
            and (
                (listed.new_usd_{{ kind }} is null and listed.seen_on = unreadable.seen_on)
                or (
                    listed.old_usd_{{ kind }} is null
                    and listed.previous_seen_on = unreadable.seen_on
                )
            )
    where
        not listed.is_new
        and not listed.is_removed
        and listed.old_usd_{{ kind }} is distinct from listed.new_usd_{{ kind }}
        and unreadable.entry_id is null
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
inner join {{ ref('int_catalogue_authors') }} as authors
    on
        changes.author_seen_on = authors.seen_on
        and changes.author = authors.author
