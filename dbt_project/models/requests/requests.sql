with one_each as (

    select * from {{ ref('stg_usage_events') }}
    union all
    select * from {{ ref('stg_litellm_spendlogs') }}
    union all
    select * from {{ ref('stg_openrouter_activity') }}
    union all
    select * from {{ ref('stg_bedrock_invocations') }}
    union all
    select * from {{ ref('stg_langfuse_observations') }}
    union all
    select * from {{ ref('stg_helicone') }}
    union all
    select * from {{ ref('stg_otlp') }}

),

-- A row of a day has as many requests as it says, any other row has one.
counted as (

    select
        *,
        1 as requests
    from one_each
    union all
    select * from {{ ref('stg_openrouter_activity_daily') }}

)

select
    source,
    dump_sha256,
    as_of,
    row_number,
    usage_date,
    request_id,
    model_name,
    provider_name,
    region,
    outcome,
    prompt_tokens,
    cache_read_tokens,
    cache_write_tokens,
    completion_tokens,
    reasoning_tokens,
    cost_usd,
    own_key_cost_usd,
    requests
from counted
