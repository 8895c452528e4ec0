-- severity: warning
-- title: >-
--   outside tail, routers and stealth models, the registry knows the lab of at least
--   {registry.warn_attributed_share:.0%} of the tokens, the license class of at least
--   {registry.warn_licensed_share:.0%} and the base model of at least
--   {registry.warn_base_located_share:.0%}
-- judged: ok
-- one_of: [true]
-- limits:
--   - registry.warn_attributed_share
--   - registry.warn_licensed_share
--   - registry.warn_base_located_share
-- message: >-
--   month of {period_start}: the {kind} of {known_share:.2%} is known, expected {bound:.0%}
--
-- Never a blocker: a new model without a row widens the bounds. This is stated and is not an error.
with known as (
    select source, period_start, 'lab' as kind, attributed_share as known_share,
        limits.registry.warn_attributed_share as bound
    from registry_coverage_monthly cross join limits where named_tokens > 0
    union all
    select source, period_start, 'license class' as kind, licensed_share,
        limits.registry.warn_licensed_share
    from registry_coverage_monthly cross join limits where named_tokens > 0
    union all
    select source, period_start, 'base model' as kind, base_located_share,
        limits.registry.warn_base_located_share
    from registry_coverage_monthly cross join limits where named_tokens > 0
)
select *, known_share >= bound as ok from known;
