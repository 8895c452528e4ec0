-- What a gateway measures as spend beside what its tokens would cost at list prices. Of each day
-- only models count that are listed by tokens and by spend and have a list price: of the others one
-- of the two is not known. Both shares are shares of these models.
{% set day = ['source', 'modality', 'usage_date'] %}

with shares as (

    select * from {{ ref('int_gateway_shares') }}
    where dataset = 'models'

),

prices as (

    select
        lower(model_permaslug) as base_slug,
        price_kind,
        valid_from,
        valid_to,
        cast(
            cast(usd_per_million_tokens as decimal(20, 12)) * 1000000000000 as decimal(20, 0)
        ) as e18_per_token
    from {{ ref('price_history') }}

),

-- Percent are whole numbers of 10^-12 here, so that all sums are exact.
models as (

    select
        tokens.source,
        tokens.modality,
        tokens.usage_date,
        tokens.name,
        coalesce(tokens.lab_id, 'unidentified') as lab_id,
        coalesce(tokens.lab_name, 'Unidentified') as lab_name,
        coalesce(tokens.headquarters, 'unidentified') as origin,
        tokens.is_settled and spend.is_settled as is_settled,
        tokens.share as token_share,
        spend.share as spend_share,
        {% for kind in ['prompt', 'completion'] -%}
        cast(tokens.share_percent * 1000000000000 as decimal(18, 0)) * {{ kind }}s.e18_per_token
            as {{ kind }}_cost,
        {% endfor -%}
        cast(spend.share_percent * 1000000000000 as decimal(18, 0)) as measured
    from shares as tokens
    inner join shares as spend
        on
            tokens.source = spend.source
            and tokens.modality = spend.modality
            and tokens.usage_date = spend.usage_date
            and tokens.name = spend.name
            and spend.metric = 'spend'
    inner join prices as prompts
        on
            tokens.base_slug = prompts.base_slug
            and prompts.price_kind = 'prompt'
            and {{ valid_on('tokens.usage_date', 'prompts.valid_from', 'prompts.valid_to') }}
    inner join prices as completions
        on
            tokens.base_slug = completions.base_slug
            and completions.price_kind = 'completion'
            and {{ valid_on(
                'tokens.usage_date', 'completions.valid_from', 'completions.valid_to'
            ) }}
    where tokens.metric = 'tokens'

),

costs as (

    select
        *,
        3 * prompt_cost + completion_cost as blend_cost,
        least(prompt_cost, completion_cost) as low_cost,
        greatest(prompt_cost, completion_cost) as high_cost
    from models

),

lab_days as (

    select
        {{ day | join(',\n        ') }},
        lab_id,
        lab_name,
        origin,
        bool_and(is_settled) as is_settled,
        count(*) as models,
        sum(token_share) as token_share,
        sum(spend_share) as spend_share,
        sum(measured) as measured,
        sum(blend_cost) as blend_cost,
        sum(low_cost) as low_cost,
        sum(high_cost) as high_cost
    from costs
    group by all

),

totals as (

    select
        {{ day | join(',\n        ') }},
        bool_and(is_settled) as is_settled,
        sum(token_share) as token_share,
        sum(spend_share) as spend_share,
        sum(measured) as measured,
        sum(blend_cost) as blend_cost,
        sum(low_cost) as low_cost,
        sum(high_cost) as high_cost
    from lab_days
    group by all
    -- A day on which only free models are listed has no shares.
    having sum(measured) > 0 and sum(blend_cost) > 0

),

days as (

    select
        grains.grain,
        totals.*,
        case grains.grain
            when 'weekly' then {{ period_start('totals.usage_date', 'weekly') }}
            when 'monthly' then {{ period_start('totals.usage_date', 'monthly') }}
        end as period_start,
        case grains.grain
            when 'weekly' then 7
            when 'monthly' then day(last_day(totals.usage_date))
        end as days_in_period
    from totals
    cross join (values ('weekly'), ('monthly')) as grains (grain)

),

frames as (

    select
        grain,
        source,
        modality,
        period_start,
        cast(count(*) as integer) as days_compared,
        bool_and(is_settled) and count(*) = max(days_in_period) as is_complete,
        sum(token_share) as token_share,
        sum(spend_share) as spend_share
    from days
    group by all

),

-- A lab's implied share is lowest if its own models are at their cheaper end and all others at
-- their more expensive one, and the other way round.
daily as (

    select
        days.grain,
        days.source,
        days.modality,
        days.period_start,
        days.usage_date,
        lab_days.lab_id,
        lab_days.lab_name,
        lab_days.origin,
        {% for share, (own, total) in {
            'measured_share': ('lab_days.measured', 'days.measured'),
            'implied_share': ('lab_days.blend_cost', 'days.blend_cost'),
            'implied_share_low': (
                'lab_days.low_cost', 'lab_days.low_cost + days.high_cost - lab_days.high_cost'
            ),
            'implied_share_high': (
                'lab_days.high_cost', 'lab_days.high_cost + days.low_cost - lab_days.low_cost'
            ),
        }.items() -%}
        cast({{ fraction(own, total) }} as decimal(20, 18)) as {{ share }},
        {% endfor -%}
        lab_days.models
    from days
    inner join lab_days using ({{ day | join(', ') }})

),

by_period as (

    select
        grain,
        source,
        modality,
        period_start,
        lab_id,
        max_by(lab_name, usage_date) as lab_name,
        max_by(origin, usage_date) as origin,
        cast(max(models) as integer) as models_compared,
        sum(measured_share) as measured_share,
        sum(implied_share) as implied_share,
        sum(implied_share_low) as implied_share_low,
        sum(implied_share_high) as implied_share_high
    from daily
    group by all

)

select
    grain,
    source,
    modality,
    period_start,
    frames.days_compared,
    frames.is_complete,
    'author_hq' as lens,
    by_period.lab_id,
    by_period.lab_name,
    by_period.origin,
    by_period.models_compared,
    {% for end in ['measured_share', 'implied_share', 'implied_share_low', 'implied_share_high'] -%}
    round(cast(by_period.{{ end }} as double) / frames.days_compared, 12) as {{ end }},
    {% endfor -%}
    round(
        cast(by_period.implied_share - by_period.measured_share as double) / frames.days_compared,
        12
    ) as implied_minus_measured,
    round(cast(frames.token_share as double) / frames.days_compared, 12) as compared_token_share,
    round(cast(frames.spend_share as double) / frames.days_compared, 12) as compared_spend_share
from by_period
inner join frames using (grain, source, modality, period_start)
