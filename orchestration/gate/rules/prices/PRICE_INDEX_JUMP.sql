-- severity: warning
-- title: >-
--   no price index moves by more than a factor of {price_index.warn_factor} in a month, if the
--   matched models have {price_index.from_matched_share:.0%} of the tokens
-- judged: fisher_link
-- min: 1 / limits.price_index.warn_factor
-- max: limits.price_index.warn_factor
-- limits: [price_index.warn_factor, price_index.from_matched_share]
-- message: >-
--   {period_start} {lens} {origin}: list prices of {matched_models} matched models moved by a
--   factor of {fisher_link:.3g}
select source, period_start, lens, origin, fisher_link, matched_models
from price_index_monthly cross join limits
where fisher_link is not null
    and least(matched_token_share_from, matched_token_share_to)
        >= limits.price_index.from_matched_share;
