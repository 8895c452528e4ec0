-- Every restatement by a source, row by row: what a dump says otherwise about a day than the dump
-- before it that has the day. It follows from the dumps alone, whatever was published when.
with usage as (

    select * from {{ ref('stg_usage') }}

),

attribution as (

    select attribution.*
    from {{ ref('int_attribution') }} as attribution
    inner join {{ source('raw', 'run_settings') }} as run_settings
        on attribution.registry_view = run_settings.registry_view

),

readings as (

    select
        source,
        usage_date,
        dump_sha256,
        as_of,
        pulled_at,
        sum(tokens) as total_tokens,
        bit_xor({{ hash_of('model_permaslug, tokens') }}) as content
    from usage
    group by all

),

-- A reading of a day and the one before it, in the order in which a newer dump wins.
consecutive as (

    select
        source,
        usage_date,
        dump_sha256 as dump_sha256_after,
        total_tokens as total_after,
        cast(
            {{ minutes_between('cast(usage_date + 1 as timestamp)', 'as_of') }} as bigint
        ) as read_after_minutes,
        lag(dump_sha256) over (
            partition by source, usage_date order by as_of, pulled_at, dump_sha256
        ) as dump_sha256_before,
        lag(total_tokens) over (
            partition by source, usage_date order by as_of, pulled_at, dump_sha256
        ) as total_before,
        content = lag(content) over (
            partition by source, usage_date order by as_of, pulled_at, dump_sha256
        ) as is_same_content
    from readings

),

-- Most readings say what the one before them said, and their rows need not be compared.
pairs as (

    select * from consecutive
    where total_before <> total_after or not is_same_content

),

before as (

    select
        pairs.*,
        usage.model_permaslug,
        usage.base_slug,
        usage.tokens
    from pairs
    inner join usage
        on
            pairs.source = usage.source
            and pairs.usage_date = usage.usage_date
            and pairs.dump_sha256_before = usage.dump_sha256

),

after as (

    select
        pairs.*,
        usage.model_permaslug,
        usage.base_slug,
        usage.tokens
    from pairs
    inner join usage
        on
            pairs.source = usage.source
            and pairs.usage_date = usage.usage_date
            and pairs.dump_sha256_after = usage.dump_sha256

),

compared as (

    select
        source,
        usage_date,
        dump_sha256_after,
        model_permaslug,
        coalesce(after.base_slug, before.base_slug) as base_slug,
        coalesce(before.tokens, 0) as tokens_before,
        coalesce(after.tokens, 0) as tokens_after
    from before
    full outer join after using (source, usage_date, dump_sha256_after, model_permaslug)

),

restated as (

    select
        source,
        usage_date,
        dump_sha256_after
    from compared
    where tokens_before <> tokens_after
    group by all

),

attributed as (

    select
        compared.*,
        attribution.lab_id,
        coalesce(attribution.headquarters, 'unidentified') as origin
    from compared
    inner join restated using (source, usage_date, dump_sha256_after)
    inner join attribution using (usage_date, base_slug)

),

origins as (

    select
        source,
        usage_date,
        dump_sha256_after,
        origin,
        sum(tokens_before) as tokens_before,
        sum(tokens_after) as tokens_after
    from attributed
    group by all

)

select
    attributed.source,
    attributed.usage_date,
    attributed.model_permaslug,
    attributed.dump_sha256_after,
    pairs.dump_sha256_before,
    pairs.read_after_minutes,
    attributed.tokens_before,
    attributed.tokens_after,
    case
        when attributed.tokens_before > 0
            then {{ fraction(
                'attributed.tokens_after - attributed.tokens_before', 'attributed.tokens_before'
            ) }}
    end as relative_change,
    {{ fraction('attributed.tokens_before', 'pairs.total_before') }} as share_before,
    {{ fraction('attributed.tokens_after', 'pairs.total_after') }} as share_after,
    attributed.lab_id,
    attributed.origin,
    {{ fraction('origins.tokens_before', 'pairs.total_before') }} as origin_share_before,
    {{ fraction('origins.tokens_after', 'pairs.total_after') }} as origin_share_after
from attributed
inner join pairs using (source, usage_date, dump_sha256_after)
inner join origins using (source, usage_date, dump_sha256_after, origin)
where attributed.tokens_before <> attributed.tokens_after
