with dumps as (

    select * from {{ source('raw', 'dumps') }}

)

select
    dumps.source,
    shares.dump_sha256,
    cast(dumps.as_of as date) as seen_on,
    shares.dataset,
    shares.modality,
    shares.metric,
    shares.usage_date,
    shares.name,
    shares.share_percent
from {{ source('raw', 'vercel_leaderboard') }} as shares
inner join dumps using (dump_sha256)
-- Of several answers for a day the newest counts as a whole: each lists its own models. A metric
-- that the newest lacks (all of its rows were refused) is taken whole from an older one.
qualify
    rank() over (
        partition by shares.dataset, shares.modality, shares.metric, shares.usage_date
        order by dumps.as_of desc, dumps.pulled_at desc, dumps.dump_sha256 desc
    ) = 1
