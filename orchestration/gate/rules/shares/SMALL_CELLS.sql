-- severity: blocker
-- title: no row of a request log has fewer requests than the manifest's small_cells
-- judged: ok
-- one_of: [true]
-- verified: true
-- message: >-
--   {table_name}: {named} has {requests} requests; at least {least_requests} are expected
--
-- This stops the publication instead of withholding the source: a manifest states the rows for which
-- a source is withheld, and these name the groups.
with cells as (
    select 'usage_daily' as table_name, concat_ws(' ', source, usage_date, model_permaslug) as named,
        requests
    from usage_daily
    union all
    select 'served_daily',
        concat_ws(' ', source, usage_date, model_permaslug, provider_id, region), requests
    from served_daily
    union all
    select 'model_names', concat_ws(' ', source, model_name), requests from model_names
)
select table_name, named, requests, least_requests, false as ok
from cells cross join small_cells
where requests < least_requests;
