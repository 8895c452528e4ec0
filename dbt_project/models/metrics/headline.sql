{% set figures = [
    ('latest_week', 'latest_week'),
    ('one_year_earlier', 'latest_week - interval 364 day'),
    ('first_week', 'first_week'),
] %}

with weekly as (

    select *
    from {{ ref('int_origin_views') }}
    where grain = 'weekly' and is_complete and lens = 'author_hq'

),

ends as (

    select
        source,
        min(period_start) as first_week,
        max(period_start) as latest_week
    from weekly
    group by all

),

weeks as (
    {% for name, week in figures %}
    select
        source,
        '{{ name }}' as week_name,
        cast({{ week }} as date) as period_start
    from ends
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select
    weekly.source,
    lower(weekly.origin) || '_share_' || weeks.week_name as figure,
    weekly.registry_view,
    weekly.period_start,
    weekly.lens,
    'all' as universe,
    weekly.origin,
    {{ fraction('weekly.tokens', 'weekly.total_tokens') }} as share,
    {{ fraction('weekly.tokens', 'weekly.total_tokens') }} as share_low,
    {{ fraction(
        "weekly.tokens"
        ~ " + case when weekly.origin = 'unidentified' then 0 else weekly.unidentified_tokens end",
        'weekly.total_tokens'
    ) }} as share_high,
    weekly.tokens,
    weekly.total_tokens
from weekly
inner join weeks using (source, period_start)
where weekly.origin in ('CN', 'US', 'unidentified')
