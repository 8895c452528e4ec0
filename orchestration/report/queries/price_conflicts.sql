-- Where other price lists disagree with the one used.
select
    other_source, count(*) as disagreements, count(distinct model_permaslug) as models,
    median(ratio) as median_ratio, max(last_read_on) as last_read_on
from price_conflicts
group by other_source
order by disagreements desc, other_source;
