-- The archive's `apps_week` repeats the window of `apps_month`, but its sums are of the last 7
-- days: of 715 of them 636 are exactly the sum of the 7 daily lists, the others within 0.4 %. If
-- the source states the 7 days itself, nothing is corrected.
{% set week = "apps_week" %}

with lists as (

    select * from {{ source('raw', 'openrouter_app_rankings') }}
    -- Ranked by growth: neither complete from the top nor in order of tokens.
    where list_name <> 'apps_trending'

),

dumps as (

    select * from {{ source('raw', 'dumps') }}
    where source = 'openrouter_app_rankings'

),

windows as (

    select
        dumps.source,
        lists.dump_sha256,
        dumps.pulled_at,
        lists.fetched_at,
        lists.list_name,
        lists.list_as_of,
        lists.rank,
        lists.app_id,
        lists.app_name,
        lists.tokens,
        lists.requests,
        lists.window_end,
        case
            when lists.list_name = '{{ week }}' then lists.window_end - 6 else lists.window_start
        end as window_start,
        case
            when
                lists.list_name = '{{ week }}' and lists.window_start <> lists.window_end - 6
                then 'corrected'
            else 'stated'
        end as window_basis
    from lists
    inner join dumps using (dump_sha256)

)

select
    source,
    dump_sha256,
    list_as_of,
    window_start,
    window_end,
    window_basis,
    rank,
    app_id,
    app_name,
    tokens,
    requests
from windows
-- Of several answers for one window the newest counts as a whole: otherwise apps would count twice.
qualify
    rank() over (
        partition by window_start, window_end
        order by
            try_cast(list_as_of as timestamp) desc nulls last,
            pulled_at desc,
            dump_sha256 desc,
            fetched_at desc,
            list_name asc
    ) = 1
