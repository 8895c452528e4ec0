-- severity: blocker
-- title: share_low ≤ share = tokens / total_tokens ≤ share_high under every rule set
-- judged: ok
-- one_of: [true]
-- rows: needed
-- verified: true
-- message: >-
--   {table_name} {period_start}, {rule_set}, {group_name}: low {share_low}, share {share}, high
--   {share_high}
--
-- One row per table, or each of its bad rows. Means of weeks have no tokens / total_tokens of their
-- own; if unidentified tokens are left out of the denominator, the bounds are those of another
-- share than the point.
with shares as (
    select 'share_by_rule_set_weekly' as table_name, * from share_by_rule_set_weekly
    union all by name
    select 'share_by_rule_set_monthly' as table_name, * from share_by_rule_set_monthly
),
judged as (
    select *,
        coalesce(
            share_low <= share + 1e-9 and share_low <= share_high
            and (universe in ('identified_only', 'labs') or share <= share_high + 1e-9)
            and (
                window_kind = 'month_mean_of_weeks' or total_tokens = 0
                or abs(share - tokens / total_tokens) <= 1e-9
            ),
            false
        ) as ok
    from shares
)
select table_name, 'any' as rule_set, 'any' as group_name, cast(null as date) as period_start,
    0.0 as share_low, 0.0 as share, 0.0 as share_high, true as ok
from judged group by table_name having bool_and(ok)
union all
select table_name, rule_set, group_name, period_start, share_low, share, share_high, ok
from judged where not ok;
