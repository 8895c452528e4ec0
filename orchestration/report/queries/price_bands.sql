-- Share of all tokens by list price band and month.
select
    period_start, is_complete, price_band, share, share_low, share_high,
    list_position(
        ['free', 'under_0.5', '0.5_to_2', '2_to_10', '10_and_over', 'unpriced'], price_band
    ) as band_order
from share_by_price_band_monthly
where lens = 'author_hq'
order by period_start, band_order;
