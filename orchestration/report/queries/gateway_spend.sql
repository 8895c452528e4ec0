-- Measured share of spend beside the share that list prices imply, among the models that can be
-- compared, by lab and month.
select
    period_start, is_complete, lab_name, models_compared, measured_share, implied_share,
    implied_share_low, implied_share_high, implied_minus_measured
from gateway_spend_by_lab_monthly
where modality = 'text'
order by period_start desc, measured_share desc, lab_id;
