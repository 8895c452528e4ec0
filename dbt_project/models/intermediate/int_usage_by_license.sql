-- Whether weights can be downloaded does not depend on the lens; author_hq names the default.
select
    source,
    usage_date,
    'author_hq' as lens,
    license,
    cast(sum(tokens) as bigint) as tokens
from {{ ref('int_usage_identified') }}
group by all
