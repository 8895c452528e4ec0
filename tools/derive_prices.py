"""Derive price_seed.csv: list prices by model permaslug, with the days on which they were valid.

Also derive price_override_seed.csv: other prices that the catalogue states for the same models.

    python -m tools.derive_prices --inputs FOLDER

A run of the pipeline needs only the seeds. Inputs: price_events_*.parquet, every change in 1,107
snapshots of OpenRouter's catalogue (/api/v1/models) between 2024-09-21 and 2026-08-22, collected
by jvrck/openrouterlist; and dated snapshots, which state what kind of output a model has. 25
snapshots of 178 to 421 models agreed with the events in every slug and price (2026-11-24).

What a row means
    The catalogue's base list price of one kind (prompt, completion, input_cache_read,
    input_cache_write) in USD per million tokens, exact: the published decimal string is multiplied
    by 1,000,000 without floats. `request` is USD per million requests, for the few models that
    charge per request. A request price of "0" means the same as none and is left out. Image, audio
    and search prices are left out because they are not prices per text token, and so is the
    one-hour cache write. Prompt and completion prices of 0 are left out if there is another price
    (per image, audio or request) or if the model makes more than text (the description of Lyria
    states 0.08 US dollars per song), because these are not prices per token. A `:free` id is free.
    Before 2025-03-07 no cache price was published. source_model_id is the catalogue id that the
    price was read from; if several ids were used one after the other, it is the last one.
    valid_from is inclusive. valid_to is exclusive, and empty if the price was still valid when last
    seen. A price is valid from the UTC day on which it was first seen to the UTC day on which
    another price was seen or the model was no longer listed. If a day has several observations, the
    last one counts. Prices of 2024-09-21 may be older: that is the first day of the collection.

What a row of price_override_seed.csv means
    `overrides` of the catalogue, seen since 2026-07-14, in two shapes: above a prompt length
    (`min_prompt_tokens`), and at times of day (`utc_start`, `utc_end`: 100 is 01:00; only DeepSeek,
    a double price from 01:00 to 04:00 and from 06:00 to 10:00). A third shape stops the derivation.
    The list price is the one outside `overrides`; a row is a price that differs from it. Both
    snapshots of a day were taken at hours of the lower price, so nobody knows whether the list
    price depends on the time of day. first_seen_on and last_seen_on are the first and last day on
    which the override was seen, gaps included.

How an id is matched to a permaslug: the canonical slug, which has no variant, and the id's variant
    canonical_slug        stated in every observation of the interval
    canonical_slug_later  stated later for the same id with the same `created` second
    same_created          the id was later given to another model, or was never seen with a slug,
                          but its `created` second belongs to exactly one canonical slug of the same
                          author (seconds at midnight are rounded and prove nothing; no other second
                          is shared by two slugs)
    id                    no canonical slug was ever stated for the id, so the id is the permaslug
                          (if `created` changed: only if the id is a slug that was stated elsewhere)
    An interval that is merged from several observations has the weakest of their kinds.
    Observations of an id that was used for several models (its `created` changes), and that none of
    these steps resolves, are left out: an early price must not be given to the wrong model.
    If several ids have the same permaslug on the same day, the better kind of match wins, then the
    id that was first seen last (the newer name), then the first in the alphabet. Prices of several
    ids are never mixed.

Special cases, decided by measurement
    The price -1 marks a router, which is left out.
    From 2025-03-07 until 2025-04-05 every model but the router had cache prices of "0", even if its
    maker charged for caching. These are read as "not published". Other zeros are kept.
    No snapshot was broken: none lost more than 8 % of the models (2026-08-01: 28 `:batch` ids,
    absent from all snapshots until 2026-08-07). Of the models that came back after a day or more,
    four were among the day's 50 most used when they disappeared. Three of them had no recorded
    tokens while they were absent, and one only on the day before its return. So gaps are kept.
    google/gemini-2.0-flash-exp:free was listed with a price on 2026-01-23 and 24, which is kept.
"""

import sys
from decimal import Decimal, localcontext

from tools.inputs import parse_arguments

LOAD_EVENTS = """
    create table events as
    select
        model_id,
        -- observed_at carries offsets: days are UTC days
        observed_at::timestamptz at time zone 'UTC' as seen_at,
        event,
        canonical_slug,
        created::bigint as created,
        regexp_extract(model_id, ':.*$') as variant,
        split_part(model_id, '/', 1) as author,
        price_prompt as prompt,
        price_completion as completion,
        price_input_cache_read as input_cache_read,
        price_input_cache_write as input_cache_write,
        nullif(price_request, '0') as request,
        pricing_json
    from read_parquet($events)
"""

