-- What a landed catalogue or provider list names but does not state in a way that can be believed:
-- the model or provider is there, so it is not removed.
with dumps as (

    select * from {{ source('raw', 'dumps') }}
    where source in ('openrouter_models', 'openrouter_providers')

),

-- Of several lists of one day the last one counts.
newest as (

    select
        source,
        dump_sha256,
        cast(as_of as date) as seen_on
    from dumps
    qualify
        row_number() over (
            partition by source, cast(as_of as date)
            order by as_of desc, pulled_at desc, dump_sha256 desc
        ) = 1

)

select
    newest.source,
    newest.seen_on,
    quarantine.row_key as entry_id,
    -- NULL means the whole entry
    case when quarantine.scope = 'field' then quarantine.field end as field
from {{ source('raw', 'quarantine') }} as quarantine
inner join newest using (source, dump_sha256)
where quarantine.row_key is not null
-- Copies of one entry are several rows
group by all
