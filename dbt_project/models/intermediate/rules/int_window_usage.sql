-- Tokens by window and kind of row.
with usage as (

    select * from {{ ref('int_usage_identified') }}

),

attribution as (

    select * from {{ ref('int_attribution') }}

),

kinds as (

    select * from {{ ref('int_usage_kinds') }}

),

windows as (

    select * from {{ ref('int_windows') }}
    where not {{ is_mean('window_kind') }}

),

daily as (
    {% for lens, (origin, lab_id, lab_name) in lenses().items() if lens != 'serving_hq' %}
    select
        usage.source,
        usage.usage_date,
        kinds.kind_id,
        usage.tokens
    from usage
    inner join attribution
        on
            usage.usage_date = attribution.usage_date
            and usage.base_slug = attribution.base_slug
    inner join kinds
        on
            usage.model_permaslug = kinds.model_permaslug
            and usage.base_slug = kinds.base_slug
            and {{ made_by('attribution.revealed_as', 'usage.author') }} = kinds.author
            and (usage.variant = 'free') = kinds.is_free
            and kinds.lens = '{{ lens }}'
            and attribution.registry_view = kinds.registry_view
            and attribution.identification = kinds.identification
            and coalesce(attribution.{{ origin }}, 'unidentified') = kinds.origin
            and coalesce(attribution.{{ lab_id }}, 'unidentified') = kinds.lab_id
            and attribution.license = kinds.license
    {{ 'union all' if not loop.last }}
    {% endfor %}
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
inner join window_days
    on
        daily.source = window_days.source
        and daily.usage_date = window_days.usage_date
group by all
