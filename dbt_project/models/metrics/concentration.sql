-- Concentration: Herfindahl-Hirschman index (HHI), effective number, top-5 share.
--
-- Bounds over every way to complete what is unidentified (docs/method.md, Concentration):
-- - low: tail and routers are spread thinly over units that are not named, and add nothing; what
--   must be of one unit (`undivided`), such as a stealth model of its lab, is a unit of its own;
-- - high: each unit has the most that it can have (`most_tokens`), and the tokens that may belong
--   to anyone (`free_tokens`) go to the largest.
-- Labs and origins: everything unidentified is free. Models: the tail of a day belongs to models
-- that are not named on that day and not larger than the smallest named one; only router tokens
-- are free.
{% set slots = 100 %}

with periods as (

    select * from {{ ref('int_periods') }}

),

known_periods as (

    select distinct
        grain,
        source,
        period_start,
        days_present,
        is_complete
    from periods

),

usage as (

    select
        periods.grain,
        periods.source,
        periods.period_start,
        periods.days_present,
        usage.usage_date,
        usage.model_permaslug,
        usage.identification,
        cast(sum(usage.tokens) as bigint) as tokens
    from {{ ref('int_usage_identified') }} as usage
    inner join periods using (source, usage_date)
    group by all

),

model_days as (

    select
        grain,
        source,
        period_start,
        usage_date,
        sum(tokens) as total_tokens,
        sum(case when identification = 'tail' then tokens else 0 end) as tail_tokens,
        sum(case when identification = 'router' then tokens else 0 end) as router_tokens,
        min(case when identification <> 'tail' and tokens > 0 then tokens end) as smallest_named
    from usage
    group by all

),

digits as (

    select listed.digit
    from (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) as listed (digit)

),

-- Slot 1 is for the largest model of the tail, slot 2 for the second …; the last takes all
-- that is left. Without a named model nothing limits the first.
slots as (

    select 10 * tens.digit + ones.digit + 1 as slot
    from digits as tens
    cross join digits as ones

),

slot_tokens as (

    select
        model_days.grain,
        model_days.source,
        model_days.period_start,
        slots.slot,
        cast(sum(
            least(
                case
                    when slots.slot = {{ slots }} then model_days.tail_tokens
                    else coalesce(model_days.smallest_named, model_days.tail_tokens)
                end,
                greatest(
                    model_days.tail_tokens
                    - (slots.slot - 1)
                    * coalesce(model_days.smallest_named, model_days.tail_tokens),
                    0
                )
            )
        ) as bigint) as tokens
    from model_days
    cross join slots
    where model_days.tail_tokens > 0
    group by all
    having tokens > 0

),

-- A model that is named on every day has no part in the tail; the others may.
models as (

    select
        grain,
        source,
        period_start,
        model_permaslug,
        count(*) < days_present as is_in_tail,
        cast(sum(tokens) as bigint) as tokens
    from usage
    where identification not in ('tail', 'router')
    group by grain, source, period_start, days_present, model_permaslug

),

models_ranked as (

    select
        *,
        row_number() over (
            partition by grain, source, period_start, is_in_tail
            order by tokens desc, model_permaslug asc
        ) as slot
    from models

),

usage_by_lens as (
    {{ by_lens(
        ref('int_usage_identified'),
        ['source', 'usage_date', 'base_slug', 'identification', 'tokens']
    ) }}
),

-- Tokens without a known lab (or origin) that one lab (or origin) must have: a lab is in one
-- country, a model is of one lab, and so are, under author_hq, all models of an unmapped author.
-- Who served a model does not follow from it.
owned as (

    select
        *,
        nullif(lab_id, 'unidentified') as known_lab_id,
        case
            when lab_id <> 'unidentified' or lens = 'serving_hq' then null
            when identification in ('tail', 'router') then null
            when lens = 'author_hq' and identification = 'unmapped'
                then split_part(base_slug, '/', 1)
            else base_slug
        end as owner
    from usage_by_lens
    where origin = 'unidentified' or lab_id = 'unidentified'

),

undivided as (

    select
        periods.grain,
        periods.source,
        periods.period_start,
        units.unit,
        owned.lens,
        owned.known_lab_id,
        owned.owner,
        cast(sum(owned.tokens) as bigint) as tokens
    from owned
    inner join periods using (source, usage_date)
    inner join (values ('lab'), ('origin')) as units (unit)
        on
            (units.unit = 'lab' and owned.lab_id = 'unidentified')
            or (units.unit = 'origin' and owned.origin = 'unidentified')
    where owned.known_lab_id is not null or owned.owner is not null
    group by all

),

-- Known labs and origins, and what is unidentified.
shares as (

    select
        grain,
        source,
        period_start,
        'lab' as unit,
        lens,
        lab_id = 'unidentified' as is_unidentified,
        rank,
        tokens,
        total_tokens
    from {{ ref('share_by_lab') }}
    union all
    select
        grain,
        source,
        period_start,
        'origin' as unit,
        lens,
        origin = 'unidentified' as is_unidentified,
        rank,
        tokens,
        total_tokens
    from {{ ref('share_by_origin') }}

),

