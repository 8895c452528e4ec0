-- The ten best models of each origin in the latest month: index against list price.
with latest as (
    select max(period_start) as period_start from price_quality_pairs
)
select distinct
    rival_origin as origin, rival_model as model, rival_quality_index as quality_index,
    rival_usd_per_million_tokens as usd_per_million_tokens, rival_tokens as tokens,
    period_start, priced_on, index_read_on, index_source
from price_quality_pairs inner join latest using (period_start)
order by quality_index desc, model;
