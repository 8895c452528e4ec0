-- Token-weighted list price by origin and month: US dollars per million tokens, with its band.
select
    period_start, is_complete, origin, usd_per_million_tokens, usd_per_million_tokens_low,
    usd_per_million_tokens_high, priced_token_share
from spend_by_origin_monthly
where lens = 'author_hq' and usd_per_million_tokens is not null
order by period_start, origin;
