with quarantine as (

    select * from {{ source('raw', 'quarantine') }}

),

dumps as (

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
from quarantine
inner join dumps using (source, dump_sha256)
