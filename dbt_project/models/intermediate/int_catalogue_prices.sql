with seed as (

    select * from {{ ref('stg_price_seeds') }}
    where price_source = 'openrouter_catalogue' and usd_per_million_tokens is not null

),

landed as (

    select * from {{ ref('stg_catalogue_prices') }}

),

unreadable_entries as (

    select * from {{ ref('stg_unreadable_entries') }}
    where source = 'openrouter_models'

),

-- A day on which a correction drops a price is still a day on which the catalogue was seen.
catalogue_days as (

    select distinct seen_on from landed

),

catalogue as (

    select * from landed
    where usd_per_million_tokens is not null

),

seed_end as (

    select
        coalesce(
            max(greatest(valid_from, coalesce(valid_to, valid_from))), date '0001-01-01'
        ) as seed_end
    from seed

),

seeded as (

    select distinct model_permaslug from seed

),

-- The days on which the seed saw any price begin or end are days on which the catalogue was read.
seed_days as (

    select
        read_on,
        lag(read_on) over (order by read_on) as previous_read_on
    from (
        select valid_from as read_on from seed
        union
        select valid_to as read_on from seed
        where valid_to is not null
    ) as days

),

-- Up to its end the seed was seen twice a day, finer than any single catalogue: until then a
-- landed catalogue counts only for models that the seed does not know, and only by their slug. A
-- kind of price that the seed lacks was left out on purpose.
seen as (

    select catalogue.*
    from catalogue
    cross join seed_end
    left join seeded using (model_permaslug)
    where
        catalogue.seen_on > seed_end.seed_end
        or (seeded.model_permaslug is null and catalogue.match_kind = 'canonical_slug')

),

-- The permaslug that a catalogue id had when it last stated a price of this kind.
known_names as (

    select
        matched_id,
        model_permaslug,
        price_kind,
        seen_on as known_on
    from seen
    union all
    select
        matched_id,
        model_permaslug,
        price_kind,
        valid_from as known_on
    from seed

),

-- What is listed with a price that could not be believed is neither gone nor priced anew. Without
-- its slug nobody knows which model the entry is about, so that none of its prices counts.
unreadable as (

    select
        unreadable_entries.seen_on,
        known_names.model_permaslug,
        known_names.price_kind
    from unreadable_entries
    inner join known_names
        on
            unreadable_entries.entry_id = known_names.matched_id
            and unreadable_entries.seen_on > known_names.known_on
            and (
                unreadable_entries.field is null
                or unreadable_entries.field = 'canonical_slug'
                or unreadable_entries.field = concat('pricing.', known_names.price_kind)
            )
    qualify
        row_number() over (
            partition by
                unreadable_entries.seen_on, unreadable_entries.entry_id, known_names.price_kind
            order by known_names.known_on desc, known_names.model_permaslug asc
        ) = 1

),

-- Who was in the catalogue when: every landed catalogue, and the seed on its last day.
present as (

    select
        seen_on,
        model_permaslug,
        price_kind
    from seen
    union
    select * from unreadable
    union
    select
        seed_end.seed_end as seen_on,
        seed.model_permaslug,
        seed.price_kind
    from seed
    cross join seed_end
    where seed.valid_to is null

),

next_catalogue as (

    select
        present.model_permaslug,
        present.price_kind,
        min(catalogue_days.seen_on) as next_seen_on
    from present
    cross join seed_end
    inner join catalogue_days
        on
            present.seen_on < catalogue_days.seen_on
            and seed_end.seed_end < catalogue_days.seen_on
    group by present.seen_on, present.model_permaslug, present.price_kind

),

removed as (

    select
        next_catalogue.next_seen_on as valid_from,
        next_catalogue.model_permaslug,
        next_catalogue.price_kind
    from next_catalogue
    left join present
        on
            next_catalogue.next_seen_on = present.seen_on
            and next_catalogue.model_permaslug = present.model_permaslug
            and next_catalogue.price_kind = present.price_kind
    where present.seen_on is null

),

-- What was learned on which day; NULL is "no longer offered". The smaller `precedence` comes first.
events as (

    select
        model_permaslug,
        price_kind,
        seen_on as event_date,
        seen_on as last_seen_on,
        usd_per_million_tokens,
        'openrouter_models' as price_source,
        match_kind,
        matched_id,
        correction_id,
        1 as precedence
    from seen
    union all
    select
        seed.model_permaslug,
        seed.price_kind,
        seed.valid_from as event_date,
        greatest(
            seed.valid_from, coalesce(seed_days.previous_read_on, seed_end.seed_end)
        ) as last_seen_on,
        seed.usd_per_million_tokens,
        seed.price_source,
        seed.match_kind,
        seed.matched_id,
        seed.correction_id,
        2 as precedence
    from seed
    cross join seed_end
    left join seed_days on seed.valid_to = seed_days.read_on
    union all
    select
        model_permaslug,
        price_kind,
        valid_to as event_date,
        cast(null as date) as last_seen_on,
        cast(null as decimal(18, 9)) as usd_per_million_tokens,
        price_source,
        match_kind,
        matched_id,
        correction_id,
        3 as precedence
    from seed
    where valid_to is not null
    union all
    select
        model_permaslug,
        price_kind,
        valid_from as event_date,
        cast(null as date) as last_seen_on,
        cast(null as decimal(18, 9)) as usd_per_million_tokens,
        'openrouter_models' as price_source,
        'removed' as match_kind,
        cast(null as string) as matched_id,
        cast(null as string) as correction_id,
        4 as precedence
    from removed

),

one_a_day as (

    select *
    from events
    qualify
        row_number() over (
            partition by model_permaslug, price_kind, event_date
            order by precedence
        ) = 1

),

with_previous as (

    select
        *,
        lag(usd_per_million_tokens) over (
            partition by model_permaslug, price_kind order by event_date
        ) as previous_usd,
        lag(correction_id) over (
            partition by model_permaslug, price_kind order by event_date
        ) as previous_correction_id,
        row_number() over (
            partition by model_permaslug, price_kind order by event_date
        ) as event_number
    from one_a_day

),

numbered as (

    select
        *,
        sum(
            case
                when
                    event_number = 1
                    or usd_per_million_tokens is distinct from previous_usd
                    -- what was corrected stays visible, even if it now equals its neighbors
                    or correction_id is distinct from previous_correction_id
                    then 1
                else 0
            end
        ) over (
            partition by model_permaslug, price_kind order by event_date
        ) as interval_number
    from with_previous

),

-- An interval is named by its first event and was last seen at its last one.
seen_intervals as (

    select
        *,
        max(last_seen_on) over (
            partition by model_permaslug, price_kind, interval_number
        ) as interval_last_seen_on
    from numbered

),

changes as (

    select *
    from seen_intervals
    qualify
        row_number() over (
            partition by model_permaslug, price_kind, interval_number
            order by event_date
        ) = 1

),

intervals as (

    select
        *,
        lead(event_date) over (
            partition by model_permaslug, price_kind order by event_date
        ) as next_date
    from changes

)

select
    model_permaslug,
    price_kind,
    usd_per_million_tokens,
    event_date as valid_from,
    next_date as valid_to,
    interval_last_seen_on as last_seen_on,
    price_source,
    matched_id,
    match_kind,
    correction_id
from intervals
where usd_per_million_tokens is not null
