with seeds as (

    select * from {{ ref('stg_price_seeds') }}
    where price_source <> 'openrouter_catalogue' and usd_per_million_tokens is not null

),

-- A note by hand is one reading, on its first day.
readings as (

    select
        price_source,
        read_on
    from {{ ref('price_source_readings') }}
    union
    select
        price_source,
        valid_from as read_on
    from {{ ref('price_notes') }}

),

overlapping as (

    select
        history.model_permaslug,
        history.price_kind,
        history.price_source,
        history.usd_per_million_tokens,
        seeds.price_source as other_source,
        seeds.matched_id as other_id,
        seeds.usd_per_million_tokens as other_usd_per_million_tokens,
        greatest(history.valid_from, seeds.valid_from) as valid_from,
        -- least() ignores NULL, which means "without end"
        least(history.valid_to, seeds.valid_to) as valid_to
    from {{ ref('price_history') }} as history
    inner join seeds
        on
            history.model_permaslug = seeds.model_permaslug
            and history.price_kind = seeds.price_kind
            and history.precedence < seeds.precedence
            and history.usd_per_million_tokens <> seeds.usd_per_million_tokens
            and {{ overlaps(
                'history.valid_from', 'history.valid_to', 'seeds.valid_from', 'seeds.valid_to'
            ) }}

),

-- Between two readings of a list nothing is known about it: only days on which it was read count.
read as (

    select
        overlapping.*,
        readings.read_on
    from overlapping
    inner join readings
        on
            overlapping.other_source = readings.price_source
            and {{ valid_on('readings.read_on', 'overlapping.valid_from', 'overlapping.valid_to') }}

),

counted as (

    select
        model_permaslug,
        price_kind,
        valid_from,
        valid_to,
        price_source,
        usd_per_million_tokens,
        other_source,
        other_id,
        other_usd_per_million_tokens,
        cast(count(*) as integer) as readings,
        max(read_on) as last_read_on
    from read
    group by all

)

select
    model_permaslug,
    price_kind,
    valid_from,
    valid_to,
    price_source,
    usd_per_million_tokens,
    other_source,
    other_id,
    other_usd_per_million_tokens,
    cast(other_usd_per_million_tokens as double)
    / nullif(cast(usd_per_million_tokens as double), 0) as ratio,
    readings,
    last_read_on,
    {{ days_between('valid_from', 'last_read_on') }} + 1 as days
from counted
