-- severity: blocker
-- title: the ratios of price_quality are those of its prices and indices, and the claim follows
-- judged: ok
-- one_of: [true]
-- verified: true
-- message: "{table_name} {period_start}: {shown}"
--
-- One row per table, or each of its bad rows. Exact decimals decide the claim; the ratios are
-- doubles, so their bounds have no edge, and each price may miss by half of its ninth decimal.
with prices as (
    select 'price_quality_pairs' as table_name, period_start, origin, cheapest_model,
        cheapest_usd_per_million_tokens, cheapest_quality_index, rival_model as rival,
        rival_usd_per_million_tokens as rival_usd, rival_quality_index as rival_index,
        quality_ratio, price_ratio, claim_90_80
    from price_quality_pairs
    union all
    select 'price_quality' as table_name, period_start, origin, cheapest_model,
        cheapest_usd_per_million_tokens, cheapest_quality_index, rival_best_model,
        rival_best_usd_per_million_tokens, rival_best_quality_index,
        quality_ratio, price_ratio, claim_90_80
    from price_quality
),
judged as (
    select *,
        coalesce(case
            when cheapest_model is null then price_ratio is null and not claim_90_80
            else abs(price_ratio * rival_usd - cheapest_usd_per_million_tokens)
                <= 1e-9 * rival_usd + 0.5e-9 * (1 + price_ratio)
                and abs(quality_ratio * rival_index - cheapest_quality_index) <= 1e-9
                and quality_ratio > 0.9 - 1e-9
                and case
                    when claim_90_80 then price_ratio < 0.2 + 1e-9 else price_ratio > 0.2 - 1e-9
                end
        end, false) as ok
    from prices
)
select table_name, cast(null as date) as period_start, '' as shown, true as ok
from judged group by table_name having bool_and(ok)
union all
select table_name, period_start,
    concat_ws(' ', origin, rival, cheapest_model, quality_ratio, price_ratio, claim_90_80) as shown,
    ok
from judged where not ok;
