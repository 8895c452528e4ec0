-- The lens author_hq. A further lens is a further branch here; the share tables do not change.
select
    source,
    usage_date,
    'author_hq' as lens,
    coalesce(headquarters, 'unidentified') as origin,
    coalesce(lab_id, 'unidentified') as lab_id,
    coalesce(lab_name, 'Unidentified') as lab_name,
    cast(sum(tokens) as bigint) as tokens
from {{ ref('int_usage_identified') }}
group by all
