-- The verdict on each claim. The point must match under the claim's own rules and window, within
-- its tolerance; bounds are shown and do not decide. Where it does not, every configured rule set
-- and nearby window is searched. Many are searched, so some match by chance: both counts are here.
{% set matches_named = 3 %}

with claims as (

    select * from {{ source('raw', 'claims') }}

),

rule_sets as (

    select * from {{ source('raw', 'rule_sets') }}

),

measures as (

    select * from {{ ref('int_claim_measures') }}

),

windows as (

    select * from {{ ref('int_windows') }}

),

compared as (

    select
        measures.*,
        measures.is_stated_rule_set and measures.is_stated_window as is_stated,
        coalesce(
            measures.measured_value - claims.published_value,
            {{ days_between('claims.published_date', 'measures.measured_date') }}
        ) as difference,
        case claims.comparison
            when 'above' then measures.measured_value > claims.published_value
            when 'below' then measures.measured_value < claims.published_value
            -- the last digit of a sum must not decide
            else abs(coalesce(
                measures.measured_value - claims.published_value,
                {{ days_between('claims.published_date', 'measures.measured_date') }}
            )) <= claims.tolerance + 1e-9
        end as is_match
    from measures
    inner join claims on measures.claim_id = claims.claim_id

),

stated as (

    select * from compared
    where is_stated

),

-- Nearest window first, then the publisher's own rule set, then the smallest difference.
ranked as (

    select
        *,
        row_number() over (
            partition by claim_id
            order by
                days_away asc,
                is_stated_window desc,
                is_stated_rule_set desc,
                abs(difference) asc,
                rule_set asc,
                window_kind asc,
                window_start asc
        ) as place
    from compared
    where not is_stated and is_match

),

-- Sorted by place, which has one digit: see joined_text.
named as (

    select
        claim_id,
        {{ joined_text(
            "cast(place as string) || ') ' || rule_set || ', '"
            ~ " || " ~ window_text('window_kind', 'window_start', 'window_end')
            ~ " || ': ' || coalesce(cast(round(measured_value, 2) as string), "
            ~ "cast(measured_date as string)) || ' (' || rules || ')'",
            '; '
        ) }} as rules
    from ranked
    where place <= {{ matches_named }}
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

coverage as (

    select
        claims.claim_id,
        windows.days_present,
        windows.days_in_window
    from claims
    inner join windows
        on
            claims.source = windows.source
            and claims.window_kind = windows.window_kind
            and claims.window_start = windows.window_start
            and windows.window_end
            = {{ window_end('claims.window_kind', 'claims.window_start', 'claims.window_end') }}

),

judged as (

    select
        claims.*,
        {{ window_end('claims.window_kind', 'claims.window_start', 'claims.window_end') }}
            as last_day,
        stated.measured_value,
        stated.measured_low,
        stated.measured_high,
        stated.measured_date,
        stated.measured_date_low,
        stated.measured_date_high,
        stated.difference,
        stated.rules as stated_rules,
        named.rules as other_rules,
        coverage.days_present,
        coverage.days_in_window,
        coalesce(searched.rules_searched, 0) as all_searched,
        coalesce(searched.rules_matched, 0) as all_matched,
        case
            when stated.claim_id is null then 'not_measurable'
            when stated.is_match then 'reproduced'
            when coalesce(searched.rules_matched, 0) > 0 then 'reproduced_under_other_rules'
            else 'not_reproduced'
        end as verdict
    from claims
    left join stated on claims.claim_id = stated.claim_id
    left join named on claims.claim_id = named.claim_id
    left join searched on claims.claim_id = searched.claim_id
    left join coverage on claims.claim_id = coverage.claim_id

)

select
    judged.claim_id,
    judged.source,
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
    case
        when judged.metric = 'none' then 'none'
        when judged.metric = 'first_lead_date' then 'every ISO week'
        else {{ window_text('judged.window_kind', 'judged.window_start', 'judged.last_day') }}
    end as {{ quoted('window') }},
    judged.unit,
    judged.comparison,
    judged.published_value,
    judged.published_date,
    judged.tolerance,
    judged.measured_value,
    judged.measured_low,
    judged.measured_high,
    judged.measured_date,
    judged.measured_date_low,
    judged.measured_date_high,
    cast(judged.difference as double) as difference,
    judged.verdict,
    case judged.verdict
        when 'reproduced' then judged.rule_set || ': ' || judged.stated_rules
        when 'reproduced_under_other_rules' then judged.other_rules
    end as rules,
    case when judged.verdict = 'not_measurable' then 0 else judged.all_searched end
        as rules_searched,
    case when judged.verdict = 'not_measurable' then 0 else judged.all_matched end
        as rules_matched,
    case
        when judged.reason is not null then judged.reason
        when
            judged.verdict <> 'not_measurable'
            and judged.metric <> 'first_lead_date'
            and judged.days_present < judged.days_in_window
            then
                'The data cover ' || cast(judged.days_present as string) || ' of the '
                || cast(judged.days_in_window as string) || ' days of the window.'
        when judged.metric = 'price_quality' and judged.verdict = 'not_measurable'
            then 'No reading of a quality index speaks of this month.'
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
    end as reason
from judged
inner join rule_sets on judged.rule_set = rule_sets.rule_set
