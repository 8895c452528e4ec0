-- Authors without a registry row, largest first; their tokens count as unidentified.
select
    author, sum(tokens) as tokens,
    sum(tokens) / (select sum(tokens) from usage_daily) as share
from usage_daily
where identification = 'unmapped'
group by author
order by tokens desc, author;
