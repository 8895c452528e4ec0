-- severity: blocker
-- title: rule set all_rows counts exactly the tokens of usage_daily
-- judged: ok
-- one_of: [true]
-- rows: needed
-- verified: true
-- message: "{table_name} {period_start}: {tokens} tokens, usage_daily has {usage_tokens}"
--
-- Rule sets leave rows out and their groups overlap; all_rows, taken whole, counts each token once.
with usage as (
    select 'share_by_rule_set_weekly' as table_name, source,
        cast(date_trunc('week', usage_date) as date) as period_start, sum(tokens) as usage_tokens
    from usage_daily group by all
    union all
    select 'share_by_rule_set_monthly' as table_name, source,
        cast(date_trunc('month', usage_date) as date) as period_start, sum(tokens) as usage_tokens
    from usage_daily group by all
),
counted as (
    select 'share_by_rule_set_weekly' as table_name, source, period_start, sum(tokens) as tokens
    from share_by_rule_set_weekly
    where rule_set = 'all_rows' and group_name = 'all' and window_kind = 'iso_week' group by all
    union all
    select 'share_by_rule_set_monthly' as table_name, source, period_start, sum(tokens) as tokens
    from share_by_rule_set_monthly
    where rule_set = 'all_rows' and group_name = 'all' and window_kind = 'month_sum' group by all
)
select table_name, source, period_start, usage_tokens, tokens,
    usage_tokens is not distinct from tokens as ok
from usage full outer join counted using (table_name, source, period_start);
