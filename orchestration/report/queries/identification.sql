-- All tokens by what is known of their model.
select
    identification, sum(tokens) as tokens,
    sum(tokens) / sum(sum(tokens)) over () as share
from usage_daily
group by identification
order by tokens desc, identification;
