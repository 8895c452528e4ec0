-- Models are ids: the catalogue's entry for an id states its canonical slug, which the registry
-- knows. An id that no landed catalogue has is its own slug, without variant.
with models as (

    select * from {{ ref('stg_task_classifications') }}
    where kind = 'model'

),

asked as (

    select distinct
        window_end,
        model_id
    from models

),

-- The last catalogue up to the window's end counts, or the first one after it if there is none.
matched as (

    select
        asked.window_end,
        asked.model_id,
        catalogue.base_slug
    from asked
    inner join {{ ref('stg_catalogue_models') }} as catalogue
        on lower(asked.model_id) = lower(catalogue.model_id)
    qualify
        row_number() over (
            partition by asked.window_end, asked.model_id
            order by
                case
                    when catalogue.seen_on <= asked.window_end then catalogue.seen_on
                end desc nulls last,
                catalogue.seen_on asc,
                catalogue.model_id asc
        ) = 1

),

slugs as (

    select
        models.*,
        coalesce(
            matched.base_slug,
            split_part(lower({{ regexp_replaced('models.model_id', '^~', '') }}), ':', 1)
        ) as base_slug,
        case when matched.base_slug is null then 'id' else 'canonical_slug' end as match_kind
    from models
    left join matched using (window_end, model_id)

)

select
    source,
    dump_sha256,
    window_start,
    window_end,
    tag,
    model_id,
    base_slug,
    split_part(base_slug, '/', 1) as author,
    match_kind,
    share_rounding,
    tag_usage_share,
    tag_token_share
from slugs
