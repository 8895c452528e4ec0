with catalogue as (

    select * from {{ ref('int_catalogue_prices') }}

),

stated as (

    select * from {{ ref('stg_price_seeds') }}
    where price_source <> 'openrouter_catalogue' and usd_per_million_tokens is not null

),

-- A list stated a price again on each day on which it was read; a note by hand is a single reading.
seeds as (

    select
        stated.model_permaslug,
        stated.price_kind,
        stated.usd_per_million_tokens,
        stated.valid_from,
        stated.valid_to,
        stated.price_source,
        stated.precedence,
        stated.matched_id,
        stated.match_kind,
        stated.correction_id,
        max(coalesce(readings.read_on, stated.valid_from)) as last_seen_on
    from stated
    left join {{ ref('price_source_readings') }} as readings
        on
            stated.price_source = readings.price_source
            and {{ valid_on('readings.read_on', 'stated.valid_from', 'stated.valid_to') }}
    group by all

),

usage_days as (

    select distinct
        model_permaslug,
        usage_date
    from {{ ref('stg_usage') }}

),

-- `tier` 0 is the catalogue, landed or as a seed: one source that is already one history.
offered as (

    select
        catalogue.model_permaslug,
        catalogue.price_kind,
        catalogue.usd_per_million_tokens,
        catalogue.valid_from,
        catalogue.valid_to,
        catalogue.last_seen_on,
        catalogue.price_source,
        sources.precedence,
        catalogue.matched_id,
        catalogue.match_kind,
        catalogue.correction_id,
        0 as tier
    from catalogue
    inner join {{ ref('price_sources') }} as sources
        on catalogue.price_source = sources.price_source
    union all
    select
        model_permaslug,
        price_kind,
        usd_per_million_tokens,
        valid_from,
        valid_to,
        last_seen_on,
        price_source,
        precedence,
        matched_id,
        match_kind,
        correction_id,
        precedence as tier
    from seeds

),

-- Cut the life of a model at every day on which any source said something new of any kind.
cuts as (

    select
        model_permaslug,
        valid_from as cut
    from offered
    union
    select
        model_permaslug,
        valid_to as cut
    from offered
    where valid_to is not null

),

pieces as (

    select
        model_permaslug,
        cut as piece_from,
        lead(cut) over (partition by model_permaslug order by cut) as piece_to
    from cuts

),

first_listed as (

    select
        model_permaslug,
        min(valid_from) as listed_from
    from catalogue
    group by model_permaslug

),

used_pieces as (

    select distinct
        pieces.model_permaslug,
        pieces.piece_from
    from pieces
    inner join usage_days
        on
            pieces.model_permaslug = usage_days.model_permaslug
            and {{ valid_on('usage_days.usage_date', 'pieces.piece_from', 'pieces.piece_to') }}

),

-- One source is used for all kinds of a piece, so that prices of two sources are never mixed. What
-- the catalogue once listed and then took down has no price there, unless it was used all the same.
spoken as (

    select
        pieces.piece_from,
        pieces.piece_to,
        offered.*
    from pieces
    inner join offered
        on
            pieces.model_permaslug = offered.model_permaslug
            and {{ valid_on('pieces.piece_from', 'offered.valid_from', 'offered.valid_to') }}
    left join first_listed on pieces.model_permaslug = first_listed.model_permaslug
    left join used_pieces
        on
            pieces.model_permaslug = used_pieces.model_permaslug
            and pieces.piece_from = used_pieces.piece_from
    where
        offered.tier = 0
        or first_listed.listed_from is null
        or pieces.piece_from < first_listed.listed_from
        or used_pieces.piece_from is not null
    qualify
        rank() over (
            partition by pieces.model_permaslug, pieces.piece_from
            order by offered.tier
        ) = 1

),

marked as (

    select
        *,
        case
            when
                lag(piece_to) over kind_history = piece_from
                and lag(valid_from) over kind_history = valid_from
                and lag(price_source) over kind_history = price_source
                then 0
            else 1
        end as starts
    from spoken
    window kind_history as (
        partition by model_permaslug, price_kind
        order by piece_from
    )

),

numbered as (

    select
        *,
        sum(starts) over (
            partition by model_permaslug, price_kind
            order by piece_from
        ) as interval_number
    from marked

)

select
    model_permaslug,
    price_kind,
    max(usd_per_million_tokens) as usd_per_million_tokens,
    min(piece_from) as valid_from,
    case when bool_and(piece_to is not null) then max(piece_to) end as valid_to,
    max(last_seen_on) as last_seen_on,
    max(price_source) as price_source,
    max(precedence) as precedence,
    max(matched_id) as matched_id,
    max(match_kind) as match_kind,
    max(correction_id) as correction_id
from numbered
group by model_permaslug, price_kind, interval_number
