-- Tokens in = tokens out, exactly: what the newest dumps say about each day, against usage_daily.
-- Returns the days on which they differ. That every published table counts the tokens of
-- usage_daily is judged by the gate (TOKENS_CONSERVED, SPEND_CONSERVED).
{{ config(meta={'dagster': {'ref': {'name': 'usage_daily'}}}) }}

with expected as (

    select
        usage.source,
        usage.usage_date,
        sum(usage.tokens) as tokens
    from {{ ref('stg_usage') }} as usage
    inner join {{ ref('int_days') }} using (source, usage_date, dump_sha256)
    group by all

),

counted as (

    select
        source,
        usage_date,
        sum(tokens) as tokens
    from {{ ref('usage_daily') }}
    group by all

)

select
    coalesce(expected.source, counted.source) as source,
    coalesce(expected.usage_date, counted.usage_date) as usage_date,
    expected.tokens as tokens_in,
    counted.tokens as tokens_out
from expected
full outer join counted using (source, usage_date)
where expected.tokens is distinct from counted.tokens
