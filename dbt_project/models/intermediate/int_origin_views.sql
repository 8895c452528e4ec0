-- Origins under both views of the registry, whichever of the two the share tables hold. Where the
-- views differ, restated_by_origin_* has both; everywhere else one figure answers for both.
with published as (
    {% for grain in ['daily', 'weekly', 'monthly'] %}
    select
        '{{ grain }}' as grain,
        coalesce(published.source, restated.source) as source,
        coalesce(published.period_start, restated.period_start) as period_start,
        coalesce(published.is_complete, restated.is_complete) as is_complete,
        coalesce(published.lens, restated.lens) as lens,
        coalesce(published.origin, restated.origin) as origin,
        coalesce(restated.tokens_then, published.tokens) as tokens_then,
        coalesce(restated.tokens_now, published.tokens) as tokens_now,
        coalesce(published.total_tokens, restated.total_tokens) as total_tokens
    from {{ ref('share_by_origin_' ~ grain) }} as published
    full outer join {{ ref('restated_by_origin_' ~ grain) }} as restated
        on
            published.source = restated.source
            and published.period_start = restated.period_start
            and published.lens = restated.lens
            and published.origin = restated.origin
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

views as (
    {% for view in ['then', 'now'] %}
    select
        grain,
        source,
        period_start,
        is_complete,
        lens,
        '{{ view }}' as registry_view,
        origin,
        tokens_{{ view }} as tokens,
        total_tokens
    from published
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    *,
    cast(
        sum(case when origin = 'unidentified' then tokens else 0 end) over (
            partition by grain, source, period_start, lens, registry_view
        ) as bigint
    ) as unidentified_tokens
from views
