with entries as (

    select * from {{ ref('stg_task_classifications') }}

),

tags as (

    select * from entries
    where kind = 'tag'

),

macros as (

    select * from entries
    where kind = 'macro_category'

),

listed as (

    select
        window_start,
        window_end,
        tag,
        count(*) as models_listed,
        sum(tag_usage_share) as listed_usage_share,
        sum(tag_token_share) as listed_token_share
    from entries
    where kind = 'model'
    group by all

)

select
    tags.source,
    tags.window_start,
    tags.window_end,
    {{ days_of('tags.window_start', 'tags.window_end') }} as window_days,
    tags.tag,
    tags.display_name,
    tags.macro_category,
    -- A tag that is new to us is code or an agent's if the source itself says so.
    coalesce(
        use_map.use,
        case tags.macro_category when 'code' then 'code' when 'agent' then 'agents' end,
        'unmapped'
    ) as use,
    use_map.tag is not null as has_map_row,
    cast(tags.share_rounding as double) as share_rounding,
    cast(tags.usage_share as double) as classified_usage_share,
    cast(tags.token_share as double) as classified_token_share,
    cast(tags.category_usage_share as double) as category_usage_share,
    cast(tags.category_token_share as double) as category_token_share,
    cast(macros.usage_share as double) as macro_usage_share,
    cast(macros.token_share as double) as macro_token_share,
    cast(coalesce(listed.models_listed, 0) as integer) as models_listed,
    cast(coalesce(listed.listed_usage_share, 0) as double) as listed_usage_share,
    cast(coalesce(listed.listed_token_share, 0) as double) as listed_token_share,
    tags.dump_sha256
from tags
left join macros
    on
        tags.window_start = macros.window_start
        and tags.window_end = macros.window_end
        and tags.macro_category = macros.tag
left join listed
    on
        tags.window_start = listed.window_start
        and tags.window_end = listed.window_end
        and tags.tag = listed.tag
left join {{ ref('use_map') }} as use_map on tags.tag = use_map.tag