# One row per id and UTC day with an observation: the last one of the day, until when it applied.
DAILY_STATES = """
    create table daily_states as
    with last_of_day as (
        select * from events
        qualify row_number() over (
            partition by model_id, seen_at::date order by seen_at desc
        ) = 1
    )
    select
        *,
        seen_at::date as day_from,
        coalesce(
            lead(seen_at::date) over (partition by model_id order by seen_at), date '9999-12-31'
        ) as day_to,
        min(seen_at) over (partition by model_id) as id_first_seen
    from last_of_day
"""

# The kinds of match in the docstring, the best first. `match_rank` orders them.
RESOLVED_STATES = """
    create table resolved_states as
    with stated as (
        select distinct model_id, author, created, canonical_slug
        from events
        where canonical_slug is not null
    ),
    later as (
        select model_id, created, min(canonical_slug) as slug
        from stated
        group by model_id, created
        having count(distinct canonical_slug) = 1
    ),
    by_second as (
        select author, created, min(canonical_slug) as slug
        from stated
        where created % 86400 <> 0
        group by author, created
        having count(distinct canonical_slug) = 1
    ),
    candidates as (
        select
            s.*,
            later.slug as later_slug,
            by_second.slug as second_slug,
            s.model_id not in (select model_id from stated)
            and (
                count(distinct s.created) over (partition by s.model_id) = 1
                or s.model_id in (select canonical_slug || variant from events
                    where canonical_slug is not null)
            ) as id_is_slug
        from daily_states as s
        left join later on s.model_id = later.model_id and s.created = later.created
        left join by_second on s.author = by_second.author and s.created = by_second.created
        where s.event = 'set' and s.prompt <> '-1' and s.completion <> '-1'
    )
    select
        * exclude (later_slug, second_slug, id_is_slug),
        case
            when canonical_slug is not null then canonical_slug || variant
            when later_slug is not null then later_slug || variant
            when second_slug is not null then second_slug || variant
            when id_is_slug then model_id
        end as model_permaslug,
        case
            when canonical_slug is not null then 1
            when later_slug is not null then 2
            when second_slug is not null then 3
            when id_is_slug then 4
        end as match_rank
    from candidates
"""

# Cut the history of a permaslug at every day on which anything changed; each piece has one id.
PIECES = """
    create table pieces as
    with cuts as (
        select model_permaslug, day_from as cut from resolved_states
        where model_permaslug is not null
        union
        select model_permaslug, day_to as cut from resolved_states
        where model_permaslug is not null
    ),
    spans as (
        select
            model_permaslug,
            cut as piece_from,
            lead(cut) over (partition by model_permaslug order by cut) as piece_to
        from cuts
    )
    select
        spans.piece_from,
        spans.piece_to,
        states.*,
        row_number() over (
            partition by spans.model_permaslug, spans.piece_from
            order by states.match_rank, states.id_first_seen desc, states.model_id
        ) as precedence
    from spans
    inner join resolved_states as states
        on spans.model_permaslug = states.model_permaslug
        and states.day_from <= spans.piece_from
        and spans.piece_from < states.day_to
    where spans.piece_to is not null
"""

PRICES = """
    with spoken as (
        select
            model_permaslug, model_id, match_rank, piece_from, piece_to,
            if(is_charged_otherwise, null, prompt) as prompt,
            if(is_charged_otherwise, null, completion) as completion,
            request,
            if(is_filler, null, input_cache_read) as input_cache_read,
            if(is_filler, null, input_cache_write) as input_cache_write
        from (
            select
                *,
                seen_at::date between date '2025-03-07' and date '2025-04-04'
                and input_cache_read = '0' and input_cache_write = '0' as is_filler,
                model_id not like '%:free'
                and try_cast(prompt as double) = 0
                and try_cast(completion as double) = 0
                and (
                    model_id in (
                        select model ->> 'id' from catalogue
                        where coalesce(split_part(
                            model ->> '$.architecture.modality', '->', 2
                        ), 'text') not in ('', 'text')
                    )
                    or greatest(
                        coalesce(try_cast(pricing_json ->> '$.request' as double), 0),
                        coalesce(try_cast(pricing_json ->> '$.image' as double), 0),
                        coalesce(try_cast(pricing_json ->> '$.image_output' as double), 0),
                        coalesce(try_cast(pricing_json ->> '$.audio' as double), 0),
                        coalesce(try_cast(pricing_json ->> '$.audio_output' as double), 0)
                    ) > 0
                ) as is_charged_otherwise
            from pieces
            where precedence = 1
        )
    ),
    -- unpivot drops nulls: a kind without a price is not offered, which is not a price of zero
    unpivoted as (
        unpivot spoken
        on prompt, completion, request, input_cache_read, input_cache_write
        into name price_kind value price_per_token
    ),
    priced as (
        select *, per_million(price_per_token) as usd_per_million_tokens from unpivoted
    ),
    marked as (
        select
            *,
            coalesce(
                lag(piece_to) over kind_history <> piece_from
                or lag(usd_per_million_tokens) over kind_history <> usd_per_million_tokens,
                true
            ) as starts
        from priced
        window kind_history as (
            partition by model_permaslug, price_kind order by piece_from
        )
    ),
    numbered as (
        select
            *,
            sum(starts::integer) over (
                partition by model_permaslug, price_kind order by piece_from
            ) as interval_number
        from marked
    )
    select
        model_permaslug,
        price_kind,
        min(usd_per_million_tokens) as usd_per_million_tokens,
        min(piece_from) as valid_from,
        nullif(max(piece_to), date '9999-12-31') as valid_to,
        'openrouter_catalogue' as price_source,
        ['canonical_slug', 'canonical_slug_later', 'same_created', 'id'][max(match_rank)]
            as match_kind,
        max_by(model_id, piece_from) as source_model_id
    from numbered
    group by model_permaslug, price_kind, interval_number
    order by model_permaslug, price_kind, valid_from
"""

