-- severity: blocker
-- title: shares of one period and lens add up to 1
-- judged: sum_of_shares
-- min: 1 - 1e-9
-- max: 1 + 1e-9
-- rows: needed
-- verified: true
-- message: "{table_name} {period_start} ({lens}): shares add up to {sum_of_shares}"
with shares as (
    select 'share_by_origin_daily' as table_name, * from share_by_origin_daily
    union all by name
    select 'share_by_origin_weekly' as table_name, * from share_by_origin_weekly
    union all by name
    select 'share_by_origin_monthly' as table_name, * from share_by_origin_monthly
    union all by name
    select 'share_by_lab_daily' as table_name, * from share_by_lab_daily
    union all by name
    select 'share_by_lab_weekly' as table_name, * from share_by_lab_weekly
    union all by name
    select 'share_by_lab_monthly' as table_name, * from share_by_lab_monthly
    union all by name
    select 'share_by_license_daily' as table_name, * from share_by_license_daily
    union all by name
    select 'share_by_license_weekly' as table_name, * from share_by_license_weekly
    union all by name
    select 'share_by_license_monthly' as table_name, * from share_by_license_monthly
    union all by name
    select 'share_by_price_band_daily' as table_name, * from share_by_price_band_daily
    union all by name
    select 'share_by_price_band_weekly' as table_name, * from share_by_price_band_weekly
    union all by name
    select 'share_by_price_band_monthly' as table_name, * from share_by_price_band_monthly
    union all by name
    select 'identification_daily' as table_name, usage_date as period_start, 'all' as lens, *
    from identification_daily
)
select table_name, source, period_start, lens, sum(share) as sum_of_shares,
    sum(tokens) as tokens, max(total_tokens) as total_tokens
from shares group by all;
