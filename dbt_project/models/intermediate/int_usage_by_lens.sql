with lenses as (
    {{ by_lens(ref('int_usage_identified'), ['source', 'usage_date', 'tokens']) }}
)

select
    source,
    usage_date,
    lens,
    origin,
    lab_id,
    lab_name,
    cast(sum(tokens) as bigint) as tokens
from lenses
group by all
