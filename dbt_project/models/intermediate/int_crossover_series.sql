-- The daily series behind the interval of a change of lead: log of the ratio of two origins'
-- tokens, positive if the first (by alphabet) leads.
with daily as (

    select
        source,
        lens,
        registry_view,
        period_start as usage_date,
        origin,
        tokens
    from {{ ref('int_origin_views') }}
    where grain = 'daily' and is_complete and tokens > 0

),

pairs as (

    select distinct
        source,
        lens,
        registry_view,
        origin,
        rival_origin
    from {{ ref('int_crossover_points') }}
    where origin < rival_origin

)

select
    pairs.source,
    pairs.lens,
    pairs.registry_view,
    pairs.origin,
    pairs.rival_origin,
    mine.usage_date,
    ln(cast(mine.tokens as double) / cast(rival.tokens as double)) as log_ratio
from pairs
inner join daily as mine using (source, lens, registry_view, origin)
inner join daily as rival
    on
        mine.source = rival.source
        and mine.lens = rival.lens
        and mine.registry_view = rival.registry_view
        and mine.usage_date = rival.usage_date
        and pairs.rival_origin = rival.origin
