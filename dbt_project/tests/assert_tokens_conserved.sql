-- Tokens in = tokens out, to the last token: what the newest dumps say of each day, against
-- usage_daily and against every share table. Returns the periods where they differ.
{{ config(meta={'dagster': {'ref': {'name': 'usage_daily'}}}) }}

with newest_dumps as (

    select
        usage.source,
        usage.usage_date,
        sum(usage.tokens) as tokens
    from {{ ref('stg_usage') }} as usage
    inner join {{ ref('int_days') }} as days
        on
            usage.source = days.source
            and usage.usage_date = days.usage_date
            and usage.dump_sha256 = days.dump_sha256
    group by all

),

counted as (

    select
        'usage_daily' as table_name,
        source,
        usage_date as period_start,
        sum(tokens) as tokens
    from {{ ref('usage_daily') }}
    group by all
    union all
    select
        'identification_daily' as table_name,
        source,
        usage_date as period_start,
        sum(tokens) as tokens
    from {{ ref('identification_daily') }}
    group by all
    {% for subject in ['origin', 'lab', 'price_band'] %}
    union all
    select
        'share_by_{{ subject }}_daily' as table_name,
        source,
        period_start,
        sum(tokens) as tokens
    from {{ ref('share_by_' ~ subject ~ '_daily') }}
    group by all
    {% endfor %}
),

sums as (

    select
        'all tables by day' as table_name,
        coalesce(newest_dumps.source, counted.source) as source,
        coalesce(newest_dumps.usage_date, counted.period_start) as period_start,
        newest_dumps.tokens as tokens_in,
        counted.tokens as tokens_out
    from newest_dumps
    full outer join counted
        on
            newest_dumps.source = counted.source
            and newest_dumps.usage_date = counted.period_start

),

coarse as (
    {% for subject in ['origin', 'lab', 'price_band'] %}
    {% for grain in ['weekly', 'monthly'] %}
    select
        'share_by_{{ subject }}_{{ grain }}' as table_name,
        cast(null as string) as source,
        cast(null as date) as period_start,
        (select sum(tokens) from newest_dumps) as tokens_in,
        (select sum(tokens) from {{ ref('share_by_' ~ subject ~ '_' ~ grain) }}) as tokens_out
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

compared as (

    select * from sums
    union all
    select * from coarse

)

select * from compared
where tokens_in is distinct from tokens_out
