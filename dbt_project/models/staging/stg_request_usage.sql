-- The tokens of request logs.
with days as (

    select * from {{ ref('int_request_days') }}

),

dumps as (

    select * from {{ source('raw', 'dumps') }}

),

-- The rows of a day may come from several dumps; the newest of them says when the day was read.
newest as (

    select
        days.source,
        days.usage_date,
        days.dump_sha256,
        dumps.as_of,
        dumps.pulled_at
    from days
    inner join dumps using (source, dump_sha256)
    qualify
        row_number() over (
            partition by days.source, days.usage_date
            order by dumps.as_of desc, dumps.pulled_at desc, days.dump_sha256 desc
        ) = 1

)

select
    days.source,
    newest.dump_sha256,
    newest.as_of,
    newest.pulled_at,
    days.usage_date,
    names.model_permaslug,
    days.provider_name,
    days.region,
    cast(sum(days.prompt_tokens + days.completion_tokens) as bigint) as tokens,
    cast(sum(days.requests_with_tokens) as bigint) as requests,
    cast(sum(days.prompt_tokens) as bigint) as prompt_tokens,
    cast(sum(days.cache_read_tokens) as bigint) as cache_read_tokens,
    cast(sum(days.cache_write_tokens) as bigint) as cache_write_tokens,
    cast(sum(days.completion_tokens) as bigint) as completion_tokens,
    -- Only known if it is known of every request that used tokens
    case
        when sum(days.requests_with_cost) = sum(days.requests_with_tokens)
            then cast(sum(days.cost_usd) as decimal(18, 9))
    end as cost_usd,
    cast(sum(days.own_key_cost_usd) as decimal(18, 9)) as own_key_cost_usd
from days
inner join newest using (source, usage_date)
inner join {{ ref('int_model_names') }} as names
    on days.model_name = names.model_name
group by all
