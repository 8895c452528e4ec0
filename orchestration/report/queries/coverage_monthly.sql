-- How much of each month is named, placed, licensed and priced.
select
    r.period_start, r.is_complete, r.total_tokens, r.named_tokens / r.total_tokens as named_share,
    r.attributed_share, r.located_share, r.licensed_share, p.priced_attributed_share
from registry_coverage_monthly as r
left join price_coverage_monthly as p
    on r.source = p.source and r.period_start = p.period_start
order by r.period_start desc;
