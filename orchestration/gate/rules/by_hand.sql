-- What a vintage lacks of the relations that the rules read. Run it first, on tokenshare.duckdb in
-- the folder of the vintage; then any rule: docs/operations.md, "Running a rule by hand".

-- The limits by which this vintage was judged.
create or replace temp view limits as select unnest(limits) from read_json('gate/results.json');

-- The previous vintage: none. To compare with one, attach its database and name its tables here.
create or replace temp view previous_usage_daily as select * from usage_daily where false;
create or replace temp view previous_price_history as select * from price_history where false;

-- The days that a pull found to be unreachable.
create or replace temp view gaps as
select unnest(gaps, recursive := true) from read_json('manifest.json', columns = {
    gaps: 'struct(source varchar, first_day date, last_day date, reason varchar)[]'
});

-- The fewest requests that a group of a request log must have, or 0.
create or replace temp view small_cells as
select small_cells as least_requests
from read_json('manifest.json', columns = {small_cells: 'bigint'});

-- The ids of configuration/claims, as the vintage has them: CLAIM_VERDICTS cannot fail by hand.
create or replace temp view configured_claims as select distinct claim_id from claims;

-- The rows of all share tables beside each other, and the lenses that each of them has.
set variable share_tables = (
    select string_agg(format('select ''{0}'' as table_name, * from {0}', table_name),
        ' union all by name ')
    from duckdb_columns() where table_name like 'share_by_%' and column_name = 'rank'
);
create or replace temp view shares as from query(getvariable('share_tables'));
create or replace temp view share_lenses as
select table_name,
    unnest(
        if(bool_or(column_name = 'origin'), ['author_hq', 'base_lineage', 'serving_hq'], ['author_hq'])
    ) as lens
from duckdb_columns() where table_name like 'share_by_%'
group by table_name having bool_or(column_name = 'rank');
