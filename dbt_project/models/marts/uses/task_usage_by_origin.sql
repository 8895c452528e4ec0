-- K is the share of the listed models of an origin in a tag. U, what all origins leave of 1,
-- may belong to anybody: models that are not listed, and listed ones whose origin is not known.
-- Each listed share is rounded, so the share of a model is up to r below or above it. All shares
-- of a tag add up to 1 together with models that are not listed, which give way: at least an origin
-- has its models' least, at most what the least of all other origins leaves of 1.
{% set measures = ['token', 'usage'] %}

with tags as (

    select * from {{ ref('task_usage') }}

),

-- The registry view that this run publishes, as in int_usage_identified.
attribution as (

    select attribution.*
    from {{ ref('int_attribution') }} as attribution
    inner join {{ source('raw', 'run_settings') }} as run_settings
        on attribution.registry_view = run_settings.registry_view

),

located as (

    select
        models.*,
        coalesce(attribution.headquarters, 'unidentified') as origin
    from {{ ref('int_task_models') }} as models
    left join attribution
        on
            models.window_end = attribution.usage_date
            and models.base_slug = attribution.base_slug

),

by_origin as (

    select
        window_start,
        window_end,
        tag,
        origin,
        {% for measure in measures -%}
        sum(tag_{{ measure }}_share) as {{ measure }}_known,
        sum(greatest(tag_{{ measure }}_share - share_rounding, 0)) as {{ measure }}_least,
        sum(least(tag_{{ measure }}_share + share_rounding, 1)) as {{ measure }}_most,
        {% endfor -%}
        count(*) as models
    from located
    group by all

),

-- The share of all known origins in a tag.
placed as (

    select
        window_start,
        window_end,
        tag,
        {% for measure in measures -%}
        sum({{ measure }}_known) as {{ measure }}_known,
        sum({{ measure }}_least) as {{ measure }}_least,
        sum({{ measure }}_most) as {{ measure }}_most,
        {% endfor -%}
        count(*) as origins
    from by_origin
    where origin <> 'unidentified'
    group by all

),

-- The unidentified have a row under every tag, even if no listed model is among them.
tag_origins as (

    select
        window_start,
        window_end,
        tag,
        origin
    from by_origin
    union
    select
        window_start,
        window_end,
        tag,
        'unidentified' as origin
    from tags

),

combined as (

    select
        tags.source,
        tags.window_start,
        tags.window_end,
        tags.window_days,
        tags.tag,
        tags.use,
        tags.macro_category,
        tags.share_rounding,
        tags.classified_token_share,
        tags.classified_usage_share,
        tag_origins.origin,
        {% for measure in measures -%}
        coalesce(by_origin.{{ measure }}_known, 0) as {{ measure }}_known,
        coalesce(by_origin.{{ measure }}_least, 0) as {{ measure }}_least,
        coalesce(placed.{{ measure }}_known, 0) as {{ measure }}_known_placed,
        coalesce(placed.{{ measure }}_least, 0) as {{ measure }}_least_placed,
        coalesce(placed.{{ measure }}_most, 0) as {{ measure }}_most_placed,
        {% endfor -%}
        coalesce(by_origin.models, 0) as models
    from tags
    inner join tag_origins using (window_start, window_end, tag)
    left join by_origin using (window_start, window_end, tag, origin)
    left join placed using (window_start, window_end, tag)

),

limited as (

    select
        {% for measure in measures -%}
        case
            when origin = 'unidentified' then 1 - {{ measure }}_known_placed
            else {{ measure }}_known
        end as {{ measure }}_point,
        case
            when origin = 'unidentified'
                then greatest({{ measure }}_least, 1 - {{ measure }}_most_placed)
            else {{ measure }}_least
        end as {{ measure }}_low,
        greatest(
            case
                when origin = 'unidentified' then 1 - {{ measure }}_least_placed
                else 1 - {{ measure }}_least_placed + {{ measure }}_least
            end,
            0
        ) as {{ measure }}_high,
        {% endfor -%}
        *
    from combined

),

-- If the listed shares add up to more than 1, the upper bound is used.
bounded as (

    select
        {% for measure in measures -%}
        cast(least({{ measure }}_low, {{ measure }}_high) as double) as tag_{{ measure }}_share_low,
        cast(
            least(greatest({{ measure }}_point, {{ measure }}_low), {{ measure }}_high) as double
        ) as tag_{{ measure }}_share,
        cast({{ measure }}_high as double) as tag_{{ measure }}_share_high,
        {% endfor -%}
        *
    from limited

)

select
    source,
    window_start,
    window_end,
    window_days,
    tag,
    use,
    macro_category,
    'author_hq' as lens,
    origin,
    {% for measure in measures -%}
    tag_{{ measure }}_share,
    tag_{{ measure }}_share_low,
    tag_{{ measure }}_share_high,
    greatest(classified_{{ measure }}_share - share_rounding, 0) * tag_{{ measure }}_share_low
        as classified_{{ measure }}_share_low,
    least(classified_{{ measure }}_share + share_rounding, 1) * tag_{{ measure }}_share_high
        as classified_{{ measure }}_share_high,
    {% endfor -%}
    cast(models as integer) as models_listed
from bounded
