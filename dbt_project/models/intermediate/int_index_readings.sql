-- Quality indices as they were read, day by day: the seed of dated snapshots, continued by landed
-- catalogues. A landed catalogue counts for its whole day, so that no two readings are mixed.
with catalogues as (

    select * from {{ ref('stg_catalogue_models') }}
    where intelligence_index is not null

),

-- Variants and floating aliases repeat the index of their model: its own entry comes first.
landed as (

    select *
    from catalogues
    qualify
        row_number() over (
            partition by seen_on, base_slug
            order by model_id like '~%' asc, instr(model_id, ':') > 0 asc, model_id asc
        ) = 1

),

landed_days as (

    select distinct seen_on from landed

)

select
    seeds.read_on,
    seeds.base_slug,
    split_part(seeds.base_slug, '/', 1) as author,
    seeds.intelligence_index,
    seeds.coding_index,
    seeds.agentic_index,
    seeds.index_source
from {{ ref('quality_seed') }} as seeds
left join landed_days on seeds.read_on = landed_days.seen_on
where landed_days.seen_on is null
union all
select
    seen_on as read_on,
    base_slug,
    author,
    intelligence_index,
    coding_index,
    agentic_index,
    'Artificial Analysis via OpenRouter' as index_source
from landed
