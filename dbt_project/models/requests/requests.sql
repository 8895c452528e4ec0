select * from {{ ref('stg_usage_events') }}
