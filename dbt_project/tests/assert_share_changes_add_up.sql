-- Every change is the sum of its four terms to 1e-12, and the changes of an origin's labs add up to
-- the change of that origin's share. Returns what does not add up.
{{ config(meta={'dagster': {'ref': {'name': 'share_change'}}}) }}

with changes as (

    select * from {{ ref('share_change') }}

),

origin_shares as (
    {% for grain in ['weekly', 'monthly'] %}
    select
        '{{ grain }}' as grain,
        source,
        period_start,
        origin,
        share
    from {{ ref('share_by_origin_' ~ grain) }}
    where lens = 'author_hq'
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

origins as (

    select
        source,
        change_id,
        grain,
        period_start_from,
        period_start_to,
        origin,
        sum(delta_share) as delta_share
    from changes
    group by all

)

select
    source,
    change_id,
    origin,
    lab_id,
    delta_share,
    entrants + leavers + within_lab + between_lab as expected
from changes
where not abs(delta_share - (entrants + leavers + within_lab + between_lab)) <= 1e-12
union all
select
    origins.source,
    origins.change_id,
    origins.origin,
    'all' as lab_id,
    origins.delta_share,
    coalesce(share_to.share, 0) - coalesce(share_from.share, 0) as expected
from origins
left join origin_shares as share_from
    on
        origins.source = share_from.source
        and origins.grain = share_from.grain
        and origins.period_start_from = share_from.period_start
        and origins.origin = share_from.origin
left join origin_shares as share_to
    on
        origins.source = share_to.source
        and origins.grain = share_to.grain
        and origins.period_start_to = share_to.period_start
        and origins.origin = share_to.origin
where
    not abs(
        origins.delta_share - (coalesce(share_to.share, 0) - coalesce(share_from.share, 0))
    ) <= 1e-12
