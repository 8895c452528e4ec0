-- severity: blocker
-- judges: source
-- title: >-
--   at least {catalogue.min_open_ratio:.0%} as many models have a valid price as in the
--   previous vintage
-- judged: ratio
-- min: limits.catalogue.min_open_ratio
-- limits: [catalogue.min_open_ratio]
-- message: >-
--   {models_before} models had a valid price, now {models_now} have one: was a catalogue cut?
with before as (
    select count(distinct model_permaslug) as models from previous_price_history
    where valid_to is null and price_kind = 'prompt'
),
now as (
    select count(distinct model_permaslug) as models from price_history
    where valid_to is null and price_kind = 'prompt'
)
select 'openrouter_models' as source, before.models as models_before, now.models as models_now,
    now.models / before.models as ratio
from before cross join now where before.models > 0;
