-- Share of all tokens by license class and month, with bounds.
select period_start, is_complete, license, share, share_low, share_high
from share_by_license_monthly
where lens = 'author_hq'
order by period_start, license;
