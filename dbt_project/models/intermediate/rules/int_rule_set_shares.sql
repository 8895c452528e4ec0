-- Shares of groups under each rule set. With K tokens of a group, U that may be its, and T tokens
-- in the denominator: K/T, at least K/T, at most (K+U)/T. Where what is unidentified is left out of
-- the denominator, the bounds put it back: they are bounds of the share of all tokens of the
-- universe.
with members as (

    select * from {{ ref('int_rule_set_members') }}

),

rule_sets as (

    select * from {{ source('raw', 'rule_sets') }}

),

windows as (

    select * from {{ ref('int_windows') }}

),

-- A span is not a kind of its own: a rule set that counts weeks may be asked for one.
asked as (

    select
        rule_sets.rule_set,
        windows.window_id
    from rule_sets
    inner join {{ source('raw', 'rule_set_windows') }} as rule_set_windows
        on rule_sets.rule_set = rule_set_windows.rule_set
    inner join windows
        on
            rule_set_windows.window_kind = windows.window_kind
            or (
                windows.window_kind in ('span', 'span_mean_of_weeks')
                and rule_set_windows.window_kind = 'iso_week'
            )

),

group_names as (

    select distinct
        rule_set,
        group_name
    from {{ source('raw', 'rule_set_groups') }}

),

-- Kinds of rows that a rule set treats alike, in a few classes for over a thousand kinds: tokens
-- are added up by class before they meet windows and groups.
signatures as (

    select
        rule_set,
        kind_id,
        {{ joined_text(
            "group_name || '=' || cast(is_member as string) || cast(may_be_member as string)"
            ~ " || cast(is_identified as string)", ','
        ) }} as groups
    from members
    group by rule_set, kind_id

),

kinds as (

    select
        counted.kind_id,
        counted.rule_set,
        counted.unit,
        rule_sets.denominator,
        counted.may_be_in_universe,
        rule_sets.universe = 'top_n' as is_top_n,
        dense_rank() over (
            order by
                counted.rule_set asc,
                signatures.groups asc
        ) as class_id
    from {{ ref('int_rule_set_rows') }} as counted
    inner join rule_sets using (rule_set)
    left join signatures using (rule_set, kind_id)

),

classes as (

    select
        usage.window_id,
        kinds.rule_set,
        kinds.class_id,
        kinds.denominator,
        sum(usage.tokens) as tokens,
        sum(
            case
                when
                    kinds.may_be_in_universe and (not kinds.is_top_n or largest.unit is not null)
                    then usage.tokens
                else 0
            end
        ) as universe_tokens
    from {{ ref('int_window_usage') }} as usage
    inner join kinds using (kind_id)
    left join {{ ref('int_rule_set_largest') }} as largest
        on
            kinds.rule_set = largest.rule_set
            and usage.window_id = largest.window_id
            and kinds.unit = largest.unit
    group by all

),

totals as (

    select
        classes.rule_set,
        classes.window_id,
        cast(sum(
            case
                when classes.denominator = 'all_rows' then classes.tokens
                else classes.universe_tokens
            end
        ) as bigint) as bound_tokens
    from classes
    inner join asked using (rule_set, window_id)
    group by all

),

groups_of_classes as (

    select distinct
        kinds.class_id,
        members.group_name,
        members.is_member,
        members.may_be_member,
        members.is_identified
    from kinds
    inner join members using (rule_set, kind_id)

),

-- Rows that are not identified count as known in neither numerator nor denominator.
known as (

    select
        classes.rule_set,
        classes.window_id,
        groups_of_classes.group_name,
        cast(sum(
            case
                when groups_of_classes.is_member and groups_of_classes.is_identified
                    then classes.universe_tokens
                else 0
            end
        ) as bigint) as tokens,
        cast(sum(
            case
                when
                    groups_of_classes.may_be_member
                    or (groups_of_classes.is_member and not groups_of_classes.is_identified)
                    then classes.universe_tokens
                else 0
            end
        ) as bigint) as unidentified_tokens,
        cast(sum(
            case
                when groups_of_classes.is_identified or classes.denominator = 'all_rows' then 0
                else classes.universe_tokens
            end
        ) as bigint) as left_out_tokens
    from classes
    inner join groups_of_classes using (class_id)
    group by all

),

with_windows as (

    select
        totals.rule_set,
        windows.source,
        windows.window_kind,
        windows.window_start,
        windows.window_end,
        group_names.group_name,
        coalesce(known.tokens, 0) as tokens,
        coalesce(known.unidentified_tokens, 0) as unidentified_tokens,
        totals.bound_tokens - coalesce(known.left_out_tokens, 0) as total_tokens,
        {{ fraction(
            'coalesce(known.tokens, 0)',
            'totals.bound_tokens - coalesce(known.left_out_tokens, 0)'
        ) }} as share,
        {{ fraction('coalesce(known.tokens, 0)', 'totals.bound_tokens') }} as share_low,
        {{ fraction(
            'coalesce(known.tokens, 0) + coalesce(known.unidentified_tokens, 0)',
            'totals.bound_tokens'
        ) }} as share_high,
        windows.days_present,
        windows.days_in_window,
        windows.is_complete
    from totals
    inner join windows using (window_id)
    inner join group_names using (rule_set)
    left join known
        on
            totals.rule_set = known.rule_set
            and totals.window_id = known.window_id
            and group_names.group_name = known.group_name

),

-- A mean of weeks takes the complete weeks whose Thursday is in the window, all with equal weight.
means as (

    select
        weeks.rule_set,
        windows.source,
        windows.window_kind,
        windows.window_start,
        windows.window_end,
        weeks.group_name,
        cast(sum(weeks.tokens) as bigint) as tokens,
        cast(sum(weeks.unidentified_tokens) as bigint) as unidentified_tokens,
        cast(sum(weeks.total_tokens) as bigint) as total_tokens,
        -- rounded: the order of a floating-point sum must not show
        round(avg(weeks.share), 12) as share,
        round(avg(weeks.share_low), 12) as share_low,
        round(avg(weeks.share_high), 12) as share_high,
        windows.days_present,
        windows.days_in_window,
        windows.is_complete
    from windows
    inner join with_windows as weeks
        on
            windows.source = weeks.source
            and weeks.window_kind = 'iso_week'
            and weeks.is_complete
            and weeks.window_start + interval 3 day
            between windows.window_start and windows.window_end
    inner join asked
        on
            weeks.rule_set = asked.rule_set
            and windows.window_id = asked.window_id
    where {{ is_mean('windows.window_kind') }}
    group by all

),

both_kinds as (

    select * from with_windows
    union all
    select * from means

)

select
    both_kinds.*,
    case
        when rule_sets.universe = 'top_n'
            then
                'top_' || cast(rule_sets.top_n as string)
                || case when rule_sets.top_of = 'base_models' then '_base_models' else '' end
        else rule_sets.universe
    end as universe,
    rule_sets.denominator,
    rule_sets.lens,
    rule_sets.registry_view
from both_kinds
inner join rule_sets using (rule_set)
