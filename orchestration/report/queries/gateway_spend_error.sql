-- How far shares of list spend are from measured ones, by month. The differences of all labs add up
-- to 0, so half of their sizes is the part of the dollars that list prices put at the wrong lab.
select
    source as gateway_source, period_start, is_complete, days_compared, count(*) as labs,
    avg(abs(implied_minus_measured)) as mean_difference,
    max_by(lab_name, abs(implied_minus_measured)) as furthest_lab,
    max_by(implied_minus_measured, abs(implied_minus_measured)) as furthest_difference,
    sum(abs(implied_minus_measured)) / 2 as misplaced_share,
    max(compared_token_share) as compared_token_share,
    max(compared_spend_share) as compared_spend_share
from gateway_spend_by_lab_monthly
where modality = 'text'
group by all
order by period_start desc;
