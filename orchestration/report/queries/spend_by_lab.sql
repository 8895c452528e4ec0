-- List spend of the labs in the latest complete month, largest first.
with latest as (
    select max(period_start) as period_start
    from spend_by_lab_monthly
    where is_complete and lens = 'author_hq'
)
select
    period_start, lab_name, origin, token_share, spend_share, spend_share_low, spend_share_high,
    list_spend_usd, list_spend_low_usd, list_spend_high_usd, priced_token_share
from spend_by_lab_monthly inner join latest using (period_start)
where lens = 'author_hq' and lab_id <> 'unidentified'
order by list_spend_usd desc, lab_id;
