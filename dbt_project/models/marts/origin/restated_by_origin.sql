-- Both origin series of the periods in which they differ: with the registry as known then (on each
-- day of use) and as known now. The share tables have the one that the run was asked for.
with published as (

    select * from {{ ref('share_by_origin') }}

),

restated as (

    select
        periods.grain,
        periods.source,
        periods.period_start,
        usage.lens,
        usage.origin_then,
        usage.origin_now,
        usage.tokens,
        usage.base_slug || coalesce(' is ' || usage.revealed_as, '') as reason
    from {{ ref('int_usage_restated') }} as usage
    inner join {{ ref('int_periods') }} as periods using (source, usage_date)

),

reasons as (

    select distinct
        grain,
        source,
        period_start,
        lens,
        reason
    from restated

),

because as (

    select
        grain,
        source,
        period_start,
        lens,
        {{ joined_text('reason', '; ') }} as because
    from reasons
    group by all

),

-- Every origin of a restated period, also those whose tokens did not move: their upper bound did.
-- The tokens leave their origin as known then and go to the one as known now.
origins as (

    select
        grain,
        source,
        period_start,
        lens,
        origin,
        tokens,
        0 as tokens_moved
    from published
    {% for view, moved in [('now', 'tokens'), ('then', '-tokens')] %}
    union all
    select
        grain,
        source,
        period_start,
        lens,
        origin_{{ view }} as origin,
        0 as tokens,
        {{ moved }} as tokens_moved
    from restated
    {% endfor %}
),

summed as (

    select
        grain,
        source,
        period_start,
        lens,
        origin,
        sum(tokens) as tokens,
        sum(tokens_moved) as tokens_moved
    from origins
    group by all

),

wholes as (

    select distinct
        grain,
        source,
        period_start,
        lens,
        is_complete,
        total_tokens
    from published

),

both_views as (

    select
        summed.grain,
        summed.source,
        summed.period_start,
        wholes.is_complete,
        summed.lens,
        summed.origin,
        case run_settings.registry_view
            when 'now' then summed.tokens - summed.tokens_moved
            else summed.tokens
        end as tokens_then,
        case run_settings.registry_view
            when 'now' then summed.tokens
            else summed.tokens + summed.tokens_moved
        end as tokens_now,
        wholes.total_tokens,
        because.because
    from summed
    cross join {{ source('raw', 'run_settings') }} as run_settings
    inner join because using (grain, source, period_start, lens)
    inner join wholes using (grain, source, period_start, lens)

),

with_unidentified as (

    select
        *,
        sum(case when origin = 'unidentified' then tokens_then else 0 end) over (
            partition by grain, source, period_start, lens
        ) as unidentified_then,
        sum(case when origin = 'unidentified' then tokens_now else 0 end) over (
            partition by grain, source, period_start, lens
        ) as unidentified_now
    from both_views

)

select
    grain,
    source,
    period_start,
    is_complete,
    lens,
    origin,
    cast(tokens_then as bigint) as tokens_then,
    cast(tokens_now as bigint) as tokens_now,
    cast(tokens_now - tokens_then as bigint) as tokens_moved,
    total_tokens,
    {{ fraction('tokens_then', 'total_tokens') }} as share_then,
    {{ fraction(
        "tokens_then + case when origin = 'unidentified' then 0 else unidentified_then end",
        'total_tokens'
    ) }} as share_high_then,
    {{ fraction('tokens_now', 'total_tokens') }} as share_now,
    {{ fraction(
        "tokens_now + case when origin = 'unidentified' then 0 else unidentified_now end",
        'total_tokens'
    ) }} as share_high_now,
    because
from with_unidentified
