{#-
    Both origin series of the periods in which they differ: with the registry as known then (on
    each day of use) and as known now. The share tables hold the one that the run was asked for.
-#}
{% macro restated_by_origin(grain) %}
with published as (

    select * from {{ ref('share_by_origin_' ~ grain) }}

),

restated as (

    select
        *,
        {{ period_start('usage_date', grain) }} as period_start
    from {{ ref('int_usage_restated') }}

),

run_settings as (

    select * from {{ source('raw', 'run_settings') }}

),

moves as (

    select
        source,
        period_start,
        lens,
        origin_now as origin,
        base_slug,
        revealed_as,
        tokens
    from restated
    union all
    select
        source,
        period_start,
        lens,
        origin_then as origin,
        base_slug,
        revealed_as,
        -tokens as tokens
    from restated

),

reasons as (

    select distinct
        source,
        period_start,
        lens,
        base_slug
        || case when revealed_as is null then '' else ' is ' || revealed_as end as reason
    from restated

),

because as (

    select
        source,
        period_start,
        lens,
        {{ joined_text('reason', '; ') }} as because
    from reasons
    group by all

),

moved as (

    select
        source,
        period_start,
        lens,
        origin,
        cast(sum(tokens) as bigint) as tokens_moved
    from moves
    group by all

),

-- Every origin of a period that was restated, also those that did not move: their upper bound did.
periods as (

    select
        because.source,
        because.period_start,
        because.lens,
        because.because,
        published.origin
    from because
    inner join published
        on
            because.source = published.source
            and because.period_start = published.period_start
            and because.lens = published.lens
    union
    select
        because.source,
        because.period_start,
        because.lens,
        because.because,
        moved.origin
    from because
    inner join moved
        on
            because.source = moved.source
            and because.period_start = moved.period_start
            and because.lens = moved.lens

),

both_views as (

    select
        periods.source,
        periods.period_start,
        periods.lens,
        periods.origin,
        periods.because,
        coalesce(moved.tokens_moved, 0) as tokens_moved,
        coalesce(published.tokens, 0)
        - case
            when run_settings.registry_view = 'now' then coalesce(moved.tokens_moved, 0) else 0
        end as tokens_then,
        max(published.total_tokens) over (
            partition by periods.source, periods.period_start, periods.lens
        ) as total_tokens,
        bool_or(coalesce(published.is_complete, false)) over (
            partition by periods.source, periods.period_start, periods.lens
        ) as is_complete
    from periods
    cross join run_settings
    left join moved
        on
            periods.source = moved.source
            and periods.period_start = moved.period_start
            and periods.lens = moved.lens
            and periods.origin = moved.origin
    left join published
        on
            periods.source = published.source
            and periods.period_start = published.period_start
            and periods.lens = published.lens
            and periods.origin = published.origin

),

with_unidentified as (

    select
        *,
        tokens_then + tokens_moved as tokens_now,
        coalesce(sum(case when origin = 'unidentified' then tokens_then end) over (
            partition by source, period_start, lens
        ), 0) as unidentified_then,
        coalesce(sum(case when origin = 'unidentified' then tokens_then + tokens_moved end) over (
            partition by source, period_start, lens
        ), 0) as unidentified_now
    from both_views

)

select
    source,
    period_start,
    is_complete,
    lens,
    origin,
    cast(tokens_then as bigint) as tokens_then,
    cast(tokens_now as bigint) as tokens_now,
    cast(tokens_moved as bigint) as tokens_moved,
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
{% endmacro %}
