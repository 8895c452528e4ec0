-- Tokens in = tokens out, to the last token: what the newest dumps say of each period, against
-- usage_daily and against every share and spend table under every lens. Returns the periods where
-- they differ, also where a table lacks a period.
{{ config(meta={'dagster': {'ref': {'name': 'usage_daily'}}}) }}

{% set tables = [
    ('usage_daily', 'usage_date', 'daily', none),
    ('identification_daily', 'usage_date', 'daily', none),
    ('price_coverage_monthly', 'period_start', 'monthly', none),
] %}
{% for subject, lenses in [
    ('origin', ['author_hq', 'base_lineage']),
    ('lab', ['author_hq', 'base_lineage']),
    ('license', ['author_hq']),
    ('price_band', ['author_hq']),
] %}
{% for grain in ['daily', 'weekly', 'monthly'] %}
{% for lens in lenses %}
{% do tables.append(('share_by_' ~ subject ~ '_' ~ grain, 'period_start', grain, lens)) %}
{% endfor %}
{% endfor %}
{% endfor %}
{% for subject in ['origin', 'lab'] %}
{% for grain in ['daily', 'weekly', 'monthly'] %}
{% for lens in ['author_hq', 'base_lineage'] %}
{% do tables.append(('spend_by_' ~ subject ~ '_' ~ grain, 'period_start', grain, lens)) %}
{% endfor %}
{% endfor %}
{% endfor %}

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

expected as (
    {% for table, day, grain, lens in tables %}
    select
        '{{ table }}{{ ' ' ~ lens if lens }}' as table_name,
        source,
        {{ period_start('usage_date', grain) }} as period_start,
        sum(tokens) as tokens
    from newest_dumps
    group by all
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

counted as (
    {% for table, day, grain, lens in tables %}
    select
        '{{ table }}{{ ' ' ~ lens if lens }}' as table_name,
        source,
        {{ day }} as period_start,
        sum(tokens) as tokens
    from {{ ref(table) }}
    {{ "where lens = '" ~ lens ~ "'" if lens }}
    group by all
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select
    coalesce(expected.table_name, counted.table_name) as table_name,
    coalesce(expected.source, counted.source) as source,
    coalesce(expected.period_start, counted.period_start) as period_start,
    expected.tokens as tokens_in,
    counted.tokens as tokens_out
from expected
full outer join counted
    on
        expected.table_name = counted.table_name
        and expected.source = counted.source
        and expected.period_start = counted.period_start
where expected.tokens is distinct from counted.tokens
