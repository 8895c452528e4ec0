with quarantined as (

    select
        source,
        dump_sha256,
        usage_date,
        count(*) as quarantined_rows
    from {{ source('raw', 'quarantine') }}
    -- A bad field of a good row loses no tokens
    where scope = 'row' and usage_date is not null
    group by all

),

dump_days as (

    select
        source,
        usage_date,
        dump_sha256,
        as_of,
        pulled_at
    from {{ ref('stg_usage') }}
    group by all

),

-- A day is taken whole from the newest dump that has it: mixing models of two dumps would count
-- a model that fell out of the top 50 twice, by name and inside `other`.
newest as (

    select
        *,
        cast(
            {{ minutes_between('cast(usage_date + 1 as timestamp)', 'as_of') }} as bigint
        ) as read_after_minutes
    from dump_days
    qualify
        row_number() over (
            partition by source, usage_date
            order by as_of desc, pulled_at desc, dump_sha256 desc
        ) = 1

)

select
    newest.source,
    newest.usage_date,
    newest.dump_sha256,
    newest.as_of,
    newest.read_after_minutes,
    newest.read_after_minutes >= 60 * run_settings.settled_after_hours as is_settled,
    coalesce(quarantined.quarantined_rows, 0) as quarantined_rows,
    coalesce(quarantined.quarantined_rows, 0) = 0 as is_complete
from newest
cross join {{ source('raw', 'run_settings') }} as run_settings
left join quarantined using (source, dump_sha256, usage_date)
