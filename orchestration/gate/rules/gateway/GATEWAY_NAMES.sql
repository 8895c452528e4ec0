-- severity: warning
-- title: >-
--   names of another gateway that had {gateway.warn_unmapped_share:.1%} of a day are assigned to a
--   lab
-- judged: largest_share
-- max: limits.gateway.warn_unmapped_share
-- limits: [gateway.warn_unmapped_share]
-- message: >-
--   {source}: "{name}" of its {dataset} had {largest_share:.1%} of the {share_of} of {usage_date};
--   add a row to dbt_project/seeds/gateway_names.csv
select source, dataset, name, max(share) as largest_share,
    max_by(share_of, share) as share_of, max_by(usage_date, share) as usage_date
from gateway_shares_daily where identification = 'unmapped' group by all;
