-- severity: blocker
-- judges: source
-- title: the shares of a day that another gateway lists add up to at most 100 %
-- judged: sum_of_shares
-- max: 100.001
-- verified: true
-- message: >-
--   {source} {usage_date}: shares of {share_of} of its {dataset} ({modality}) add up to
--   {sum_of_shares} %
--
-- Two answers of one day, mixed, would list a model twice, by name and inside `Other`. Real answers
-- miss 100 by 0.0002 because their shares are rounded. Less than 100 is not wrong: what is not
-- listed is not identified.
select source, dataset, modality, share_of, usage_date, sum(share_percent) as sum_of_shares
from gateway_shares_daily group by all;
