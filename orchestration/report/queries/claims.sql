-- Every published claim with its verdict: newest first, shares before sums.
select
    *,
    case metric
        when 'share' then 1 when 'license_share' then 2 when 'price_quality' then 3
        when 'price_gap' then 4 when 'first_lead_date' then 5 when 'lead' then 6
        when 'tokens' then 7 else 8
    end as metric_order
from claims
order by published_on desc nulls last, metric_order, claim_id;
