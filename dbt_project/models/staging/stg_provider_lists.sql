with dumps as (

    select * from {{ source('raw', 'dumps') }}
    where source = 'openrouter_providers'

)

select
    cast(dumps.as_of as date) as seen_on,
    providers.dump_sha256,
    providers.provider_slug,
    providers.provider_name,
    providers.headquarters,
    providers.datacenters
from {{ source('raw', 'openrouter_providers') }} as providers
inner join dumps using (dump_sha256)
-- Of several lists of one day the last one counts, even if it lacks a provider.
qualify
    rank() over (
        partition by cast(dumps.as_of as date)
        order by dumps.as_of desc, dumps.pulled_at desc, dumps.dump_sha256 desc
    ) = 1
