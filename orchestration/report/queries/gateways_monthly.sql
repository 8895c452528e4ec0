-- Share of tokens by origin on two gateways, by month: means of the daily shares of the days that
-- both have. `labs` lists every lab of the other gateway, `models` (later in the alphabet) counts
-- if that is all that there is.
select
    period_start, days_compared, is_complete, source, gateway_source, origin,
    mean_share, mean_share_low, mean_share_high, token_weighted_share,
    gateway_share, gateway_share_low, gateway_share_high, spread, spread_low, spread_high
from gateway_comparison_by_origin_monthly
where share_of = 'tokens' and modality = 'text'
    and dataset = (
        select min(dataset) from gateway_comparison_by_origin_monthly
        where share_of = 'tokens' and modality = 'text'
    )
order by period_start, origin;
