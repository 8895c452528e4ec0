-- What a vintage lacks of the relations that the rules read. Run it first, on tokenshare.duckdb in
-- the folder of the vintage; then any rule: docs/operations.md, "Running a rule by hand".

-- The limits by which this vintage was judged.
create or replace temp view limits as select unnest(limits) from read_json('gate/results.json');

-- The vintage before: none. To compare with one, attach its database and name its tables here.
create or replace temp view previous_usage_daily as select * from usage_daily where false;
create or replace temp view previous_price_history as select * from price_history where false;

-- The ids of configuration/claims, as the vintage has them: CLAIM_VERDICTS cannot fail by hand.
create or replace temp view configured_claims as select distinct claim_id from claims;
