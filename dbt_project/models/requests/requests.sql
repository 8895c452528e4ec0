select * from {{ ref('stg_usage_events') }}
union all
select * from {{ ref('stg_langfuse_observations') }}
union all
select * from {{ ref('stg_helicone') }}