# Every override of the id of a piece that differs from the list price.
OVERRIDES = """
    with read_days as (
        select distinct seen_at::date as read_on from events
    ),
    entries as (
        select
            model_permaslug, model_id, piece_from, piece_to, prompt, completion,
            input_cache_read, input_cache_write,
            unnest((pricing_json -> '$.overrides')::json[]) as entry
        from pieces
        where precedence = 1 and pricing_json ->> '$.overrides' is not null
    ),
    known as (
        select
            *,
            case
                when entry ->> 'min_prompt_tokens' is not null and entry ->> 'utc_start' is null
                    then true
                when entry ->> 'utc_start' is not null and entry ->> 'utc_end' is not null
                    and entry ->> 'min_prompt_tokens' is null then true
                else error('an override of a third shape: ' || model_id || ' ' || entry)
            end as is_known
        from entries
    ),
    kinds as (
        select *, 'prompt' as price_kind, prompt as listed, entry ->> 'prompt' as other from known
        union all
        select *, 'completion', completion, entry ->> 'completion' from known
        union all
        select *, 'input_cache_read', input_cache_read, entry ->> 'input_cache_read' from known
        union all
        select *, 'input_cache_write', input_cache_write, entry ->> 'input_cache_write' from known
    )
    select
        model_permaslug,
        price_kind,
        entry ->> 'min_prompt_tokens' as min_prompt_tokens,
        substr(lpad(entry ->> 'utc_start', 4, '0'), 1, 2) || ':'
        || substr(lpad(entry ->> 'utc_start', 4, '0'), 3, 2) as utc_start,
        substr(lpad(entry ->> 'utc_end', 4, '0'), 1, 2) || ':'
        || substr(lpad(entry ->> 'utc_end', 4, '0'), 3, 2) as utc_end,
        per_million(other) as usd_per_million_tokens,
        min(piece_from) as first_seen_on,
        max(greatest(piece_from, (
            select max(read_on) from read_days where read_on < kinds.piece_to
        ))) as last_seen_on,
        max_by(model_id, piece_from) as source_model_id
    from kinds
    where is_known and other is not null and listed is not null
        and try_cast(other as decimal(38, 30)) <> try_cast(listed as decimal(38, 30))
    group by all
    order by model_permaslug, price_kind, min_prompt_tokens, utc_start, utc_end, min(other)
"""

UNSETTLED = """
    select model_id, min(day_from), max(day_to)
    from resolved_states
    where model_permaslug is null
    group by model_id
    order by model_id
"""


def per_million(price_per_token: str) -> str:
    """The price of a million tokens as a plain decimal: no exponent, no trailing zeros."""
    with localcontext() as context:
        context.prec = 60  # far more than the longest published string needs
        price = format(Decimal(price_per_token) * 1_000_000, "f")
    return price.rstrip("0").rstrip(".") if "." in price else price


def main() -> None:
    """Write both seeds and report what was left out."""
    inputs = parse_arguments(__doc__)
    events = str(inputs.path("openrouter/models/price_events_*.parquet"))
    with inputs.catalogue() as connection:
        connection.create_function("per_million", per_million, [str], str)
        connection.execute(LOAD_EVENTS, {"events": events})
        for step in (DAILY_STATES, RESOLVED_STATES, PIECES):
            connection.execute(step)
        inputs.write_query("price_seed.csv", connection, PRICES)
        inputs.write_query("price_override_seed.csv", connection, OVERRIDES)
        for model_id, first, last in connection.execute(UNSETTLED).fetchall():
            print(
                f"left out, id was used for several models: {model_id}, {first} to {last}",
                file=sys.stderr,
            )


if __name__ == "__main__":
    main()
