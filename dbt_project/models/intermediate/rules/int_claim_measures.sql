-- What is measured for each claim, under every rule set and window in which it is looked for, in
-- the unit of the claim. THE place for metrics: one branch each, all of the same columns. A claim
-- whose metric has no branch, or whose own window has no data, has no stated row; if the
-- data have a part of the window, that row says what is in the part, and is_covered is false.
--   share, license_share, tokens, lead   int_rule_set_shares
--   the same for the highest or lowest   int_rule_set_shares, complete ISO weeks
--   first_lead_date                      int_rule_set_shares, complete ISO weeks
--   price_gap                            price_history, paid rows at the 3:1 blend
--   price_quality                        price_quality, whole months; holds is its claim_90_80
{% set least_covered = 0.95 %}

with claims as (

    select * from {{ source('raw', 'claims') }}
    where is_measurable

),

shares as (

    select * from {{ ref('int_rule_set_shares') }}

),

-- Rounded before they meet usage: casting an exact decimal costs more than multiplying it.
prices as (

    select
        model_permaslug,
        price_kind,
        valid_from,
        valid_to,
        cast(usd_per_million_tokens as decimal(18, 9)) as usd_per_million_tokens
    from {{ ref('price_history') }}
    where usd_per_million_tokens > 0

),

-- The stated window is covered if nearly all of its days are there, other windows only if all are.
usable_windows as (

    select
        claim_windows.*,
        claims.metric,
        claims.group_name,
        claims.over_group,
        claims.rule_set as stated_rule_set,
        claims.unit,
        claims.comparison,
        claims.published_value,
        windows.is_complete or windows.days_present >= {{ least_covered }} * windows.days_in_window
            as is_covered
    from {{ ref('int_claim_windows') }} as claim_windows
    inner join claims using (claim_id)
    inner join {{ ref('int_windows') }} as windows
        on
            claim_windows.source = windows.source
            and claim_windows.window_kind = windows.window_kind
            and claim_windows.window_start = windows.window_start
            and claim_windows.window_end = windows.window_end
    where
        windows.is_complete
        or (claim_windows.is_stated and windows.days_present > 0)

),

-- Weeks of which a window takes the mean, the highest or the lowest.
weeks as (

    select
        usable_windows.claim_id,
        usable_windows.window_kind,
        usable_windows.window_start,
        usable_windows.window_end,
        usable_windows.is_stated,
        usable_windows.days_away,
        usable_windows.is_covered,
        usable_windows.stated_rule_set,
        usable_windows.window_kind = 'span_max_of_weeks' as is_highest,
        usable_windows.comparison,
        usable_windows.published_value,
        shares.rule_set,
        100 * shares.share as value,
        100 * shares.share_low as low,
        100 * shares.share_high as high
    from usable_windows
    inner join shares
        on
            usable_windows.source = shares.source
            and usable_windows.group_name = shares.group_name
            and shares.window_kind = 'iso_week'
            and shares.is_complete
            and shares.window_start + interval 3 day
            between usable_windows.window_start and usable_windows.window_end
    where
        usable_windows.metric in ('share', 'license_share')
        and (
            {{ is_mean('usable_windows.window_kind') }}
            or {{ is_extreme('usable_windows.window_kind') }}
        )

),

-- Weeks that are counted, and those that contradict a statement of above or below every week even
-- by the bound that favors it.
week_counts as (

    select
        claim_id,
        rule_set,
        window_kind,
        window_start,
        window_end,
        cast(count(*) as integer) as weeks_counted,
        cast(sum(
            case
                when comparison = 'below' and low >= published_value then 1
                when comparison = 'above' and high <= published_value then 1
                else 0
            end
        ) as integer) as weeks_against
    from weeks
    group by claim_id, rule_set, window_kind, window_start, window_end

),

-- A week that is not there may be any: the part that is covered bounds the highest from below, the
-- lowest from above.
extremes as (

    select
        claim_id,
        rule_set,
        rule_set = stated_rule_set as is_stated_rule_set,
        window_kind,
        window_start,
        window_end,
        is_stated as is_stated_window,
        days_away,
        true as is_covered,
        case when is_highest then max(value) else min(value) end as measured_value,
        case when is_highest then max(low) when is_covered then min(low) else 0 end
            as measured_low,
        case when not is_highest then min(high) when is_covered then max(high) else 100 end
            as measured_high,
        cast(null as date) as measured_date,
        cast(null as date) as measured_date_low,
        cast(null as date) as measured_date_high,
        cast(null as boolean) as holds
    from weeks
    where {{ is_extreme('window_kind') }}
    group by
        claim_id,
        rule_set,
        stated_rule_set,
        window_kind,
        window_start,
        window_end,
        is_stated,
        days_away,
        is_covered,
        is_highest

),

