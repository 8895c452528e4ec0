with priced as (

    select * from {{ ref('int_usage_priced') }}

)

select
    source,
    usage_date,
    'author_hq' as lens,
    {{ price_band('variant', 'usd_blend_by_4') }} as price_band,
    cast(sum(tokens) as bigint) as tokens
from priced
group by all
