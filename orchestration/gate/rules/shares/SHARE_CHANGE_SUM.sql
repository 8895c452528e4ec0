-- severity: blocker
-- title: >-
--   every change of a share is the sum of its four terms, and the changes of an origin's labs add
--   up to the change of its share
-- judged: difference
-- max: 1e-12
-- verified: true
-- message: >-
--   {change_id} {origin} {lab_id}: the share changed by {delta_share}, expected {expected}
--
-- One row per pair of periods and origin, and one for each lab whose terms differ.
with origin_shares as (
    select 'weekly' as grain, source, period_start, origin, share
    from share_by_origin_weekly where lens = 'author_hq'
    union all
    select 'monthly' as grain, source, period_start, origin, share
    from share_by_origin_monthly where lens = 'author_hq'
),
origins as (
    select source, change_id, grain, period_start_from, period_start_to, origin,
        sum(delta_share) as delta_share
    from share_change group by all
),
labs as (
    select source, change_id, origin, lab_id, delta_share,
        entrants + leavers + within_lab + between_lab as expected
    from share_change
),
compared as (
    select origins.source, origins.change_id, origins.origin, 'all labs' as lab_id,
        origins.delta_share, coalesce(later.share, 0) - coalesce(earlier.share, 0) as expected
    from origins
    left join origin_shares as earlier
        on origins.source = earlier.source and origins.grain = earlier.grain
        and origins.period_start_from = earlier.period_start and origins.origin = earlier.origin
    left join origin_shares as later
        on origins.source = later.source and origins.grain = later.grain
        and origins.period_start_to = later.period_start and origins.origin = later.origin
    union all
    select * from labs where not coalesce(abs(delta_share - expected) <= 1e-12, false)
)
select *, abs(delta_share - expected) as difference from compared;
