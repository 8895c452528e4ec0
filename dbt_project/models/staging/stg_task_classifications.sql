with dumps as (

    select * from {{ source('raw', 'dumps') }}
    where source = 'openrouter_task_classifications'

)

select
    dumps.source,
    entries.dump_sha256,
    entries.window_start,
    entries.window_end,
    entries.kind,
    entries.tag,
    entries.model_id,
    entries.macro_category,
    entries.display_name,
    entries.share_rounding,
    entries.usage_share,
    entries.token_share,
    entries.category_usage_share,
    entries.category_token_share,
    entries.tag_usage_share,
    entries.tag_token_share
from {{ source('raw', 'openrouter_task_classifications') }} as entries
inner join dumps using (dump_sha256)
-- Of several answers for one window the newest counts as a whole.
qualify
    rank() over (
        partition by entries.window_start, entries.window_end
        order by dumps.as_of desc, dumps.pulled_at desc, dumps.dump_sha256 desc
    ) = 1
