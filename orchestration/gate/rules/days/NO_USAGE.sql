-- severity: blocker
-- title: there is something to publish
-- judged: rows
-- min: 1
-- rows: needed
-- message: "usage_daily has {rows} rows"
select count(*) as rows from usage_daily;
