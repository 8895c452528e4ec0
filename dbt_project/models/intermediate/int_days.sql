with run_settings as (

    select * from {{ source('raw', 'run_settings') }}

),

quarantined as (

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

),

-- A day of a request log has the rows of all of its dumps.
logged as (

    select
        request_rows.source,
        request_rows.usage_date,
        request_rows.rows,
        coalesce(sum(quarantined.quarantined_rows), 0) as quarantined_rows
    from {{ source('raw', 'request_rows') }} as request_rows
    left join quarantined using (source, usage_date)
    group by all

),

counted as (

    select
        newest.*,
        coalesce(logged.rows, 0) as log_rows,
        cast(
            coalesce(logged.quarantined_rows, quarantined.quarantined_rows, 0) as bigint
        ) as quarantined_rows
    from newest
    left join logged using (source, usage_date)
    left join quarantined using (source, dump_sha256, usage_date)

)

select
    counted.source,
    counted.usage_date,
    counted.dump_sha256,
    counted.as_of,
    counted.read_after_minutes,
    counted.read_after_minutes >= 60 * run_settings.settled_after_hours as is_settled,
    counted.quarantined_rows,
    counted.quarantined_rows = 0
    or counted.quarantined_rows
    <= run_settings.tolerated_rows_share * counted.log_rows as is_complete
from counted
cross join run_settings
