-- Names of models in a company's own logs that the registry does not know, all days, by tokens.
select
    source, model_name, match_kind, requests, tokens,
    tokens / (
        select sum(everything.tokens) from model_names as everything
        where everything.source = model_names.source
    ) as share
from model_names
where identification = 'unmapped'
order by source, tokens desc, model_name;
