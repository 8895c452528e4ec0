-- Which kinds of rows are in which group of a rule set, and which may be: what is unidentified may
-- belong to any origin, lab or model, and a model of unknown license to any license.
with counted as (

    select
        counted.rule_set,
        kinds.*
    from {{ ref('int_rule_set_rows') }} as counted
    inner join {{ ref('int_usage_kinds') }} as kinds on counted.kind_id = kinds.kind_id
    where counted.may_be_in_universe

),

terms as (

    select * from {{ source('raw', 'rule_set_groups') }}

),

matched as (

    select
        counted.rule_set,
        counted.kind_id,
        counted.origin,
        counted.lab_id,
        counted.license,
        terms.group_name,
        terms.attribute,
        terms.is_excluded,
        case terms.attribute
            when 'any' then true
            when 'origin' then counted.origin = terms.value
            when 'lab' then counted.lab_id = terms.value
            when 'author' then counted.author = terms.value
            when 'model' then counted.base_slug = terms.value
            when 'identification' then counted.identification = terms.value
            when 'license' then counted.license = terms.value
        end as is_match
    from counted
    inner join terms on counted.rule_set = terms.rule_set

),

answered as (

    select
        rule_set,
        group_name,
        kind_id,
        bool_or(is_match and not is_excluded and attribute <> 'license') as is_named,
        bool_or(
            not is_excluded
            and (
                (attribute = 'origin' and origin = 'unidentified')
                or (attribute in ('lab', 'author', 'model') and lab_id = 'unidentified')
            )
        ) as may_be_named,
        bool_or(is_match and attribute = 'license')
        or not bool_or(attribute = 'license') as is_licensed,
        bool_or(attribute = 'license' and license = 'unknown') as may_be_licensed,
        bool_or(is_match and is_excluded) as is_excluded
    from matched
    group by rule_set, group_name, kind_id

)

select
    rule_set,
    group_name,
    kind_id,
    is_named and is_licensed as is_member
from answered
where
    not is_excluded
    and (is_named or may_be_named)
    and (is_licensed or may_be_licensed)
