-- severity: blocker
-- title: share_low ≤ share = tokens / total_tokens ≤ share_high in every share table
-- judged: ok
-- one_of: [true]
-- rows: needed
-- verified: true
-- message: "{table_name} {period_start}: low {share_low}, share {share}, high {share_high}"
--
-- One row per table, or each of its bad rows: that keeps the frame small.
with judged as (
    select *,
        coalesce(
            share_low <= share and share <= share_high
            and abs(share - tokens / total_tokens) <= 1e-9,
            false
        ) as ok
    from shares
)
select table_name, cast(null as date) as period_start, 0.0 as share_low, 0.0 as share,
    0.0 as share_high, true as ok
from judged group by table_name having bool_and(ok)
union all
select table_name, period_start, share_low, share, share_high, ok
from judged where not ok;
