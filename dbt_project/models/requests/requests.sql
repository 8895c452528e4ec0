select * from {{ ref('stg_usage_events') }}
union all
select * from {{ ref('stg_otlp') }}
