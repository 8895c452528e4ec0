-- Share of all tokens by origin, license class and month, with bounds.
select period_start, is_complete, origin, license, share, share_low, share_high
from share_by_origin_license_monthly
where lens = 'author_hq' and license in ('open_weight', 'closed')
order by period_start, origin, license;
