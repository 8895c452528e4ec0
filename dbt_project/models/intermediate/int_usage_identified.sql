-- The registry view that this run publishes; the other one is in restated_by_origin_*.
with attribution as (

    select attribution.*
    from {{ ref('int_attribution') }} as attribution
    inner join {{ source('raw', 'run_settings') }} as run_settings
        on attribution.registry_view = run_settings.registry_view

),

provider_names as (

    select * from {{ ref('int_provider_names') }}

),

providers as (

    select * from {{ ref('stg_providers') }}

)

select
    usage.source,
    usage.usage_date,
    usage.model_permaslug,
    usage.base_slug,
    usage.variant,
    usage.author,
    attribution.identification,
    usage.tokens,
    usage.requests,
    usage.prompt_tokens,
    usage.cache_read_tokens,
    usage.cache_write_tokens,
    usage.completion_tokens,
    usage.cost_usd,
    usage.own_key_cost_usd,
    usage.region,
    days.is_complete,
    days.is_settled,
    days.read_after_minutes,
    usage.dump_sha256,
    attribution.lab_id,
    attribution.lab_name,
    attribution.headquarters,
    attribution.base_lab_id,
    attribution.base_lab_name,
    attribution.base_headquarters,
    attribution.license,
    -- A provider without a registry row keeps its name: served by somebody, origin unidentified.
    coalesce(provider_names.provider_slug, lower(usage.provider_name)) as provider_id,
    coalesce(providers.provider_name, usage.provider_name) as provider_name,
    providers.headquarters as serving_headquarters
from {{ ref('stg_usage') }} as usage
inner join {{ ref('int_days') }} as days using (source, usage_date, dump_sha256)
inner join attribution using (usage_date, base_slug)
left join provider_names on lower(usage.provider_name) = provider_names.lookup_name
left join providers
    on
        provider_names.provider_slug = providers.provider_slug
        and {{ valid_on('usage.usage_date', 'providers.valid_from', 'providers.valid_to') }}