of_groups as (

    select
        usable_windows.*,
        shares.rule_set,
        shares.tokens,
        shares.unidentified_tokens,
        shares.share,
        shares.share_low,
        shares.share_high,
        coalesce(over_shares.tokens, 0) as over_tokens,
        coalesce(over_shares.unidentified_tokens, 0) as over_unidentified_tokens
    from usable_windows
    inner join shares using (source, window_kind, window_start, window_end, group_name)
    left join shares as over_shares
        on
            shares.rule_set = over_shares.rule_set
            and shares.source = over_shares.source
            and shares.window_kind = over_shares.window_kind
            and shares.window_start = over_shares.window_start
            and shares.window_end = over_shares.window_end
            and usable_windows.over_group = over_shares.group_name
    where
        usable_windows.metric in ('share', 'license_share', 'tokens', 'lead')
        and (usable_windows.over_group is null or over_shares.rule_set is not null)

),

in_units as (

    select
        claim_id,
        rule_set,
        rule_set = stated_rule_set as is_stated_rule_set,
        window_kind,
        window_start,
        window_end,
        is_stated as is_stated_window,
        days_away,
        is_covered,
        case metric
            when 'tokens' then tokens / 1e12
            when 'lead' then (tokens - over_tokens) / 1e12
            else 100 * share
        end as measured_value,
        case metric
            when 'tokens' then tokens / 1e12
            when 'lead' then (tokens - over_tokens - over_unidentified_tokens) / 1e12
            else 100 * share_low
        end as measured_low,
        case metric
            when 'tokens' then (tokens + unidentified_tokens) / 1e12
            when 'lead' then (tokens + unidentified_tokens - over_tokens) / 1e12
            else 100 * share_high
        end as measured_high,
        cast(null as date) as measured_date,
        cast(null as date) as measured_date_low,
        cast(null as date) as measured_date_high,
        cast(null as boolean) as holds
    from of_groups

),

-- The first complete week of the lead: as counted, at the earliest (every unidentified token were
-- the leader's) and at the latest (every one were the rival's).
first_leads as (

    select
        claims.claim_id,
        shares.rule_set,
        shares.rule_set = claims.rule_set as is_stated_rule_set,
        'every_week' as window_kind,
        min(shares.window_start) as window_start,
        max(shares.window_end) as window_end,
        true as is_stated_window,
        0 as days_away,
        true as is_covered,
        cast(null as double) as measured_value,
        cast(null as double) as measured_low,
        cast(null as double) as measured_high,
        min(case when shares.tokens > over_shares.tokens then shares.window_start end)
            as measured_date,
        min(
            case
                when shares.tokens + shares.unidentified_tokens > over_shares.tokens
                    then shares.window_start
            end
        ) as measured_date_low,
        min(
            case
                when shares.tokens > over_shares.tokens + over_shares.unidentified_tokens
                    then shares.window_start
            end
        ) as measured_date_high,
        cast(null as boolean) as holds
    from claims
    inner join shares
        on
            claims.source = shares.source
            and claims.group_name = shares.group_name
            and shares.window_kind = 'iso_week'
            and shares.is_complete
    inner join shares as over_shares
        on
            claims.over_group = over_shares.group_name
            and shares.rule_set = over_shares.rule_set
            and shares.source = over_shares.source
            and shares.window_kind = over_shares.window_kind
            and shares.window_start = over_shares.window_start
    where claims.metric = 'first_lead_date'
    group by claims.claim_id, shares.rule_set, claims.rule_set
    -- A claim about a day that the series does not reach cannot be checked.
    having
        bool_or(shares.window_start = claims.published_date)

),

price_windows as (

    select * from usable_windows
    where metric = 'price_gap' and is_covered and not {{ is_mean('window_kind') }}

),

