-- Tokens by window and kind of row.
with attribution as (
    {{ by_lens(
        ref('int_attribution'),
        [
            'usage_date', 'base_slug', 'registry_view', 'identification', 'license',
            'revealed_as',
        ],
        has_providers=false
    ) }}
),

windows as (

    select * from {{ ref('int_windows') }}
    where not {{ is_mean('window_kind') }}

),

daily as (

    select
        usage.source,
        usage.usage_date,
        kinds.kind_id,
        usage.tokens
    from {{ ref('int_usage_identified') }} as usage
    inner join attribution using (usage_date, base_slug)
    inner join {{ ref('int_usage_kinds') }} as kinds
        on
            usage.model_permaslug = kinds.model_permaslug
            and usage.base_slug = kinds.base_slug
            and {{ made_by('attribution.revealed_as', 'usage.author') }} = kinds.author
            and (usage.variant = 'free') = kinds.is_free
            and attribution.lens = kinds.lens
            and attribution.registry_view = kinds.registry_view
            and attribution.identification = kinds.identification
            and attribution.origin = kinds.origin
            and attribution.lab_id = kinds.lab_id
            and attribution.license = kinds.license

),

window_days as (

    select
        windows.window_id,
        windows.source,
        days.usage_date
    from windows
    inner join {{ ref('int_days') }} as days
        on
            windows.source = days.source
            and days.usage_date between windows.window_start and windows.window_end

)

select
    window_days.window_id,
    daily.kind_id,
    cast(sum(daily.tokens) as bigint) as tokens
from daily
inner join window_days using (source, usage_date)
group by all
