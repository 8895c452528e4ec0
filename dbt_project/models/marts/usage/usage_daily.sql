select
    source,
    usage_date,
    model_permaslug,
    base_slug,
    variant,
    author,
    lab_id,
    identification,
    tokens,
    cast(null as bigint) as requests,
    cast(null as bigint) as prompt_tokens,
    cast(null as bigint) as completion_tokens,
    cast(null as decimal(18, 9)) as cost_usd,
    is_complete,
    dump_sha256
from {{ ref('int_usage_identified') }}