-- What the paid tokens of each side cost at list price: 3:1, all prompt, all completion. Decimals,
-- undivided: sums of money are exact.
costs as (

    select
        price_windows.claim_id,
        price_windows.stated_rule_set as rule_set,
        price_windows.window_kind,
        price_windows.window_start,
        price_windows.window_end,
        price_windows.is_stated,
        price_windows.days_away,
        usage.headquarters = price_windows.group_name as is_group,
        cast(sum(usage.tokens) as bigint) as tokens,
        sum(
            cast(usage.tokens as decimal(20, 0)) * cast(
                (3 * prompts.usd_per_million_tokens + completions.usd_per_million_tokens)
                as decimal(18, 9)
            )
        ) / 4 as blend_cost,
        sum(
            cast(usage.tokens as decimal(20, 0)) * prompts.usd_per_million_tokens
        ) as prompt_cost,
        sum(
            cast(usage.tokens as decimal(20, 0)) * completions.usd_per_million_tokens
        ) as completion_cost
    from price_windows
    inner join {{ ref('int_usage_identified') }} as usage
        on
            price_windows.source = usage.source
            and usage.usage_date between price_windows.window_start and price_windows.window_end
            and usage.headquarters in (price_windows.group_name, price_windows.over_group)
            and usage.variant <> 'free'
    inner join prices as prompts
        on
            usage.model_permaslug = prompts.model_permaslug
            and prompts.price_kind = 'prompt'
            and {{ valid_on('usage.usage_date', 'prompts.valid_from', 'prompts.valid_to') }}
    inner join prices as completions
        on
            usage.model_permaslug = completions.model_permaslug
            and completions.price_kind = 'completion'
            and {{ valid_on('usage.usage_date', 'completions.valid_from', 'completions.valid_to') }}
    group by all

),

gaps as (

    select
        side.claim_id,
        side.rule_set,
        side.window_kind,
        side.window_start,
        side.window_end,
        side.is_stated,
        side.days_away,
        {{ percent_less('side.blend_cost', 'side.tokens', 'rival.blend_cost', 'rival.tokens') }}
            as blend_gap,
        {{ percent_less('side.prompt_cost', 'side.tokens', 'rival.prompt_cost', 'rival.tokens') }}
            as prompt_gap,
        {{ percent_less(
            'side.completion_cost', 'side.tokens', 'rival.completion_cost', 'rival.tokens'
        ) }} as completion_gap
    from costs as side
    inner join costs as rival
        on
            side.claim_id = rival.claim_id
            and side.window_kind = rival.window_kind
            and side.window_start = rival.window_start
            and side.window_end = rival.window_end
            and not rival.is_group
    where side.is_group

),

price_gaps as (

    select
        claim_id,
        rule_set,
        true as is_stated_rule_set,
        window_kind,
        window_start,
        window_end,
        is_stated as is_stated_window,
        days_away,
        true as is_covered,
        blend_gap as measured_value,
        least(blend_gap, prompt_gap, completion_gap) as measured_low,
        greatest(blend_gap, prompt_gap, completion_gap) as measured_high,
        cast(null as date) as measured_date,
        cast(null as date) as measured_date_low,
        cast(null as date) as measured_date_high,
        cast(null as boolean) as holds
    from gaps

),

-- How much less the cheapest model costs that is at least 90 % as good as the rival's best. A month
-- in which no model is has a row without a value: measured, and not so.
quality_gaps as (

    select
        usable_windows.claim_id,
        usable_windows.stated_rule_set as rule_set,
        true as is_stated_rule_set,
        usable_windows.window_kind,
        usable_windows.window_start,
        usable_windows.window_end,
        usable_windows.is_stated as is_stated_window,
        usable_windows.days_away,
        true as is_covered,
        100 * (1 - price_quality.price_ratio) as measured_value,
        100 * (1 - greatest(
            price_quality.price_ratio,
            price_quality.price_ratio_all_prompt,
            price_quality.price_ratio_all_completion
        )) as measured_low,
        100 * (1 - least(
            price_quality.price_ratio,
            price_quality.price_ratio_all_prompt,
            price_quality.price_ratio_all_completion
        )) as measured_high,
        cast(null as date) as measured_date,
        cast(null as date) as measured_date_low,
        cast(null as date) as measured_date_high,
        price_quality.claim_90_80 as holds
    from usable_windows
    inner join {{ ref('price_quality') }} as price_quality
        on
            usable_windows.source = price_quality.source
            and usable_windows.window_kind = 'month_sum'
            and usable_windows.window_start = price_quality.period_start
            and usable_windows.group_name = price_quality.origin
            and usable_windows.over_group = price_quality.rival_origin
    where usable_windows.metric = 'price_quality'

),

measures as (
    {% for branch in ['in_units', 'extremes', 'first_leads', 'price_gaps', 'quality_gaps'] %}
    select * from {{ branch }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    measures.*,
    week_counts.weeks_counted,
    week_counts.weeks_against,
    rule_sets.description as rules,
    rule_sets.place as rule_set_place
from measures
inner join {{ source('raw', 'rule_sets') }} as rule_sets using (rule_set)
left join week_counts using (claim_id, rule_set, window_kind, window_start, window_end)
