-- Tokens whose origin differs between as known now and as known then (a stealth model that was
-- revealed later, a correction of the registry): from where to where, and why.
with origins as (
    {{ by_lens(
        ref('int_attribution'),
        ['usage_date', 'base_slug', 'registry_view', 'revealed_as'],
        has_providers=false
    ) }}
),

moved as (

    select
        known_then.usage_date,
        known_then.base_slug,
        known_then.lens,
        known_then.origin as origin_then,
        known_now.origin as origin_now,
        known_now.revealed_as
    from origins as known_then
    inner join origins as known_now using (usage_date, base_slug, lens)
    where
        known_then.registry_view = 'then'
        and known_now.registry_view = 'now'
        and known_then.origin <> known_now.origin

)

select
    usage.source,
    usage.usage_date,
    usage.base_slug,
    moved.lens,
    moved.origin_then,
    moved.origin_now,
    moved.revealed_as,
    cast(sum(usage.tokens) as bigint) as tokens
from {{ ref('int_usage_identified') }} as usage
inner join moved using (usage_date, base_slug)
group by all
