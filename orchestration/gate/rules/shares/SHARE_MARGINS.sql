-- severity: blocker
-- title: share tables that tell the same origin or license count the same tokens for it
-- judged: difference
-- one_of: [0]
-- rows: needed
-- verified: true
-- message: >-
--   {tables} {period_start} ({lens}): their tokens of {value} differ by {difference}
--
-- One row per column and grain, and one for each value whose tokens differ. A license does not
-- depend on the lens. A lab's row has the origin of its last day in the period, so labs are left
-- out.
with told as (
    select table_name, string_split(table_name, '_')[-1] as grain, source, period_start,
        lens as of_lens, lens, 'origin' as told, origin as value, tokens
    from shares where origin is not null and lab_id is null
    union all
    select table_name, string_split(table_name, '_')[-1], source, period_start,
        lens, 'every lens', 'license', license, tokens
    from shares where license is not null
),
summed as (
    select * exclude (tokens), cast(sum(tokens) as hugeint) as tokens from told group by all
),
-- A source that does not say who served the tokens has no rows under serving_hq.
lenses as (select distinct source, of_lens from summed),
tellers as (
    select distinct summed.table_name, summed.grain, lenses.source, of_lens, summed.lens, summed.told
    from summed inner join lenses using (of_lens)
),
cells as (select distinct grain, source, period_start, lens, told, value from summed),
compared as (
    select cells.*, string_agg(distinct table_name, ', ' order by table_name) as tables,
        max(coalesce(tokens, 0)) - min(coalesce(tokens, 0)) as difference
    from cells
    inner join tellers using (grain, source, lens, told)
    left join summed
        using (table_name, of_lens, grain, source, period_start, lens, told, value)
    group by all
)
select tables, null as period_start, lens, told as value, 0 as difference
from compared group by all
union all
select tables, period_start, lens, value, difference from compared where difference <> 0;