units as (

    select
        coalesce(models_ranked.grain, slot_tokens.grain) as grain,
        coalesce(models_ranked.source, slot_tokens.source) as source,
        coalesce(models_ranked.period_start, slot_tokens.period_start) as period_start,
        'model' as unit,
        'none' as lens,
        coalesce(models_ranked.slot, slot_tokens.slot) as place,
        models_ranked.source is not null as is_known,
        coalesce(models_ranked.tokens, 0) as known_tokens,
        coalesce(models_ranked.tokens, 0) + coalesce(slot_tokens.tokens, 0) as most_tokens
    from models_ranked
    full outer join slot_tokens
        on
            models_ranked.grain = slot_tokens.grain
            and models_ranked.source = slot_tokens.source
            and models_ranked.period_start = slot_tokens.period_start
            and models_ranked.slot = slot_tokens.slot
            and models_ranked.is_in_tail
    union all
    select
        grain,
        source,
        period_start,
        unit,
        lens,
        rank as place,
        true as is_known,
        tokens as known_tokens,
        tokens as most_tokens
    from shares
    where not is_unidentified
    union all
    select
        grain,
        source,
        period_start,
        unit,
        lens,
        row_number() over (
            partition by grain, source, period_start, unit, lens
            order by tokens desc, known_lab_id asc, owner asc
        ) as place,
        false as is_known,
        tokens as known_tokens,
        -- At most it belongs to the largest unit, like all that is free.
        0 as most_tokens
    from undivided

),

wholes as (

    select
        grain,
        source,
        period_start,
        'model' as unit,
        'none' as lens,
        cast(sum(total_tokens) as bigint) as total_tokens,
        cast(sum(router_tokens) as bigint) as free_tokens,
        cast(sum(router_tokens + tail_tokens) as bigint) as unidentified_tokens
    from model_days
    group by all
    union all
    select
        grain,
        source,
        period_start,
        unit,
        lens,
        max(total_tokens) as total_tokens,
        cast(sum(case when is_unidentified then tokens else 0 end) as bigint) as free_tokens,
        cast(sum(case when is_unidentified then tokens else 0 end) as bigint)
            as unidentified_tokens
    from shares
    group by all

),

summed as (

    select
        grain,
        source,
        period_start,
        unit,
        lens,
        cast(sum(case when is_known and known_tokens > 0 then 1 else 0 end) as integer) as units,
        sum(cast(known_tokens as decimal(19, 0)) * cast(known_tokens as decimal(19, 0)))
            as known_squares,
        sum(cast(most_tokens as decimal(19, 0)) * cast(most_tokens as decimal(19, 0)))
            as most_squares,
        cast(max(most_tokens) as decimal(19, 0)) as largest
    from units
    group by all

),

-- Only the first places can be among the five largest, and what is left of the tail.
first_places as (

    select
        grain,
        source,
        period_start,
        unit,
        lens,
        known_tokens,
        most_tokens,
        row_number() over (
            partition by grain, source, period_start, unit, lens order by known_tokens desc
        ) as known_rank,
        row_number() over (
            partition by grain, source, period_start, unit, lens order by most_tokens desc
        ) as most_rank
    from units
    where place <= 5 or place = {{ slots }}

),

top_5 as (

    select
        grain,
        source,
        period_start,
        unit,
        lens,
        sum(case when known_rank <= 5 then known_tokens else 0 end) as top_5_known,
        sum(case when most_rank <= 5 then most_tokens else 0 end) as top_5_most
    from first_places
    group by all

),

measured as (

    select
        wholes.grain,
        wholes.source,
        wholes.period_start,
        wholes.unit,
        wholes.lens,
        wholes.total_tokens,
        wholes.unidentified_tokens,
        coalesce(summed.units, 0) as units,
        {{ fraction(
            'summed.known_squares',
            'cast(wholes.total_tokens as decimal(19, 0))'
            ~ ' * cast(wholes.total_tokens as decimal(19, 0))'
        ) }} as hhi,
        {{ fraction(
            'coalesce(summed.most_squares, 0)'
            ~ ' + cast(2 * wholes.free_tokens as decimal(19, 0)) * coalesce(summed.largest, 0)'
            ~ ' + cast(wholes.free_tokens as decimal(19, 0))'
            ~ ' * cast(wholes.free_tokens as decimal(19, 0))',
            'cast(wholes.total_tokens as decimal(19, 0))'
            ~ ' * cast(wholes.total_tokens as decimal(19, 0))'
        ) }} as hhi_high,
        {{ fraction('top_5.top_5_known', 'wholes.total_tokens') }} as top_5_share,
        {{ fraction(
            'coalesce(top_5.top_5_most, 0) + wholes.free_tokens', 'wholes.total_tokens'
        ) }} as top_5_share_high
    from wholes
    left join summed using (grain, source, period_start, unit, lens)
    left join top_5 using (grain, source, period_start, unit, lens)

)

select
    measured.grain,
    measured.source,
    measured.period_start,
    periods.days_present,
    periods.is_complete,
    measured.unit,
    measured.lens,
    measured.units,
    measured.total_tokens,
    measured.unidentified_tokens,
    measured.hhi,
    measured.hhi as hhi_low,
    measured.hhi_high,
    1 / nullif(measured.hhi, 0) as effective_number,
    1 / nullif(measured.hhi_high, 0) as effective_number_low,
    1 / nullif(measured.hhi, 0) as effective_number_high,
    measured.top_5_share,
    measured.top_5_share as top_5_share_low,
    measured.top_5_share_high
from measured
inner join known_periods as periods using (grain, source, period_start)
