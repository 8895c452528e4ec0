-- Which kinds of rows a rule set counts, before any choice of the largest: all of its reading,
-- without free variants where it leaves them out, and of a list of labs those that are, or may be,
-- of one of them.
with rule_set_labs as (

    select * from {{ source('raw', 'rule_set_labs') }}

)

select
    rule_sets.rule_set,
    kinds.kind_id,
    case
        when rule_sets.top_of = 'base_models' then kinds.base_slug
        else kinds.model_permaslug
    end as unit,
    case rule_sets.universe
        when 'labs' then rule_set_labs.lab_id is not null or kinds.lab_id = 'unidentified'
        when 'top_n' then kinds.identification <> 'tail'
        else true
    end as may_be_in_universe,
    -- What a denominator without unidentified tokens may count; the others leave nothing out.
    case rule_sets.universe
        when 'labs' then rule_set_labs.lab_id is not null
        when 'identified_only' then kinds.identification = 'attributed'
        else true
    end as is_identified
from {{ ref('int_usage_kinds') }} as kinds
inner join {{ source('raw', 'rule_sets') }} as rule_sets using (lens, registry_view)
left join rule_set_labs
    on
        rule_sets.rule_set = rule_set_labs.rule_set
        and kinds.lab_id = rule_set_labs.lab_id
where not (kinds.is_free and rule_sets.free_variants = 'excluded')
