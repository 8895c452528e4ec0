-- Of several answers for a day the newest counts as a whole: each lists its own models. A metric
-- that the newest lacks (all of its rows were refused) is taken whole from an older one.
with dumps as (

    select
        *,
        row_number() over (order by as_of, pulled_at, dump_sha256) as place
    from {{ source('raw', 'dumps') }}

),

shares as (

    select
        dumps.source,
        dumps.place,
        cast(dumps.as_of as date) as seen_on,
        answers.*
    from {{ source('raw', 'vercel_leaderboard') }} as answers
    inner join dumps using (dump_sha256)

),

-- A year has hundreds of answers, so their rows are grouped, not ranked.
newest as (

    select
        dataset,
        modality,
        metric,
        usage_date,
        max(place) as place
    from shares
    group by all

)

select
    shares.source,
    shares.dump_sha256,
    shares.seen_on,
    shares.dataset,
    shares.modality,
    shares.metric,
    shares.usage_date,
    shares.name,
    shares.share_percent
from shares
inner join newest using (dataset, modality, metric, usage_date, place)
