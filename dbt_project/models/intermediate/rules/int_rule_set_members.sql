-- Which kinds of rows are in which group of a rule set, and which may be. A row may belong to a
-- group unless something known about it excludes it. So each term of a group is answered with true,
-- with false, or with NULL if what it asks for is not known of the row; `and`, `or` and `not` do
-- the rest. Rows that a denominator of identified rows leaves out are listed too.
with counted as (

    select
        counted.rule_set,
        counted.is_identified,
        kinds.*
    from {{ ref('int_rule_set_rows') }} as counted
    inner join {{ ref('int_usage_kinds') }} as kinds using (kind_id)
    where counted.may_be_in_universe

),

asked as (

    select
        counted.rule_set,
        counted.kind_id,
        counted.is_identified,
        terms.group_name,
        terms.attribute,
        terms.is_excluded,
        terms.value,
        case terms.attribute
            when 'origin' then counted.origin
            when 'lab' then counted.lab_id
            when 'author' then counted.author
            when 'model' then counted.base_slug
            when 'identification' then counted.identification
            when 'license' then counted.license
        end as row_value,
        -- The name of a router or a stealth model says nothing about who made the model.
        case
            when terms.attribute = 'origin' then counted.origin = 'unidentified'
            when terms.attribute = 'lab' then counted.lab_id = 'unidentified'
            when terms.attribute = 'license' then counted.license = 'unknown'
            when terms.attribute in ('author', 'model')
                then counted.identification in ('tail', 'router', 'stealth')
            else false
        end as is_unknown
    from counted
    inner join {{ source('raw', 'rule_set_groups') }} as terms using (rule_set)

),

matched as (

    select
        *,
        case
            -- What is not known may be asked for by name, as `unidentified` or `unknown`.
            when attribute = 'any' or row_value = value then true
            when not is_unknown then false
        end as is_match
    from asked

),

answered as (

    select
        rule_set,
        group_name,
        kind_id,
        {{ any_of("is_match", "not is_excluded and attribute <> 'license'") }} as is_named,
        -- A group without licenses takes all of them.
        {{ any_of("is_match", "not is_excluded and attribute = 'license'") }}
        or not bool_or(not is_excluded and attribute = 'license') as is_licensed,
        {{ any_of("is_match", "is_excluded") }} as is_excluded,
        bool_and(is_identified) as is_identified,
        bool_or(is_unknown and attribute in ('origin', 'lab')) as is_unplaced
    from matched
    group by rule_set, group_name, kind_id

),

members as (

    select
        answered.rule_set,
        answered.group_name,
        answered.kind_id,
        answered.is_named and answered.is_licensed and not answered.is_excluded as is_member,
        answered.is_identified
        and not (rule_sets.universe = 'identified_only' and answered.is_unplaced) as is_identified
    from answered
    inner join {{ source('raw', 'rule_sets') }} as rule_sets
        on answered.rule_set = rule_sets.rule_set

)

select
    rule_set,
    group_name,
    kind_id,
    coalesce(is_member, false) as is_member,
    is_member is null as may_be_member,
    is_identified
from members
where is_member is distinct from false or not is_identified
