-- A request that is there more than once counts once, as its newest dump has it. Few are, so only
-- those are compared: to rank all rows would take twice as long. Each step reads the few columns
-- that it needs from the logs, so that no copy of all rows has to fit in the memory.
with repeated as (

    select {{ hash_of('request_id') }} as request_hash
    from {{ ref('requests') }}
    group by {{ hash_of('request_id') }}
    having count(*) > 1

),

ranked as (

    select
        requests.dump_sha256,
        requests.row_number,
        row_number() over (
            partition by requests.source, requests.usage_date, requests.request_id
            order by requests.as_of desc, requests.dump_sha256 desc, requests.row_number desc
        ) as newest_first
    from {{ ref('requests') }} as requests
    inner join repeated on {{ hash_of('requests.request_id') }} = repeated.request_hash

),

replaced as (

    select
        dump_sha256,
        row_number
    from ranked
    where newest_first > 1

),

counted as (

    select requests.*
    from {{ ref('requests') }} as requests
    left join replaced using (dump_sha256, row_number)
    where replaced.row_number is null

)

select
    source,
    usage_date,
    dump_sha256,
    model_name,
    provider_name,
    region,
    outcome,
    cast(sum(requests) as bigint) as requests,
    cast(
        coalesce(
            sum(requests) filter (
                where coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0) > 0
            ),
            0
        ) as bigint
    ) as requests_with_tokens,
    cast(coalesce(sum(prompt_tokens), 0) as bigint) as prompt_tokens,
    cast(coalesce(sum(cache_read_tokens), 0) as bigint) as cache_read_tokens,
    cast(coalesce(sum(cache_write_tokens), 0) as bigint) as cache_write_tokens,
    cast(coalesce(sum(completion_tokens), 0) as bigint) as completion_tokens,
    cast(coalesce(sum(reasoning_tokens), 0) as bigint) as reasoning_tokens,
    cast(
        coalesce(
            sum(requests) filter (
                where
                cost_usd is not null
                and coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0) > 0
            ),
            0
        ) as bigint
    ) as requests_with_cost,
    cast(coalesce(sum(cost_usd), 0) as decimal(28, 9)) as cost_usd,
    cast(coalesce(sum(own_key_cost_usd), 0) as decimal(28, 9)) as own_key_cost_usd
from counted
group by all
