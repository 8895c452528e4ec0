-- Labs on two gateways in the latest complete month (the latest one if none is complete): shares of
-- tokens on both, of requests and of measured spend on the other one.
with listed as (
    select * from gateway_comparison_by_lab_monthly
    where modality = 'text' and lab_id <> 'unidentified'
        and dataset = (
            select min(dataset) from gateway_comparison_by_lab_monthly
            where share_of = 'tokens' and modality = 'text'
        )
),
latest as (
    select period_start from listed where share_of = 'tokens'
    order by is_complete desc, period_start desc limit 1
)
select
    tokens.period_start, tokens.days_compared, tokens.is_complete,
    tokens.lab_name, tokens.origin,
    tokens.mean_share, tokens.mean_share_low, tokens.mean_share_high,
    tokens.gateway_share, tokens.gateway_share_low, tokens.gateway_share_high,
    tokens.spread, tokens.spread_low, tokens.spread_high,
    requests.gateway_share as requests_share, spend.gateway_share as spend_share
from listed as tokens
inner join latest using (period_start)
left join listed as requests
    on tokens.period_start = requests.period_start and tokens.lab_id = requests.lab_id
    and requests.share_of = 'requests'
left join listed as spend
    on tokens.period_start = spend.period_start and tokens.lab_id = spend.lab_id
    and spend.share_of = 'spend'
where tokens.share_of = 'tokens'
order by greatest(tokens.mean_share, tokens.gateway_share) desc, tokens.lab_id;
