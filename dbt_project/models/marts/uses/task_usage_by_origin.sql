-- K is what the listed models of an origin hold of a tag. U, what is left of 1 beside all origins,
-- may belong to anybody: models that are not listed, and listed ones whose origin is not known.
{% set measures = ['token', 'usage'] %}

with tags as (

    select * from {{ ref('task_usage') }}

),

models as (

    select * from {{ ref('int_task_models') }}

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
    from models
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
        count(*) as models,
        sum(tag_token_share) as token_known,
        sum(tag_usage_share) as usage_known
    from located
    group by all

),

-- The unidentified have a row under every tag, also where no listed model is among them.
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

with_unknown as (

    select
        tags.source,
        tags.window_start,
        tags.window_end,
        tags.window_days,
        tags.tag,
        tags.use,
        tags.macro_category,
        tags.token_share as tag_token_share,
        tags.usage_share as tag_usage_share,
        {% for measure in measures -%}
        -- Published shares are rounded: their sum may pass 1 by a hair.
        least(coalesce(by_origin.{{ measure }}_known, 0), 1) as {{ measure }}_known,
        greatest(
            1 - sum(
                case
                    when tag_origins.origin = 'unidentified' then 0
                    else coalesce(by_origin.{{ measure }}_known, 0)
                end
            ) over (partition by tags.window_start, tags.window_end, tags.tag),
            0
        ) as {{ measure }}_unknown,
        {% endfor -%}
        tag_origins.origin,
        coalesce(by_origin.models, 0) as models
    from tags
    inner join tag_origins
        on
            tags.window_start = tag_origins.window_start
            and tags.window_end = tag_origins.window_end
            and tags.tag = tag_origins.tag
    left join by_origin
        on
            tag_origins.window_start = by_origin.window_start
            and tag_origins.window_end = by_origin.window_end
            and tag_origins.tag = by_origin.tag
            and tag_origins.origin = by_origin.origin

),

bounded as (

    select
        {% for measure in measures -%}
        cast(
            case
                when origin = 'unidentified' then {{ measure }}_unknown else {{ measure }}_known
            end
            as double
        ) as {{ measure }}_share_low,
        cast(
            case
                when origin = 'unidentified' then {{ measure }}_unknown
                else least({{ measure }}_known + {{ measure }}_unknown, 1)
            end
            as double
        ) as {{ measure }}_share_high,
        {% endfor -%}
        *
    from with_unknown

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
    {{ measure }}_share_low as {{ measure }}_share,
    {{ measure }}_share_low,
    {{ measure }}_share_high,
    tag_{{ measure }}_share * {{ measure }}_share_low as classified_{{ measure }}_share_low,
    tag_{{ measure }}_share * {{ measure }}_share_high as classified_{{ measure }}_share_high,
    {% endfor -%}
    cast(models as integer) as models
from bounded
