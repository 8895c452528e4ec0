-- The seed, continued by every landed provider list. On each day the statement that was learned
-- last counts. A list that names a provider without headquarters does not take back one that was
-- stated before, and a provider that leaves the list keeps its own: neither says that it moved.
with seed as (

    select * from {{ ref('providers') }}

),

seeded as (

    select distinct provider_slug from seed

),

listed as (

    select
        lists.*,
        seeded.provider_slug is not null as is_seeded,
        row_number() over (
            partition by lists.provider_slug order by lists.seen_on
        ) as list_number,
        -- A statement is valid until the next one of its kind, with or without headquarters.
        lead(lists.seen_on) over (
            partition by lists.provider_slug, lists.headquarters is null order by lists.seen_on
        ) as next_seen_on
    from {{ ref('stg_provider_lists') }} as lists
    left join seeded using (provider_slug)

),

statements as (

    select
        provider_slug,
        provider_name,
        headquarters,
        coalesce(valid_from, date '0001-01-01') as valid_from,
        coalesce(valid_to, date '9999-12-31') as valid_to,
        known_from,
        'seed' as stated_by
    from seed
    union all
    select
        provider_slug,
        provider_name,
        headquarters,
        -- As in the seed, the first statement about a provider is also valid for earlier days.
        case
            when list_number = 1 and not is_seeded then date '0001-01-01' else seen_on
        end as valid_from,
        coalesce(next_seen_on, date '9999-12-31') as valid_to,
        seen_on as known_from,
        'openrouter_providers' as stated_by
    from listed

),

cuts as (

    select
        provider_slug,
        valid_from as cut
    from statements
    union
    select
        provider_slug,
        valid_to as cut
    from statements

),

spans as (

    select
        provider_slug,
        cut as span_from,
        lead(cut) over (partition by provider_slug order by cut) as span_to
    from cuts

),

spoken as (

    select
        spans.provider_slug,
        spans.span_from,
        spans.span_to,
        statements.provider_name,
        statements.headquarters,
        statements.known_from,
        statements.stated_by
    from spans
    inner join statements
        on
            spans.provider_slug = statements.provider_slug
            and spans.span_from >= statements.valid_from
            and spans.span_to <= statements.valid_to
    qualify
        row_number() over (
            partition by spans.provider_slug, spans.span_from
            order by
                statements.headquarters is null asc,
                statements.known_from desc,
                statements.stated_by = 'seed' asc,
                statements.valid_from desc
        ) = 1

),

with_previous as (

    select
        *,
        lag(span_to) over (partition by provider_slug order by span_from) as previous_to,
        lag(provider_name) over (partition by provider_slug order by span_from) as previous_name,
        lag(headquarters) over (
            partition by provider_slug order by span_from
        ) as previous_headquarters
    from spoken

),

numbered as (

    select
        *,
        sum(
            case
                when
                    previous_to = span_from
                    and previous_name = provider_name
                    and coalesce(previous_headquarters, '') = coalesce(headquarters, '')
                    then 0
                else 1
            end
        ) over (partition by provider_slug order by span_from) as period_number
    from with_previous

)

select
    provider_slug,
    provider_name,
    headquarters,
    nullif(min(span_from), date '0001-01-01') as valid_from,
    nullif(max(span_to), date '9999-12-31') as valid_to,
    min(known_from) as known_from,
    min_by(stated_by, known_from) as stated_by
from numbered
group by provider_slug, provider_name, headquarters, period_number
