-- What differs, row by row, from the vintage that was the latest one when this run began. Days that
-- it did not have are new, not revised.
with before as (

    select * from {{ source('raw', 'previous_usage_daily') }}

),

now as (

    select
        source,
        usage_date,
        model_permaslug,
        max(lab_id) as lab_id,
        coalesce(max(headquarters), 'unidentified') as origin,
        max(dump_sha256) as dump_sha256,
        cast(sum(tokens) as bigint) as tokens
    from {{ ref('int_usage_identified') }}
    group by all

),

days_before as (

    select
        source,
        usage_date,
        max(previous_vintage_id) as previous_vintage_id,
        max(dump_sha256) as dump_sha256,
        sum(tokens) as total_tokens
    from before
    group by all

),

days_now as (

    select
        source,
        usage_date,
        max(dump_sha256) as dump_sha256,
        sum(tokens) as total_tokens
    from now
    group by all

),

origins_before as (

    select
        source,
        usage_date,
        origin,
        sum(tokens) as tokens
    from before
    group by all

),

origins_now as (

    select
        source,
        usage_date,
        origin,
        sum(tokens) as tokens
    from now
    group by all

),

compared as (

    select
        coalesce(before.source, now.source) as source,
        coalesce(before.usage_date, now.usage_date) as usage_date,
        coalesce(before.model_permaslug, now.model_permaslug) as model_permaslug,
        coalesce(before.tokens, 0) as tokens_before,
        coalesce(now.tokens, 0) as tokens_after,
        before.lab_id as lab_id_before,
        now.lab_id as lab_id_after,
        before.origin as origin_before,
        now.origin as origin_after,
        before.model_permaslug is not null and now.model_permaslug is not null
        and (
            before.lab_id is distinct from now.lab_id
            or before.origin is distinct from now.origin
        ) as is_reattributed
    from before
    full outer join now using (source, usage_date, model_permaslug)

),

changed as (

    select
        *,
        coalesce(origin_after, origin_before) as origin
    from compared
    where tokens_before <> tokens_after or is_reattributed

)

select
    changed.source,
    changed.usage_date,
    changed.model_permaslug,
    days_before.previous_vintage_id,
    changed.tokens_before,
    changed.tokens_after,
    case
        when changed.tokens_before > 0
            then {{ fraction(
                'changed.tokens_after - changed.tokens_before', 'changed.tokens_before'
            ) }}
    end as relative_change,
    {{ fraction('changed.tokens_before', 'days_before.total_tokens') }} as share_before,
    {{ fraction('changed.tokens_after', 'days_now.total_tokens') }} as share_after,
    changed.lab_id_before,
    changed.lab_id_after,
    changed.origin_before,
    changed.origin_after,
    {{ fraction('coalesce(origins_before.tokens, 0)', 'days_before.total_tokens') }}
        as origin_share_before,
    {{ fraction('coalesce(origins_now.tokens, 0)', 'days_now.total_tokens') }}
        as origin_share_after,
    days_before.dump_sha256 as dump_sha256_before,
    days_now.dump_sha256 as dump_sha256_after,
    case
        when changed.tokens_before = changed.tokens_after then 'registry'
        when days_before.dump_sha256 = days_now.dump_sha256
            then case when changed.is_reattributed then 'code_and_registry' else 'code' end
        when changed.is_reattributed then 'other_dump_and_registry'
        else 'other_dump'
    end as cause
from changed
inner join days_before using (source, usage_date)
left join days_now using (source, usage_date)
left join origins_before using (source, usage_date, origin)
left join origins_now using (source, usage_date, origin)
