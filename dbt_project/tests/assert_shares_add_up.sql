-- Shares of one period and lens add up to 1. Returns the periods where they do not. Periods
-- without tokens have shares of 0; the gate names and stops those.
{{ config(meta={'dagster': {'ref': {'name': 'share_by_origin_weekly'}}}) }}

with shares as (
    {% for subject in ['origin', 'lab', 'license', 'price_band'] %}
    {% for grain in ['daily', 'weekly', 'monthly'] %}
    select
        'share_by_{{ subject }}_{{ grain }}' as table_name,
        source,
        period_start,
        lens,
        max(total_tokens) as total_tokens,
        sum(share) as sum_of_shares
    from {{ ref('share_by_' ~ subject ~ '_' ~ grain) }}
    group by all
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select * from shares
where total_tokens > 0 and not sum_of_shares between 1 - 1e-9 and 1 + 1e-9
