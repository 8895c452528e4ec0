-- The error rate of each audit with its Wilson score interval (z of 95 %).
{% set z = 1.959963984540054 %}
with audits as (

    select
        *,
        {{ fraction('wrong', 'sampled_rows') }} as error_rate,
        cast(sampled_rows as double) as n
    from {{ ref('registry_audits_kept') }}

),

intervals as (

    select
        *,
        (error_rate + {{ z }} * {{ z }} / (2 * n)) / (1 + {{ z }} * {{ z }} / n) as middle,
        {{ z }} * sqrt(error_rate * (1 - error_rate) / n + {{ z }} * {{ z }} / (4 * n * n))
        / (1 + {{ z }} * {{ z }} / n) as half
    from audits

)

select
    audit,
    sampled_rows,
    confirmed,
    weak,
    wrong,
    error_rate,
    greatest(middle - half, 0) as error_rate_low,
    least(middle + half, 1) as error_rate_high,
    audited_by,
    recorded_on,
    note
from intervals
