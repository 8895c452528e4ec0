select
    source,
    dataset,
    modality,
    metric as share_of,
    usage_date,
    name,
    share_percent,
    -- Exact as a decimal: 4.8724 % is the number nearest to 0.048724.
    cast(share_percent * 0.01 as double) as share,
    -- What is not listed has no rank among what is.
    case
        when name <> 'Other'
            then
                cast(
                    rank() over (
                        partition by source, dataset, modality, metric, usage_date, name = 'Other'
                        order by share_percent desc
                    ) as integer
                )
    end as rank,
    identification,
    lab_id,
    base_slug,
    seen_on,
    dump_sha256
from {{ ref('int_gateway_shares') }}
