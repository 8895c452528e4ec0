-- A request that is there more than once counts once, as its newest dump has it. Few are, so only
-- those are compared: to rank all rows would take twice as long.
with requests as (

    select
        *,
        {{ hash_of('request_id') }} as request_hash
    from {{ ref('requests') }}

),

repeated as (

    select request_hash from requests
    group by request_hash
    having count(*) > 1

),

once as (

    select * from requests
    where request_hash not in (select repeated.request_hash from repeated)

),

newest as (

    select * from requests
    where request_hash in (select repeated.request_hash from repeated)
    qualify
        row_number() over (
            partition by source, usage_date, request_id
            order by as_of desc, dump_sha256 desc, row_number desc
        ) = 1

),

counted as (

    select * from once
    union all
    select * from newest

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
