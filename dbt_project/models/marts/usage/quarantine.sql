with dumps as (

    select * from {{ source('raw', 'dumps') }}

)

select
    dumps.source,
    quarantine.dump_sha256,
    quarantine.row_number,
    quarantine.scope,
    quarantine.usage_date,
    quarantine.code,
    quarantine.field,
    quarantine.value,
    quarantine.expected
from {{ source('raw', 'quarantine') }} as quarantine
inner join dumps using (source, dump_sha256)
cross join {{ source('raw', 'run_settings') }} as run_settings
-- A row is a single request.
where
    run_settings.small_cells = 0
    or quarantine.source not in (
        select days.source from {{ source('raw', 'request_days') }} as days
    )
