-- The verdict on each claim, see docs/method.md. A figure must match under the claim's own rules
-- and window, within its tolerance. If it does not, every configured rule set and nearby window is
-- searched. Many are searched, so some match by chance: how likely that is, is published beside the
-- verdict. A statement of above or below is decided by the bounds; other rules are not searched.
{% set least_difference = '1e-9' %} {# the last digit of a sum must not decide #}
{% set random_figures = 0.25 %} {# a random figure lies within 25 % of the published one #}

with claims as (

    select
        *,
        coalesce(tolerance_above, tolerance) as upward,
        {{ window_end('window_kind', 'window_start', 'window_end') }} as last_day
    from {{ source('raw', 'claims') }}

),

measures as (

    select * from {{ ref('int_claim_measures') }}

),

differences as (

    select
        measures.*,
        claims.statement_id,
        claims.metric,
        claims.asked_by,
        claims.comparison,
        claims.published_value,
        claims.tolerance,
        claims.upward,
        claims.window_is_stated,
        claims.rules_are_stated and measures.is_stated_rule_set as is_publishers_rule_set,
        claims.window_kind as stated_kind,
        claims.window_start as stated_start,
        claims.last_day as stated_end,
        measures.is_stated_rule_set and measures.is_stated_window as is_stated,
        coalesce(
            measures.measured_value - claims.published_value,
            {{ days_between('claims.published_date', 'measures.measured_date') }}
        ) as difference
    from measures
    inner join claims using (claim_id)
    where
        measures.is_covered
        and (
            not ({{ is_threshold('claims.comparison') }})
            or (measures.is_stated_rule_set and measures.is_stated_window)
        )

),

-- holds is the answer of a table that has the claim's own rule; it replaces the bounds.
compared as (

    select
        *,
        case comparison
            when 'above' then measured_low > published_value
            when 'below' then measured_high < published_value
            else
                coalesce(holds, true)
                and coalesce(
                    difference >= -tolerance - {{ least_difference }}
                    and difference <= upward + {{ least_difference }},
                    false
                )
        end as is_match,
        comparison = 'at_least'
        and coalesce(difference > upward + {{ least_difference }}, false)
        and coalesce(
            holds, measured_low >= published_value - tolerance - {{ least_difference }}
        ) as is_more,
        case comparison
            when 'above' then measured_low <= published_value and measured_high > published_value
            when 'below' then measured_high >= published_value and measured_low < published_value
            when 'at_least'
                then
                    holds is null
                    and measured_high >= published_value - tolerance - {{ least_difference }}
            else false
        end as is_open
    from differences

),

stated as (

    select * from compared
    where is_stated

),

-- Figures of one statement, and how many of them one rule set yields in one window for each of the
-- windows that the statement is about.
figures as (

    select
        *,
        metric in ('share', 'license_share', 'tokens', 'lead')
        and asked_by = 'publisher'
        and not ({{ is_threshold('comparison') }}) as is_figure
    from compared

),

statements as (

    select
        statement_id,
        cast(count(distinct claim_id) as integer) as statement_figures
    from figures
    where is_figure
    group by statement_id

),

given_in_window as (

    select
        statement_id,
        stated_kind,
        stated_start,
        stated_end,
        rule_set,
        window_kind,
        window_start,
        window_end,
        count(*) as given
    from figures
    where is_figure and is_match
    group by all

),

given_at_best as (

    select
        statement_id,
        stated_kind,
        stated_start,
        stated_end,
        rule_set,
        max(given) as best
    from given_in_window
    group by statement_id, stated_kind, stated_start, stated_end, rule_set

),

given_by_rules as (

    select
        statement_id,
        rule_set,
        cast(sum(best) as integer) as given
    from given_at_best
    group by statement_id, rule_set

),

most_given as (

    select
        statement_id,
        max(given) as statement_figures_matched
    from given_by_rules
    group by statement_id

),

matches as (

    select
        figures.*,
        case
            when figures.is_figure
                then given_by_rules.given - given_at_best.best + given_in_window.given
        end as figures_given
    from figures
    left join given_in_window
        using (
            statement_id, stated_kind, stated_start, stated_end,
            rule_set, window_kind, window_start, window_end
        )
    left join given_at_best using (statement_id, stated_kind, stated_start, stated_end, rule_set)
    left join given_by_rules using (statement_id, rule_set)
    where figures.is_match

),

-- Of each rule set that matches, one window: the one in which it yields most figures of the
-- statement, then the nearest.
windows_named as (

    select * from matches
    qualify
        row_number() over (
            partition by claim_id, rule_set
            order by
                is_stated desc,
                figures_given desc,
                is_stated_window desc,
                days_away asc,
                abs(difference) asc,
                window_kind asc,
                window_start asc
        ) = 1

),

-- Named are the claim's own rules, those that the publisher states in another window, and all that
-- fit equally well: that yield most figures of the statement, in the period that it names if any
-- do.
ranked as (

    select
        windows_named.*,
        statements.statement_figures,
        rank() over (
            partition by windows_named.claim_id
            order by
                windows_named.figures_given desc,
                windows_named.is_stated_window and windows_named.window_is_stated desc
        ) as fit
    from windows_named
    left join statements using (statement_id)

),

-- The plainest first: its own, then as configuration/rule_sets.yml has them.
placed as (

    select
        *,
        row_number() over (
            partition by claim_id
            order by is_stated desc, is_publishers_rule_set desc, rule_set_place asc
        ) as place
    from ranked
    where is_stated or is_publishers_rule_set or fit = 1

),

named as (

    select
        claim_id,
        {{ joined_text(
            "cast(place as string) || ') ' || rule_set || ', ' || "
            ~ window_text('window_kind', 'window_start', 'window_end')
            ~ " || ': ' || coalesce(cast(round(measured_value, 2) as string), "
            ~ "cast(measured_date as string)) || case when statement_figures > 1 "
            ~ "and figures_given is not null then ', ' || cast(figures_given as string) || ' of ' "
            ~ "|| cast(statement_figures as string) || ' figures' else '' end "
            ~ "|| ' (' || rules || ')'",
            '; ', 'place'
        ) }} as rules
    from placed
    group by claim_id

),

searched as (

    select
        claim_id,
        cast(count(*) as integer) as rules_searched,
        cast(sum(case when is_match then 1 else 0 end) as integer) as rules_matched
    from compared
    where not is_stated
    group by claim_id

),

-- The figures that would have matched: around each measured one, as far as the tolerance goes, and
-- within 25 % of the published one. What is covered twice counts once.
reaches as (

    select
        claim_id,
        abs(published_value) * {{ random_figures }} as reach,
        published_value - abs(published_value) * {{ random_figures }} as least_figure,
        published_value + abs(published_value) * {{ random_figures }} as greatest_figure,
        measured_value - upward as low,
        measured_value + tolerance as high
    from compared
    where
        not ({{ is_threshold('comparison') }})
        and metric <> 'price_quality'
        and measured_value is not null
        and published_value <> 0

),

clipped as (

    select
        claim_id,
        reach,
        least(greatest(low, least_figure), greatest_figure) as low,
        least(greatest(high, least_figure), greatest_figure) as high
    from reaches

),

covered as (

    select
        claim_id,
        reach,
        greatest(
            high - greatest(
                low,
                coalesce(
                    max(high) over (
                        partition by claim_id
                        order by low asc, high asc
                        rows between unbounded preceding and 1 preceding
                    ),
                    low
                )
            ),
            0
        ) as figures
    from clipped

),

chances as (

    select
        claim_id,
        least(sum(figures) / (2 * max(reach)), 1) as chance_of_match
    from covered
    group by claim_id

),

coverage as (

    select
        claims.claim_id,
        windows.days_present,
        windows.days_in_window
    from claims
    inner join {{ ref('int_windows') }} as windows
        on
            claims.source = windows.source
            and claims.window_kind = windows.window_kind
            and claims.window_start = windows.window_start
            and claims.last_day = windows.window_end

),

-- What the data have of a window that they do not cover.
parts as (

    select
        claim_id,
        measured_value,
        weeks_counted
    from measures
    where not is_covered and is_stated_rule_set and is_stated_window

),

judged as (

    select
        claims.*,
        stated.measured_value,
        stated.measured_low,
        stated.measured_high,
        stated.measured_date,
        stated.measured_date_low,
        stated.measured_date_high,
        stated.difference,
        stated.weeks_counted,
        stated.weeks_against,
        named.rules,
        chances.chance_of_match,
        coalesce(statements.statement_figures, 0) as statement_figures,
        coalesce(most_given.statement_figures_matched, 0) as statement_figures_matched,
        coverage.days_present,
        coverage.days_in_window,
        parts.measured_value as part_value,
        parts.weeks_counted as part_weeks,
        cast({{ days_between(
            period_start('claims.window_start + interval 3 day', 'weekly'),
            period_start('claims.last_day - interval 3 day', 'weekly')
        ) }} / 7 as integer) + 1 as weeks_in_window,
        coalesce(searched.rules_searched, 0) as all_searched,
        coalesce(searched.rules_matched, 0) as all_matched,
        case
            when stated.claim_id is null then 'not_measurable'
            when stated.is_match then 'reproduced'
            when stated.is_more then 'more_than_claimed'
            when coalesce(searched.rules_matched, 0) > 0 then 'reproduced_under_other_rules'
            when stated.is_open then 'not_decidable'
            else 'not_reproduced'
        end as verdict
    from claims
    left join stated using (claim_id)
    left join named using (claim_id)
    left join searched using (claim_id)
    left join chances using (claim_id)
    left join statements on claims.statement_id = statements.statement_id
    left join most_given on claims.statement_id = most_given.statement_id
    left join coverage using (claim_id)
    left join parts using (claim_id)

)

select
    judged.claim_id,
    judged.statement_id,
    judged.source,
    judged.asked_by,
    judged.statement,
    judged.published_by,
    judged.published_on,
    judged.url,
    judged.metric,
    judged.group_name,
    judged.over_group,
    judged.rule_set,
    judged.rules_are_stated,
    case
        when rule_sets.universe = 'top_n'
            then
                'top_' || cast(rule_sets.top_n as string)
                || case when rule_sets.top_of = 'base_models' then '_base_models' else '' end
        else rule_sets.universe
    end as universe,
    rule_sets.lens,
    rule_sets.registry_view,
    case
        when judged.metric = 'none' then 'none'
        when judged.metric = 'first_lead_date' then 'every ISO week'
        else {{ window_text('judged.window_kind', 'judged.window_start', 'judged.last_day') }}
    end as {{ quoted('window') }},
    judged.window_is_stated,
    judged.unit as value_unit,
    judged.comparison,
    judged.published_value,
    judged.published_date,
    judged.tolerance,
    judged.upward as tolerance_above,
    judged.measured_value,
    judged.measured_low,
    judged.measured_high,
    judged.measured_date,
    judged.measured_date_low,
    judged.measured_date_high,
    cast(judged.difference as double) as difference,
    judged.verdict,
    case
        when judged.verdict in ('reproduced', 'reproduced_under_other_rules') then judged.rules
    end as rules,
    case when judged.verdict = 'not_measurable' then 0 else judged.all_searched end
        as rules_searched,
    case when judged.verdict = 'not_measurable' then 0 else judged.all_matched end
        as rules_matched,
    case when judged.verdict <> 'not_measurable' then cast(judged.chance_of_match as double) end
        as chance_of_match,
    judged.statement_figures,
    cast(judged.statement_figures_matched as integer) as statement_figures_matched,
    case
        when judged.reason is not null then judged.reason
        when judged.part_weeks is not null and judged.published_value is not null
            then
                'The data cover ' || cast(judged.part_weeks as string) || ' of the '
                || cast(judged.weeks_in_window as string) || ' weeks, with a mean of '
                || cast(round(judged.part_value, 2) as string) || '. A mean of '
                || cast(judged.published_value as string) || ' over all of them needs '
                || cast(
                    round(
                        (
                            judged.published_value * judged.weeks_in_window
                            - judged.part_value * judged.part_weeks
                        ) / nullif(judged.weeks_in_window - judged.part_weeks, 0), 2
                    ) as string
                )
                || ' in the other '
                || cast(judged.weeks_in_window - judged.part_weeks as string) || '.'
        when judged.part_value is not null and judged.unit = 'trillion_tokens'
            then
                'The data cover ' || cast(judged.days_present as string) || ' of the '
                || cast(judged.days_in_window as string) || ' days of the window, with '
                || cast(round(judged.part_value, 2) + 0 as string) || ' trillion tokens; '
                || cast(judged.published_value as string) || ' trillion leaves '
                || cast(round(judged.published_value - judged.part_value, 2) as string)
                || ' for the other '
                || cast(judged.days_in_window - judged.days_present as string) || ' days.'
        when
            {{ is_extreme('judged.window_kind') }}
            and {{ is_threshold('judged.comparison') }}
            then
                cast(judged.weeks_against as string) || ' of '
                || cast(judged.weeks_counted as string) || ' complete weeks are not '
                || judged.comparison || ' ' || cast(judged.published_value as string)
                || ', whoever the unidentified tokens belong to.'
        when
            judged.verdict <> 'not_measurable'
            and judged.metric <> 'first_lead_date'
            and judged.days_present < judged.days_in_window
            then
                'The data cover ' || cast(judged.days_present as string) || ' of the '
                || cast(judged.days_in_window as string) || ' days of the window.'
        when judged.metric = 'price_quality' and judged.verdict = 'not_measurable'
            then 'No quality index was read for this month.'
        when judged.metric = 'price_quality' and judged.measured_value is null
            then
                'No model of ' || judged.group_name || ' was 90 % as good as the best of '
                || judged.over_group || ' in this month.'
        when judged.verdict <> 'not_measurable' then null
        when judged.metric = 'first_lead_date'
            then 'The data do not hold the week of ' || cast(judged.published_date as string) || '.'
        when judged.days_present > 0
            then
                'The data cover ' || cast(judged.days_present as string) || ' of the '
                || cast(judged.days_in_window as string) || ' days of the window.'
        else 'The data do not cover the window.'
    end as reason,
    judged.note
from judged
inner join {{ source('raw', 'rule_sets') }} as rule_sets using (rule_set)
