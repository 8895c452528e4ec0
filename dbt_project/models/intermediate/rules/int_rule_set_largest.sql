-- What the largest N of a window are, for the rule sets that ask for them: by tokens in the window,
-- equal ones in the order of their names. The tail is not a model.
with counted as (

    select * from {{ ref('int_rule_set_rows') }}
    where may_be_in_universe

),

-- Rule sets that differ only in N or in their denominator share one ranking, that of the first.
rule_sets as (

    select
        rule_set,
        top_n,
        min(rule_set) over same_rows as ranked_as,
        max(top_n) over same_rows as most
    from {{ source('raw', 'rule_sets') }}
    where universe = 'top_n'
    window same_rows as (partition by lens, registry_view, free_variants, top_of)

),

units as (

    select
        rule_sets.ranked_as,
        rule_sets.most,
        usage.window_id,
        counted.unit,
        sum(usage.tokens) as tokens
    from {{ ref('int_window_usage') }} as usage
    inner join counted using (kind_id)
    inner join rule_sets using (rule_set)
    where rule_sets.rule_set = rule_sets.ranked_as
    group by all

),

ranked as (

    select
        *,
        row_number() over (
            partition by ranked_as, window_id
            order by tokens desc, unit asc
        ) as place
    from units
    qualify place <= most

)

select
    rule_sets.rule_set,
    ranked.window_id,
    ranked.unit
from ranked
inner join rule_sets
    on
        ranked.ranked_as = rule_sets.ranked_as
        and ranked.place <= rule_sets.top_n
