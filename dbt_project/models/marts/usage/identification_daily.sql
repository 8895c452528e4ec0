with usage as (

    select
        source,
        usage_date,
        identification,
        cast(sum(tokens) as bigint) as tokens
    from {{ ref('usage_daily') }}
    group by all

),

with_totals as (

    select
        *,
        cast(sum(tokens) over (partition by source, usage_date) as bigint) as total_tokens
    from usage

)

select
    source,
    usage_date,
    identification,
    tokens,
    total_tokens,
    {{ fraction('tokens', 'total_tokens') }} as share
from with_totals
