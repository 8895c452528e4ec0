-- Origins under both views of the registry, whichever of the two the share tables have. If the
-- views differ, restated_by_origin has both; otherwise there is one figure for both.
with published as (

    select
        coalesce(published.grain, restated.grain) as grain,
        coalesce(published.source, restated.source) as source,
        coalesce(published.period_start, restated.period_start) as period_start,
        coalesce(published.is_complete, restated.is_complete) as is_complete,
        coalesce(published.lens, restated.lens) as lens,
        coalesce(published.origin, restated.origin) as origin,
        coalesce(restated.tokens_then, published.tokens) as tokens_then,
        coalesce(restated.tokens_now, published.tokens) as tokens_now,
        coalesce(published.total_tokens, restated.total_tokens) as total_tokens
    from {{ ref('share_by_origin') }} as published
    full outer join {{ ref('restated_by_origin') }} as restated
        using (grain, source, period_start, lens, origin)

),

views as (

    select
        published.grain,
        published.source,
        published.period_start,
        published.is_complete,
        published.lens,
        registry_views.registry_view,
        published.origin,
        case registry_views.registry_view
            when 'then' then published.tokens_then
            else published.tokens_now
        end as tokens,
        published.total_tokens
    from published
    cross join (values ('then'), ('now')) as registry_views (registry_view)

)

select
    *,
    cast(
        sum(case when origin = 'unidentified' then tokens else 0 end) over (
            partition by grain, source, period_start, lens, registry_view
        ) as bigint
    ) as unidentified_tokens
from views
