-- severity: blocker
-- title: model_names counts exactly the tokens that request logs have in usage_daily
-- judged: lost_tokens
-- one_of: [0]
-- verified: true
-- message: "{source}: model_names differs from usage_daily by {lost_tokens} tokens"
with names as (
    select source, sum(tokens) as tokens from model_names group by all
),
-- Only a request log counts requests.
usage as (
    select source, sum(tokens) as tokens, bool_or(requests is not null) as is_log
    from usage_daily group by all
)
select source,
    cast(coalesce(names.tokens, 0) - coalesce(usage.tokens, 0) as hugeint) as lost_tokens
from names full join usage using (source)
where names.source is not null or usage.is_log;
