-- Is the cheapest model with 90 % of the rival's best index 80 % cheaper? By month and origin.
select *
from price_quality
order by period_start desc, origin;
