-- severity: blocker
-- title: >-
--   in every spend table low ≤ blend ≤ high, for dollars and shares, and free ≤ priced ≤ all tokens
-- judged: ok
-- one_of: [true]
-- rows: needed
-- verified: true
-- message: "{table_name} {period_start}: {shown}"
--
-- One row per table, or each of its bad rows. Only bad rows are put into words:
-- writing decimals out takes longer than comparing them.
with spend as (
    select 'spend_by_origin_daily' as table_name, * from spend_by_origin_daily
    union all by name
    select 'spend_by_origin_weekly' as table_name, * from spend_by_origin_weekly
    union all by name
    select 'spend_by_origin_monthly' as table_name, * from spend_by_origin_monthly
    union all by name
    select 'spend_by_lab_daily' as table_name, * from spend_by_lab_daily
    union all by name
    select 'spend_by_lab_weekly' as table_name, * from spend_by_lab_weekly
    union all by name
    select 'spend_by_lab_monthly' as table_name, * from spend_by_lab_monthly
),
judged as (
    select *,
        coalesce(
            list_spend_low_usd <= list_spend_usd and list_spend_usd <= list_spend_high_usd
            and spend_share_low <= spend_share + 1e-9 and spend_share <= spend_share_high + 1e-9
            and free_tokens <= priced_tokens and priced_tokens <= tokens,
            false
        ) as ok
    from spend
)
select table_name, cast(null as date) as period_start, '' as shown, true as ok
from judged group by table_name having bool_and(ok)
union all
select table_name, period_start,
    concat_ws(' ', lens, origin, list_spend_low_usd, list_spend_usd, list_spend_high_usd,
        spend_share_low, spend_share, spend_share_high, free_tokens, priced_tokens, tokens) as shown,
    ok
from judged where not ok;
