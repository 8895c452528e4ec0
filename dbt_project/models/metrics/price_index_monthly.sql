-- Monthly links between models that were used and priced in both months, chained. A model's price
-- in a month is its unit value (list spend per token), its quantity the tokens. Unit values are
-- rounded to 12 decimals: sums of products are exact and do not depend on the order of rows.
{% set bases = {
    'blend': ('blend_by_4_e18', 4),
    'prompt': ('prompt_e18', 1),
    'completion': ('completion_e18', 1),
} %}

with models as (

    select
        source,
        {{ period_start('usage_date', 'monthly') }} as period_start,
        lens,
        origin,
        model_permaslug,
        tokens,
        priced_tokens,
        blend_by_4_e18,
        prompt_e18,
        completion_e18
    from {{ ref('int_spend_by_lens') }}

),

periods as (

    select distinct
        source,
        period_start,
        days_present,
        is_complete
    from {{ ref('int_periods') }}
    where grain = 'monthly'

),

baskets as (

    select *
    from models
    where origin <> 'unidentified'
    union all
    select
        source,
        period_start,
        lens,
        'all' as origin,
        model_permaslug,
        tokens,
        priced_tokens,
        blend_by_4_e18,
        prompt_e18,
        completion_e18
    from models

),

products as (

    select
        source,
        period_start,
        lens,
        origin,
        model_permaslug,
        {% for base, (spend_e18, divisor) in bases.items() -%}
        cast(
            {{ per_million('sum(' ~ spend_e18 ~ ')', 'sum(priced_tokens)', divisor) }}
            as decimal(24, 12)
        ) as price_{{ base }},
        {% endfor -%}
        sum(blend_by_4_e18) as blend_by_4_e18,
        cast(sum(priced_tokens) as bigint) as quantity,
        cast(sum(tokens) as bigint) as tokens
    from baskets
    group by all

),

months as (

    select
        source,
        period_start,
        lens,
        origin,
        cast(sum(tokens) as bigint) as tokens,
        cast(sum(quantity) as bigint) as priced_tokens,
        {{ per_million('sum(blend_by_4_e18)', 'sum(quantity)', 4) }} as average_price
    from products
    group by all

),

pairs as (

    select
        later.source,
        later.period_start,
        later.lens,
        later.origin,
        earlier.quantity as quantity_from,
        later.quantity as quantity_to,
        {% for base in bases -%}
        earlier.price_{{ base }} as {{ base }}_from,
        later.price_{{ base }} as {{ base }}_to,
        {% endfor -%}
        -- A price of 0 has no logarithm: such models are in the sums and not in Törnqvist's mean.
        case
            when earlier.price_blend > 0 and later.price_blend > 0
                then ln(cast(later.price_blend as double)) - ln(cast(earlier.price_blend as double))
        end as log_change
    from products as later
    inner join products as earlier
        on
            later.source = earlier.source
            and later.lens = earlier.lens
            and later.origin = earlier.origin
            and later.model_permaslug = earlier.model_permaslug
            and cast(later.period_start - interval 1 month as date) = earlier.period_start
    where later.quantity > 0 and earlier.quantity > 0

),

matched as (

    select
        source,
        period_start,
        lens,
        origin,
        cast(sum(quantity_from) as bigint) as matched_tokens_from,
        cast(sum(quantity_to) as bigint) as matched_tokens_to,
        {% for base in bases -%}
        cast(sum({{ base }}_to * quantity_from) as double)
        / nullif(cast(sum({{ base }}_from * quantity_from) as double), 0)
            as laspeyres_{{ base }},
        cast(sum({{ base }}_to * quantity_to) as double)
        / nullif(cast(sum({{ base }}_from * quantity_to) as double), 0)
            as paasche_{{ base }},
        {% endfor -%}
        {% for month in ['from', 'to'] -%}
        sum(cast(blend_{{ month }} * quantity_{{ month }} as double) * log_change)
        / nullif(
            sum(
                case
                    when log_change is not null
                        then cast(blend_{{ month }} * quantity_{{ month }} as double)
                end
            ),
            0
        ) as mean_log_change_{{ month }},
        {% endfor -%}
        count(*) as matched_models
    from pairs
    group by all

),

linked as (

    select
        months.*,
        {% for base in bases -%}
        -- If all models became free, or stopped being free, there is no ratio that can be chained.
        sqrt(nullif(matched.laspeyres_{{ base }}, 0) * nullif(matched.paasche_{{ base }}, 0))
            as fisher_{{ base }},
        {% endfor -%}
        matched.laspeyres_blend as laspeyres_link,
        matched.paasche_blend as paasche_link,
        exp((matched.mean_log_change_from + matched.mean_log_change_to) / 2) as tornqvist_link,
        coalesce(matched.matched_models, 0) as matched_models,
        cast(matched.matched_tokens_from as double)
        / nullif(cast(earlier.tokens as double), 0) as matched_token_share_from,
        cast(matched.matched_tokens_to as double)
        / nullif(cast(months.tokens as double), 0) as matched_token_share_to,
        months.average_price / nullif(earlier.average_price, 0) as average_price_ratio
    from months
    left join matched using (source, period_start, lens, origin)
    left join months as earlier
        on
            months.source = earlier.source
            and months.lens = earlier.lens
            and months.origin = earlier.origin
            and cast(months.period_start - interval 1 month as date) = earlier.period_start

),

-- If there is no link, a new chain begins at 100.
segments as (

    select
        *,
        sum(case when fisher_blend is null then 1 else 0 end) over (
            partition by source, lens, origin order by period_start
        ) as segment
    from linked

),

chained as (

    select
        *,
        {% for base in bases -%}
        case
            when bool_and(fisher_{{ base }} is not null or fisher_blend is null) over chain
                then
                    100 * exp(
                        sum(case when fisher_blend is null then 0 else ln(fisher_{{ base }}) end)
                            over chain
                    )
        end as index_{{ base }},
        {% endfor -%}
        min(period_start) over chain as base_period,
        first_value(average_price) over chain as base_average_price
    from segments
    window chain as (
        partition by source, lens, origin, segment
        order by period_start
    )

)

select
    chained.source,
    chained.period_start,
    periods.days_present,
    periods.is_complete,
    chained.lens,
    chained.origin,
    chained.base_period,
    -- exp and ln differ in their last digits from machine to machine
    round(chained.index_blend, 9) as index,
    round(chained.index_prompt, 9) as index_all_prompt,
    round(chained.index_completion, 9) as index_all_completion,
    chained.fisher_blend as fisher_link,
    chained.laspeyres_link,
    chained.paasche_link,
    round(chained.tornqvist_link, 12) as tornqvist_link,
    cast(chained.matched_models as integer) as matched_models,
    chained.matched_token_share_from,
    chained.matched_token_share_to,
    chained.tokens,
    chained.priced_tokens,
    chained.average_price as average_usd_per_million_tokens,
    case when chained.fisher_blend is not null then chained.average_price_ratio end
        as average_price_change,
    chained.average_price_ratio / chained.fisher_blend as mix_change,
    round(100 * chained.average_price / nullif(chained.base_average_price, 0), 9)
        as average_price_index,
    round(
        10000 * chained.average_price / nullif(chained.base_average_price, 0)
        / chained.index_blend,
        9
    ) as mix_index
from chained
inner join periods using (source, period_start)
