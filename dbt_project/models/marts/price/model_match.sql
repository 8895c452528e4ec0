with usage as (

    select * from {{ ref('int_usage_priced') }}

),

models as (

    select
        source,
        model_permaslug,
        max_by(identification, usage_date) as identification,
        cast(sum(tokens) as bigint) as tokens
    from usage
    group by all

),

priced as (

    select
        source,
        model_permaslug,
        price_source,
        cast(sum(tokens) as bigint) as priced_tokens
    from usage
    where usd_blend_by_4 is not null
    group by all

),

matches as (

    select
        model_permaslug,
        'openrouter_models' as price_source,
        matched_id,
        match_kind,
        seen_on as matched_on
    from {{ ref('stg_catalogue_prices') }}
    union all
    select
        model_permaslug,
        price_source,
        matched_id,
        match_kind,
        valid_from as matched_on
    from {{ ref('stg_price_seeds') }}

),

newest as (

    select *
    from matches
    qualify
        row_number() over (
            partition by model_permaslug, price_source
            order by matched_on desc, match_kind asc, matched_id asc
        ) = 1

)

select
    models.source,
    models.model_permaslug,
    sources.price_source,
    sources.precedence,
    models.identification,
    newest.matched_id,
    case
        when newest.matched_id is not null then newest.match_kind
        when models.identification in ('tail', 'router') then 'not_a_model'
        else 'unmatched'
    end as match_kind,
    models.tokens,
    coalesce(priced.priced_tokens, 0) as priced_tokens
from models
cross join {{ ref('price_sources') }} as sources
left join newest
    on
        models.model_permaslug = newest.model_permaslug
        and sources.price_source = newest.price_source
left join priced
    on
        models.source = priced.source
        and models.model_permaslug = priced.model_permaslug
        and sources.price_source = priced.price_source
