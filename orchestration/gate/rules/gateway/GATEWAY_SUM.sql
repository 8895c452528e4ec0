-- severity: blocker
-- title: shares of each side of a comparison of gateways add up to 1
-- judged: sum_of_shares
-- min: 1 - 1e-9
-- max: 1 + 1e-9
-- verified: true
-- message: "{table_name} {period_start}: {side} of {shown} adds up to {sum_of_shares}"
--
-- The usage source is on no side if the other gateway counts something else than tokens.
with compared as (
    select 'gateway_comparison_by_origin_weekly' as table_name, *
    from gateway_comparison_by_origin_weekly
    union all by name
    select 'gateway_comparison_by_origin_monthly' as table_name, *
    from gateway_comparison_by_origin_monthly
    union all by name
    select 'gateway_comparison_by_lab_weekly' as table_name, *
    from gateway_comparison_by_lab_weekly
    union all by name
    select 'gateway_comparison_by_lab_monthly' as table_name, *
    from gateway_comparison_by_lab_monthly
),
spend as (
    select 'gateway_spend_by_lab_weekly' as table_name, * from gateway_spend_by_lab_weekly
    union all by name
    select 'gateway_spend_by_lab_monthly' as table_name, * from gateway_spend_by_lab_monthly
),
sides as (
    select table_name, period_start, concat_ws(' ', source, dataset, modality, share_of) as shown,
        unnest(['mean_share', 'token_weighted_share', 'gateway_share']) as side,
        unnest([mean_share, token_weighted_share, gateway_share]) as share,
        share_of = 'tokens' and modality in ('all', 'text') as has_both
    from compared
    union all
    select table_name, period_start, concat_ws(' ', source, modality) as shown,
        unnest(['measured_share', 'implied_share']) as side,
        unnest([measured_share, implied_share]) as share, true as has_both
    from spend
)
select table_name, period_start, shown, side, sum(share) as sum_of_shares
from sides where has_both or side = 'gateway_share' group by all;
