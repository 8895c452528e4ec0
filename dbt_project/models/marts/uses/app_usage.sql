with apps as (

    select
        *,
        count(*) over (partition by source, window_start, window_end) as listed_apps,
        sum(total_tokens) over (partition by source, window_start, window_end) as listed_tokens
    from {{ ref('stg_app_rankings') }}

)

select
    source,
    window_start,
    window_end,
    {{ days_of('window_start', 'window_end') }} as window_days,
    window_basis,
    list_as_of as as_of,
    cast(rank as integer) as rank,
    app_id,
    app_name,
    total_tokens,
    total_requests,
    cast(total_tokens as double) / nullif(total_requests, 0) as tokens_per_request,
    cast(listed_apps as integer) as listed_apps,
    cast(listed_tokens as bigint) as listed_tokens,
    {{ fraction('total_tokens', 'listed_tokens') }} as share_of_listed,
    dump_sha256
from apps
