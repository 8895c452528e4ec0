-- Whose the listed names of a gateway are. A lab is read from the registry as for usage, in the
-- view that this run publishes. A day's shares are shares of 100 %, or of their own sum if rounding
-- makes that larger.
with run_settings as (

    select * from {{ source('raw', 'run_settings') }}

),

labs as (

    select * from {{ ref('labs') }}

),

named as (

    select
        shares.*,
        case
            when run_settings.registry_view = 'then'
                then least(shares.usage_date, run_settings.registry_as_of)
            else run_settings.registry_as_of
        end as known_on,
        names.lab_id,
        names.base_slug,
        greatest(
            sum(shares.share_percent) over (
                partition by
                    shares.source,
                    shares.dataset,
                    shares.modality,
                    shares.metric,
                    shares.usage_date
            ),
            100
        ) as total_percent
    from {{ ref('stg_vercel_leaderboard') }} as shares
    left join {{ ref('gateway_names') }} as names
        on shares.dataset = names.dataset and shares.name = names.name
    cross join run_settings

),

known_labs as (

    {{ registry_rows('labs', 'lab_id', 'named', ['lab_name', 'headquarters']) }}

)

select
    named.source,
    named.dataset,
    named.modality,
    named.metric,
    named.usage_date,
    named.name,
    named.share_percent,
    named.total_percent,
    -- In whole 10^-18, so that sums over days do not depend on their order.
    cast(
        cast(named.share_percent as double) / cast(named.total_percent as double) as decimal(20, 18)
    ) as share,
    case
        when named.name = 'Other' then 'tail'
        when named.name = 'stealth' then 'stealth'
        when known_labs.lab_id is null then 'unmapped'
        else 'attributed'
    end as identification,
    known_labs.lab_id,
    known_labs.lab_name,
    known_labs.headquarters,
    named.base_slug,
    -- An answer may be a day old: what it says of the day before it was made is not final.
    {{ days_between('named.usage_date', 'named.seen_on') }} >= 2 as is_settled,
    named.seen_on,
    named.dump_sha256
from named
left join known_labs using (usage_date, known_on, lab_id)
