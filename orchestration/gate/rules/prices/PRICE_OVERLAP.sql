-- severity: blocker
-- title: no two prices of one model and kind are valid on the same day
-- judged: ok
-- one_of: [true]
-- verified: true
-- message: "{model_permaslug} {price_kind}: {valid_from} to {valid_to}, next from {next_from}"
with ordered as (
    select *,
        lead(valid_from) over (
            partition by model_permaslug, price_kind order by valid_from
        ) as next_from
    from price_history
)
select model_permaslug, price_kind, valid_from, valid_to, next_from, false as ok
from ordered
where not coalesce(
    (valid_to is null or valid_from < valid_to) and (next_from is null or valid_to <= next_from),
    false
);
