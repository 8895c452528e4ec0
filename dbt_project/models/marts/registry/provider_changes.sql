with landed as (

    select
        seen_on,
        provider_slug,
        provider_name,
        headquarters
    from {{ ref('stg_provider_lists') }}

),

seed as (

    select *
    from {{ ref('providers') }}
    -- A correction is a row beside the one that it corrects; the one learned last counts.
    qualify
        row_number() over (
            partition by provider_slug
            order by valid_to is not null asc, known_from desc, valid_from desc
        ) = 1

),

seed_day as (

    select max(known_from) as seen_on from seed

),

first_landed as (

    select min(seen_on) as seen_on from landed

),

-- The seed's open rows are a provider list of the day on which the newest of them was learned; the
-- first landed list is compared with it if it is newer.
lists as (

    select * from landed
    union all
    select
        seed_day.seen_on,
        seed.provider_slug,
        seed.provider_name,
        seed.headquarters
    from seed
    cross join seed_day
    cross join first_landed
    where seed.valid_to is null and seed_day.seen_on < first_landed.seen_on

),

unreadable as (

    select * from {{ ref('stg_unreadable_entries') }}
    where source = 'openrouter_providers'

),

list_days as (

    select distinct seen_on from lists

),

pairs as (

    select
        seen_on,
        lag(seen_on) over (order by seen_on) as previous_seen_on
    from list_days
    qualify lag(seen_on) over (order by seen_on) is not null

),

newer as (

    select
        pairs.previous_seen_on,
        lists.*
    from pairs
    inner join lists using (seen_on)

),

older as (

    select
        pairs.seen_on as next_seen_on,
        lists.*
    from pairs
    inner join lists on pairs.previous_seen_on = lists.seen_on

),

compared as (

    select
        coalesce(newer.seen_on, older.next_seen_on) as seen_on,
        coalesce(newer.previous_seen_on, older.seen_on) as previous_seen_on,
        coalesce(newer.provider_slug, older.provider_slug) as provider_slug,
        coalesce(newer.provider_name, older.provider_name) as provider_name,
        older.provider_slug is null as is_new,
        newer.provider_slug is null as is_removed,
        older.provider_name as old_name,
        newer.provider_name as new_name,
        older.headquarters as old_headquarters,
        newer.headquarters as new_headquarters
    from newer
    full outer join older
        on
            newer.seen_on = older.next_seen_on
            and newer.provider_slug = older.provider_slug

),

-- Who is listed on both days, readable or not, neither came nor went.
listed as (

    select compared.*
    from compared
    left join unreadable
        on
            compared.provider_slug = unreadable.entry_id
            and unreadable.field is null
            and (
                (compared.is_removed and compared.seen_on = unreadable.seen_on)
                or (compared.is_new and compared.previous_seen_on = unreadable.seen_on)
            )
    where unreadable.entry_id is null

),

changes as (

    select
        *,
        case when is_new then 'new' else 'removed' end as change,
        old_headquarters as old_value,
        new_headquarters as new_value
    from listed
    where is_new or is_removed
    union all
    select
        listed.*,
        'headquarters_changed' as change,
        listed.old_headquarters as old_value,
        listed.new_headquarters as new_value
    from listed
    -- Headquarters that could not be read have not changed
    left join unreadable
        on
            listed.provider_slug = unreadable.entry_id
            and unreadable.field = 'headquarters'
            and unreadable.seen_on in (listed.seen_on, listed.previous_seen_on)
    where
        not listed.is_new
        and not listed.is_removed
        and listed.old_headquarters is distinct from listed.new_headquarters
        and unreadable.entry_id is null
    union all
    select
        *,
        'renamed' as change,
        old_name as old_value,
        new_name as new_value
    from listed
    where old_name <> new_name

)

select
    seen_on,
    previous_seen_on,
    provider_slug,
    change,
    provider_name,
    old_value,
    new_value
from changes
