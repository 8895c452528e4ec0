-- What a company's own tokens cost, by month, in all and by model: what the log says that was paid,
-- and the list price of the day without discounts. The two are compared where both are known; where
-- the list has prices for prompt caches too, what these saved is told from discounts.
with months as (
    select distinct source, period_start, days_present, is_complete
    from share_by_origin_monthly
    where source in (select source from served_daily)
),
costs as (
    select
        source, cast(date_trunc('month', usage_date) as date) as period_start,
        case when grouping(model_permaslug) = 0 then model_permaslug end as model_permaslug,
        case when grouping(model_permaslug) = 0 then max(origin) end as origin,
        cast(sum(tokens) as bigint) as tokens,
        cast(sum(requests) as bigint) as requests,
        sum(cost_usd) as cost_usd,
        sum(list_cost_usd) as list_cost_usd,
        coalesce(sum(tokens) filter (where cost_usd is not null), 0) / sum(tokens)
            as cost_token_share,
        coalesce(sum(tokens) filter (where list_cost_usd is not null), 0) / sum(tokens)
            as priced_token_share,
        coalesce(sum(tokens) filter (where cost_usd is not null and list_cost_usd is not null), 0)
            / sum(tokens) as compared_token_share,
        sum(cost_usd) filter (where list_cost_usd is not null) as compared_cost_usd,
        sum(list_cost_usd) filter (where cost_usd is not null) as compared_list_cost_usd,
        coalesce(sum(tokens) filter (where discount_usd is not null), 0) / sum(tokens)
            as explained_token_share,
        sum(list_cost_usd) filter (where discount_usd is not null) as explained_list_cost_usd,
        sum(caching_saved_usd) filter (where discount_usd is not null) as caching_saved_usd,
        sum(discount_usd) as discount_usd,
        sum(cost_usd + own_key_cost_usd) filter (where discount_usd is not null)
            as explained_cost_usd
    from served_daily
    group by grouping sets (
        (source, date_trunc('month', usage_date)),
        (source, date_trunc('month', usage_date), model_permaslug)
    )
)
select
    costs.*, months.days_present, months.is_complete,
    compared_cost_usd / nullif(compared_list_cost_usd, 0) as paid_of_list
from costs inner join months using (source, period_start)
order by
    source, period_start desc, model_permaslug is not null,
    greatest(coalesce(cost_usd, 0), coalesce(list_cost_usd, 0)) desc, tokens desc, model_permaslug;
