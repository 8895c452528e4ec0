-- severity: blocker
-- title: shares of one period and lens add up to 1
-- judged: sum_of_shares
-- min: 1 - 1e-9
-- max: 1 + 1e-9
-- rows: needed
-- verified: true
-- message: "{table_name} {period_start} ({lens}): shares add up to {sum_of_shares}"
with of_tokens as (
    from shares
    union all by name
    select 'identification_daily' as table_name, usage_date as period_start, 'all' as lens, *
    from identification_daily
)
select table_name, source, period_start, lens, sum(share) as sum_of_shares,
    sum(tokens) as tokens, max(total_tokens) as total_tokens
from of_tokens group by all;
