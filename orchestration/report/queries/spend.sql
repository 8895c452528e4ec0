-- Share of tokens and share of list dollars, side by side, by origin and month.
select
    period_start, is_complete, origin, token_share, spend_share, spend_share_low, spend_share_high,
    least(spend_share_at_low, spend_share_at_high) as same_split_low,
    greatest(spend_share_at_low, spend_share_at_high) as same_split_high,
    list_spend_usd, list_spend_low_usd, list_spend_high_usd, total_list_spend_usd,
    priced_token_share
from spend_by_origin_monthly
where lens = 'author_hq'
order by period_start, origin;
