with apps as (

    select
        *,
        count(*) over (partition by source, window_start, window_end) as listed_apps,
        sum(tokens) over (partition by source, window_start, window_end) as listed_tokens
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
    tokens,
    requests,
    cast(tokens as double) / nullif(requests, 0) as tokens_per_request,
    cast(listed_apps as integer) as listed_apps,
    cast(listed_tokens as bigint) as listed_tokens,
    {{ fraction('tokens', 'listed_tokens') }} as share_of_listed,
    dump_sha256
from apps
