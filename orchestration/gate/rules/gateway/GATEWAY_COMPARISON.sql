-- severity: blocker
-- title: >-
--   in every comparison of gateways low ≤ share ≤ high on both sides, and the spread and its bounds
--   are the differences of the two
-- judged: ok
-- one_of: [true]
-- verified: true
-- message: >-
--   {table_name} {period_start} ({share_of}): {mean_share_low}, {mean_share}, {mean_share_high}
--   beside {gateway_share_low}, {gateway_share}, {gateway_share_high}; spread {spread_low},
--   {spread}, {spread_high}
with compared as (
    select 'gateway_comparison_by_origin_weekly' as table_name, *, origin as compared_key
    from gateway_comparison_by_origin_weekly
    union all by name
    select 'gateway_comparison_by_origin_monthly' as table_name, *, origin as compared_key
    from gateway_comparison_by_origin_monthly
    union all by name
    select 'gateway_comparison_by_lab_weekly' as table_name, *, lab_id as compared_key
    from gateway_comparison_by_lab_weekly
    union all by name
    select 'gateway_comparison_by_lab_monthly' as table_name, *, lab_id as compared_key
    from gateway_comparison_by_lab_monthly
),
judged as (
    select *,
        gateway_share_low <= gateway_share and gateway_share <= gateway_share_high as theirs_ok,
        mean_share_low <= mean_share and mean_share <= mean_share_high as ours_ok,
        abs(spread - (gateway_share - mean_share)) <= 1e-9
        and case
            when compared_key = 'unidentified' then spread_low = spread and spread_high = spread
            else abs(spread_low - (gateway_share_low - mean_share_high)) <= 1e-9
                and abs(spread_high - (gateway_share_high - mean_share_low)) <= 1e-9
        end as spread_ok
    from compared
)
select *,
    coalesce(
        case
            when share_of = 'tokens' and modality in ('all', 'text')
                then theirs_ok and ours_ok and spread_ok
            else theirs_ok and mean_share is null and spread is null
        end,
        false
    ) as ok
from judged;
