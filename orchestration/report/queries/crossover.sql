-- When did one origin overtake the other, first, last and beyond doubt, as known then and now?
select *
from crossover
where lens = 'author_hq'
order by
    case grain when 'weekly' then 1 when 'monthly' then 2 else 3 end,
    origin, rival_origin, registry_view desc;
