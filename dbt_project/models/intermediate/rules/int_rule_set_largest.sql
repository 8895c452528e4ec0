-- What the largest N of a window are, for the rule sets that ask for them: by tokens in the window,
-- equal ones in the order of their names. The tail is no model.
with usage as (

    select * from {{ ref('int_window_usage') }}

),

counted as (

    select * from {{ ref('int_rule_set_rows') }}
    where may_be_in_universe

),

rule_sets as (

    select * from {{ source('raw', 'rule_sets') }}
    where universe = 'top_n'

),

units as (

    select
        counted.rule_set,
        rule_sets.top_n,
        usage.window_id,
        counted.unit,
        sum(usage.tokens) as tokens
    from usage
    inner join counted on usage.kind_id = counted.kind_id
    inner join rule_sets on counted.rule_set = rule_sets.rule_set
    group by all

)

select
    rule_set,
    window_id,
    unit
from units
qualify
    row_number() over (
        partition by rule_set, window_id
        order by tokens desc, unit asc
    ) <= top_n
