with labels as (

    select
        use,
        {{ joined_text('tag', ', ') }} as tags,
        -- One documented tag is enough to say that the source knows the use.
        max(case when evidence = 'documented' then 1 else 0 end) = 1 as is_documented
    from {{ ref('use_map') }}
    group by all

),

windows as (

    select
        use,
        window_start,
        window_end,
        sum(classified_token_share) as token_share,
        sum(classified_usage_share) as usage_share
    from {{ ref('task_usage') }}
    group by all

),

measured as (

    select
        use,
        count(*) as measured_windows,
        max(window_end) as newest_window_end
    from windows
    group by all

),

-- If two windows end on one day, the shorter one is more current.
newest as (

    select *
    from windows
    qualify row_number() over (partition by use order by window_end desc, window_start desc) = 1

)

select
    uses.use,
    uses.use_name,
    uses.named_by,
    labels.use is not null as is_measurable,
    case when labels.use is not null then 'openrouter_task_classifications' end as source,
    labels.tags,
    case
        when labels.use is null then 'none' when labels.is_documented then 'documented'
        else 'readers'
    end as label_evidence,
    uses.why_not,
    uses.limits,
    cast(coalesce(measured.measured_windows, 0) as integer) as measured_windows,
    measured.newest_window_end,
    newest.token_share as newest_token_share,
    newest.usage_share as newest_usage_share
from {{ ref('uses') }} as uses
left join labels using (use)
left join measured using (use)
left join newest using (use)
