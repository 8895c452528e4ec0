-- severity: blocker
-- title: >-
--   the implied share of spend is within its bounds, and its difference is that from the measured
--   share
-- judged: ok
-- one_of: [true]
-- verified: true
-- message: >-
--   {table_name} {period_start} {lab_id}: measured {measured_share}, implied {implied_share}
--   ({implied_share_low} to {implied_share_high}), difference {implied_minus_measured}
with spend as (
    select 'gateway_spend_by_lab_weekly' as table_name, * from gateway_spend_by_lab_weekly
    union all by name
    select 'gateway_spend_by_lab_monthly' as table_name, * from gateway_spend_by_lab_monthly
)
select *,
    coalesce(
        implied_share_low <= implied_share + 1e-9 and implied_share <= implied_share_high + 1e-9
        and abs(implied_minus_measured - (implied_share - measured_share)) <= 1e-9,
        false
    ) as ok
from spend;
