-- severity: blocker
-- title: >-
--   every price link is between Laspeyres and Paasche, the index is the product of its links, and
--   prices times mix is the change of the average price
-- judged: ok
-- one_of: [true]
-- verified: true
-- message: >-
--   {period_start} {lens} {origin}: index {index}, link {fisher_link}, Laspeyres {laspeyres_link},
--   Paasche {paasche_link}
with linked as (
    select *, index / lag(index) over chain as index_change,
        lag(base_period) over chain as base_before
    from price_index_monthly
    window chain as (partition by source, lens, origin order by period_start)
)
select source, period_start, lens, origin, index, fisher_link, laspeyres_link, paasche_link,
    coalesce(case
        when fisher_link is null then index = 100 and base_period = period_start
        else base_period = base_before
            and fisher_link between least(laspeyres_link, paasche_link) - 1e-9
                and greatest(laspeyres_link, paasche_link) + 1e-9
            and abs(index_change / fisher_link - 1) < 1e-6
            and abs(fisher_link * mix_change - average_price_change) < 1e-6
    end, false) as ok
from linked;
