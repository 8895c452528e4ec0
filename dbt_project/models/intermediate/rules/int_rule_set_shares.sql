-- Shares of groups under each rule set. With K tokens of a group, U that may be its, and T tokens
-- in the denominator: K/T, at least K/T, at most (K+U)/T. Where what is unidentified is left out of
-- the denominator, the bounds put it back: they hold for the share of all tokens of the universe.
with usage as (

    select * from {{ ref('int_window_usage') }}

),

counted as (

    select * from {{ ref('int_rule_set_rows') }}

),

largest as (

    select * from {{ ref('int_rule_set_largest') }}

),

members as (

    select * from {{ ref('int_rule_set_members') }}

),

rule_sets as (

    select * from {{ source('raw', 'rule_sets') }}

),

windows as (

    select * from {{ ref('int_windows') }}

),

rule_set_windows as (

    select * from {{ source('raw', 'rule_set_windows') }}

),

-- A span is no kind of its own: who counts weeks may be asked for one.
asked as (

    select
        rule_sets.rule_set,
        rule_sets.universe,
        rule_sets.denominator,
        windows.window_id
    from rule_sets
    inner join rule_set_windows on rule_sets.rule_set = rule_set_windows.rule_set
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

rows_of_windows as (

    select
        asked.rule_set,
        asked.universe,
        asked.denominator,
        usage.window_id,
        usage.kind_id,
        usage.tokens,
        -- Whether a row counts as known, in numerator and denominator alike.
        asked.universe not in ('identified_only', 'labs') or counted.is_identified as is_counted,
        counted.may_be_in_universe
        and (asked.universe <> 'top_n' or largest.unit is not null) as is_in_universe
    from usage
    inner join counted on usage.kind_id = counted.kind_id
    inner join asked
        on
            counted.rule_set = asked.rule_set
            and usage.window_id = asked.window_id
    left join largest
        on
            counted.rule_set = largest.rule_set
            and usage.window_id = largest.window_id
            and counted.unit = largest.unit

),

totals as (

    select
        rule_set,
        window_id,
        cast(sum(
            case
                when denominator = 'all_rows' then tokens
                when is_in_universe and is_counted then tokens
                else 0
            end
        ) as bigint) as total_tokens,
        cast(sum(
            case when denominator = 'all_rows' or is_in_universe then tokens else 0 end
        ) as bigint) as bound_tokens
    from rows_of_windows
    group by all

),

known as (

    select
        rows_of_windows.rule_set,
        rows_of_windows.window_id,
        members.group_name,
        cast(sum(
            case
                when members.is_member and rows_of_windows.is_counted then rows_of_windows.tokens
                else 0
            end
        ) as bigint) as tokens,
        cast(sum(
            case
                when members.is_member and rows_of_windows.is_counted then 0
                else rows_of_windows.tokens
            end
        ) as bigint) as unidentified_tokens
    from rows_of_windows
    inner join members
        on
            rows_of_windows.rule_set = members.rule_set
            and rows_of_windows.kind_id = members.kind_id
    where rows_of_windows.is_in_universe
    group by all

),

with_windows as (

    select
        totals.rule_set,
        windows.source,
        windows.window_kind,
        windows.window_start,
        windows.window_end,
        windows.days_present,
        windows.days_in_window,
        windows.is_complete,
        group_names.group_name,
        coalesce(known.tokens, 0) as tokens,
        coalesce(known.unidentified_tokens, 0) as unidentified_tokens,
        totals.total_tokens,
        {{ fraction('coalesce(known.tokens, 0)', 'totals.total_tokens') }} as share,
        {{ fraction('coalesce(known.tokens, 0)', 'totals.bound_tokens') }} as share_low,
        {{ fraction(
            'coalesce(known.tokens, 0) + coalesce(known.unidentified_tokens, 0)',
            'totals.bound_tokens'
        ) }} as share_high
    from totals
    inner join windows on totals.window_id = windows.window_id
    inner join group_names on totals.rule_set = group_names.rule_set
    left join known
        on
            totals.rule_set = known.rule_set
            and totals.window_id = known.window_id
            and group_names.group_name = known.group_name

),

-- A mean of weeks takes the complete weeks whose Thursday lies in the window, each alike.
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

    select
        rule_set,
        source,
        window_kind,
        window_start,
        window_end,
        group_name,
        tokens,
        unidentified_tokens,
        total_tokens,
        share,
        share_low,
        share_high,
        days_present,
        days_in_window,
        is_complete
    from with_windows
    union all
    select
        rule_set,
        source,
        window_kind,
        window_start,
        window_end,
        group_name,
        tokens,
        unidentified_tokens,
        total_tokens,
        share,
        share_low,
        share_high,
        days_present,
        days_in_window,
        is_complete
    from means

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
inner join rule_sets on both_kinds.rule_set = rule_sets.rule_set
