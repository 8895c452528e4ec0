-- How much of each month is named, placed, licensed and priced, and how much of what is priced
-- rests on prices that were last seen days before (stale).
select
    r.period_start, r.is_complete, r.tokens, r.named_tokens / r.tokens as named_share,
    r.attributed_share, r.located_share, r.licensed_share, p.priced_attributed_share,
    p.priced_stale_tokens / nullif(p.priced_tokens, 0) as stale_share_of_priced
from registry_coverage_monthly as r
left join price_coverage_monthly as p
    on r.source = p.source and r.period_start = p.period_start
order by r.period_start desc;
