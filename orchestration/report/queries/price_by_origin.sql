-- Token-weighted list price by origin and month: US dollars per million tokens, with its band.
select
    period_start, is_complete, origin, average_usd_per_million_tokens,
    average_usd_per_million_tokens_low, average_usd_per_million_tokens_high, priced_token_share
from spend_by_origin_monthly
where lens = 'author_hq' and average_usd_per_million_tokens is not null
order by period_start, origin;
