-- Every spend table holds the list spend of all priced usage under every lens, exactly. Returns
-- the periods in which it does not, also those that a table lacks. That its shares add up to 1 is
-- judged by the gate (SPEND_CONSERVED).
{{ config(meta={'dagster': {'ref': {'name': 'spend_by_origin_monthly'}}}) }}

{% set grains = ['daily', 'weekly', 'monthly'] %}

with usage as (

    select
        source,
        usage_date,
        sum(
            case
                when is_priced and variant <> 'free'
                    then tokens * (3 * prompt_e18 + completion_e18)
                else 0
            end
        ) as blend_by_4_e18
    from {{ ref('int_usage_priced') }}
    group by all

),

expected as (
    {% for grain in grains %}
    select
        source,
        '{{ grain }}' as grain,
        {{ period_start('usage_date', grain) }} as period_start,
        {{ usd('sum(blend_by_4_e18)', 4) }} as list_spend_usd
    from usage
    group by all
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

tables as (
    {% for subject in ['origin', 'lab'] %}
    {% for lens in ['author_hq', 'base_lineage'] %}
    select
        '{{ subject }}' as subject,
        '{{ lens }}' as lens
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

counted as (
    {% for subject in ['origin', 'lab'] %}
    {% for grain in grains %}
    select
        '{{ subject }}' as subject,
        lens,
        source,
        '{{ grain }}' as grain,
        period_start,
        sum(list_spend_usd) as list_spend_usd
    from {{ ref('spend_by_' ~ subject ~ '_' ~ grain) }}
    group by all
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select
    tables.subject,
    tables.lens,
    expected.*,
    counted.list_spend_usd as counted_usd
from expected
cross join tables
left join counted
    on
        tables.subject = counted.subject
        and tables.lens = counted.lens
        and expected.source = counted.source
        and expected.grain = counted.grain
        and expected.period_start = counted.period_start
where expected.list_spend_usd is distinct from counted.list_spend_usd
