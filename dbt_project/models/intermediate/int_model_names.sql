-- The models that request logs name, as gateways write them.
with names as (

    select distinct model_name from {{ source('raw', 'request_days') }}
    where model_name is not null

)

select
    model_name,
    lower(model_name) as model_permaslug,
    'none' as match_kind
from names
