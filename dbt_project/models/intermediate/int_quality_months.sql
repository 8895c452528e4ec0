-- Which reading of the indices is used for a month: the nearest one to its last day. The scale
-- differs from reading to reading, and models that have left the catalogue are in none: a reading
-- from further away than a month would compare what happens to be left.
{% set max_days_apart = 31 %}

with readings as (

    select
        read_on,
        count(*) as indexed_models
    from {{ ref('int_index_readings') }}
    group by read_on

),

months as (

    select
        source,
        period_start,
        days_present,
        is_complete,
        max(usage_date) as priced_on
    from {{ ref('int_periods') }}
    where grain = 'monthly'
    group by all

)

select
    months.source,
    months.period_start,
    months.days_present,
    months.is_complete,
    months.priced_on,
    readings.read_on as index_read_on,
    cast(readings.indexed_models as integer) as indexed_models
from months
inner join readings
    on abs({{ days_between('months.priced_on', 'readings.read_on') }}) <= {{ max_days_apart }}
qualify
    row_number() over (
        partition by months.source, months.period_start
        order by
            abs({{ days_between('months.priced_on', 'readings.read_on') }}) asc,
            readings.read_on desc
    ) = 1
