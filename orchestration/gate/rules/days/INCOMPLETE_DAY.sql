-- severity: warning
-- title: no published day lost rows to quarantine
-- judged: is_complete
-- one_of: [true]
-- rows: needed
-- message: "{usage_date}: rows of this day are in quarantine"
select distinct source, usage_date, is_complete from usage_daily;
