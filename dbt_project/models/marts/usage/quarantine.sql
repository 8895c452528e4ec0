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
