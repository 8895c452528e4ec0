-- Who led whom, exactly: every ordered pair of origins that ever mattered, complete periods only,
-- with the registry as known then and as known now.
-- The table `crossover` adds the interval that orchestration/metrics/crossover.py computes.
with periods as (

    select
        *,
        rank() over (
            partition by grain, source, period_start, lens, registry_view, origin = 'unidentified'
            order by tokens desc
        ) as rank
    from {{ ref('int_origin_views') }}
    where is_complete

),

wholes as (

    select distinct
        grain,
        source,
        period_start,
        lens,
        registry_view,
        unidentified_tokens
    from periods

),

-- Origins that led in any period or had 5 % of a week, in either view; CN and US always.
contenders as (

    select
        source,
        lens,
        origin
    from periods
    where
        origin <> 'unidentified'
        and (
            (rank = 1 and tokens > 0)
            or (grain = 'weekly' and {{ fraction('tokens', 'total_tokens') }} >= 0.05)
        )
    union
    select
        periods.source,
        periods.lens,
        always.origin
    from periods
    cross join (values ('CN'), ('US')) as always (origin)

),

-- An origin without a row in a period has no tokens there.
lines as (

    select
        wholes.grain,
        wholes.source,
        wholes.lens,
        wholes.registry_view,
        wholes.period_start,
        wholes.unidentified_tokens,
        contenders.origin,
        coalesce(periods.tokens, 0) as tokens
    from wholes
    inner join contenders using (source, lens)
    left join periods
        on
            wholes.grain = periods.grain
            and wholes.source = periods.source
            and wholes.lens = periods.lens
            and wholes.registry_view = periods.registry_view
            and wholes.period_start = periods.period_start
            and contenders.origin = periods.origin

),

pairs as (

    select
        mine.grain,
        mine.source,
        mine.lens,
        mine.registry_view,
        mine.period_start,
        mine.origin,
        rival.origin as rival_origin,
        mine.tokens > rival.tokens as leads,
        mine.tokens = rival.tokens as is_tie,
        mine.tokens > rival.tokens + mine.unidentified_tokens as leads_identified
    from lines as mine
    inner join lines as rival
        on
            mine.grain = rival.grain
            and mine.source = rival.source
            and mine.lens = rival.lens
            and mine.registry_view = rival.registry_view
            and mine.period_start = rival.period_start
            and mine.origin <> rival.origin

),

-- A tie changes no lead: each period is compared with the last one that somebody led, and a tie
-- with the last tie, which nobody led either.
compared as (

    select
        *,
        lag(leads) over (
            partition by grain, source, lens, registry_view, origin, rival_origin, is_tie
            order by period_start
        ) as led_before,
        max(case when not leads_identified then period_start end) over (
            partition by grain, source, lens, registry_view, origin, rival_origin
        ) as last_not_identified
    from pairs

),

summed as (

    select
        source,
        grain,
        lens,
        registry_view,
        origin,
        rival_origin,
        min(period_start) filter (where leads) as first_lead,
        max(period_start) filter (where leads <> led_before) as last_change,
        min(period_start) filter (where not is_tie) as first_decided,
        max_by(leads, period_start) filter (where not is_tie) as leads_now,
        min(period_start) filter (where leads_identified) as first_identified_lead,
        min(period_start) filter (
            where last_not_identified is null or period_start > last_not_identified
        ) as robust_since,
        cast(count(*) as integer) as periods_compared,
        cast(count(*) filter (where leads) as integer) as periods_led,
        max(period_start) as latest_period
    from compared
    group by all

)

select
    source,
    grain,
    lens,
    registry_view,
    origin,
    rival_origin,
    first_lead,
    last_change,
    case when leads_now then coalesce(last_change, first_decided) end as leads_since,
    first_identified_lead,
    robust_since,
    periods_compared,
    periods_led,
    latest_period
from summed
