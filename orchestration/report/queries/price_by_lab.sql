-- Token-weighted list price of the labs in the latest complete month, largest labs first.
with latest as (
    select max(period_start) as period_start
    from spend_by_lab_monthly
    where is_complete and lens = 'author_hq'
)
select
    period_start, lab_name, origin, tokens, priced_token_share, average_usd_per_million_tokens,
    average_usd_per_million_tokens_low, average_usd_per_million_tokens_high,
    paid_usd_per_million_tokens
from spend_by_lab_monthly inner join latest using (period_start)
where lens = 'author_hq' and lab_id <> 'unidentified' and average_usd_per_million_tokens is not null
order by tokens desc, lab_id;
