-- Every spend table has exactly the list spend of all priced usage under every lens. Returns the
-- periods in which it does not, also those that a table lacks. That its shares add up to 1 is
-- judged by the gate (SPEND_CONSERVED).
{{ config(meta={'dagster': {'ref': {'name': 'spend_by_origin'}}}) }}

with expected as (

    select
        periods.grain,
        periods.source,
        periods.period_start,
        {{ usd(
            "sum(case when not usage.is_priced or usage.variant = 'free' then 0"
            ~ " when usage.prompt_tokens is null"
            ~ " then usage.tokens * (3 * usage.prompt_e18 + usage.completion_e18)"
            ~ " else 4 * (usage.prompt_tokens * usage.prompt_e18"
            ~ " + usage.completion_tokens * usage.completion_e18) end)", 4
        ) }} as list_spend_usd
    from {{ ref('int_usage_priced') }} as usage
    inner join {{ ref('int_periods') }} as periods using (source, usage_date)
    group by all

),

counted as (
    {% for subject in ['origin', 'lab'] %}
    select
        '{{ subject }}' as subject,
        lens,
        grain,
        source,
        period_start,
        sum(list_spend_usd) as list_spend_usd
    from {{ ref('spend_by_' ~ subject) }}
    group by all
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    subjects.subject,
    lenses.lens,
    expected.*,
    counted.list_spend_usd as counted_usd
from expected
cross join (values ('origin'), ('lab')) as subjects (subject)
cross join (values ('author_hq'), ('base_lineage')) as lenses (lens)
left join counted
    on
        subjects.subject = counted.subject
        and lenses.lens = counted.lens
        and expected.grain = counted.grain
        and expected.source = counted.source
        and expected.period_start = counted.period_start
where expected.list_spend_usd is distinct from counted.list_spend_usd
