-- The models that request logs name, as gateways write them, and which slug each is. The first rule
-- that applies counts; where it finds several models, none is better than a wrong one:
--   1. the whole name is a slug, an id of the catalogue or a repository of weights
--   2. the same after what only says who serves (azure/…, bedrock/us-east-1/…), if a maker that
--      the name states is of the model's lab
--   3. the same without differences of spelling, and what is written around the model's own name
--   4. the same without dates, if only one model is left and two dates are at most a month apart
--   5. no model of the registry, but the maker is clear: author/name
-- A fine-tuned model is a variant of its base model, so that it has no list price of its own.
{% set variants = '(free|beta|nitro|floor|online|thinking|extended|exacto|batch)' %}

with names as (

    select distinct
        model_name,
        lower(trim(model_name)) as lower_name
    from {{ ref('int_request_days') }}

),

aliases as (

    select * from {{ ref('model_aliases') }}

),

parts as (

    select * from {{ ref('model_name_parts') }}

),

authors as (

    select
        author,
        min(lab_id) as lab_id
    from {{ ref('authors') }}
    group by author

),

-- Every name that is known of a slug; a smaller rank is nearer to the slug.
stated as (

    select
        base_slug as spelling,
        base_slug,
        1 as spelling_rank
    from {{ ref('models') }}
    union
    select
        base_slug as spelling,
        base_slug,
        1 as spelling_rank
    from {{ ref('routers') }}
    union
    select
        lower(split_part(model_permaslug, ':', 1)) as spelling,
        lower(split_part(model_permaslug, ':', 1)) as base_slug,
        1 as spelling_rank
    from {{ ref('stg_price_seeds') }}
    union
    select
        lower(split_part(matched_id, ':', 1)) as spelling,
        lower(split_part(model_permaslug, ':', 1)) as base_slug,
        2 as spelling_rank
    from {{ ref('stg_price_seeds') }}
    where price_source = 'openrouter_catalogue'
    union
    select
        base_slug as spelling,
        base_slug,
        1 as spelling_rank
    from {{ ref('stg_catalogue_models') }}
    union
    select
        lower(split_part(model_id, ':', 1)) as spelling,
        base_slug,
        2 as spelling_rank
    from {{ ref('stg_catalogue_models') }}
    union
    select
        alias as spelling,
        base_slug,
        case when alias_kind = 'catalogue_id' then 2 else 3 end as spelling_rank
    from aliases

),

known as (

    select
        stated.*,
        split_part(stated.spelling, '/', -1) as own_name,
        coalesce(authors.lab_id, split_part(stated.base_slug, '/', 1)) as lab_id,
        {{ name_key("split_part(stated.spelling, '/', -1)") }} as name_key,
        {{ name_key('stated.base_slug') }} as slug_key
    from stated
    left join authors on split_part(stated.base_slug, '/', 1) = authors.author
    -- ~author/model-latest is the newest model of the day.
    where stated.spelling not like '~%' and stated.base_slug not like '~%'

),

-- Since when the catalogue has the slug; those of its first day may be of any day before.
first_listed as (

    select
        lower(split_part(model_permaslug, ':', 1)) as base_slug,
        min(valid_from) as listed_on,
        min(valid_from) = min(min(valid_from)) over () as is_of_first_day
    from {{ ref('stg_price_seeds') }}
    where price_source = 'openrouter_catalogue'
    group by lower(split_part(model_permaslug, ':', 1))

),

stemmed as (

    select
        *,
        {{ key_stem('name_key') }} as stem,
        {{ key_date('slug_key') }} as slug_date
    from known
    -- `auto` alone is nobody's router.
    where split_part(base_slug, '/', 1) not in ('openrouter', 'stealth')

),

known_alone as (

    select
        stemmed.*,
        coalesce(stemmed.slug_date, first_listed.listed_on) as released_on,
        stemmed.slug_date is null and first_listed.is_of_first_day as may_be_older,
        -- A lab that dates one of its slugs means another model by another date.
        stemmed.slug_date is not null
        and min(stemmed.base_slug) over (partition by stemmed.lab_id, stemmed.stem)
        <> max(stemmed.base_slug) over (partition by stemmed.lab_id, stemmed.stem) as has_siblings
    from stemmed
    left join first_listed on stemmed.base_slug = first_listed.base_slug

),

-- ft:MODEL:… and MODEL.ft-… are fine-tuned; :free and the like are variants.
cleaned as (

    select
        model_name,
        regexp_extract(lower_name, '(^|/)ft:([^:]+)|^.+[.]ft-', 0) <> '' as is_fine_tuned,
        regexp_extract(lower_name, ':{{ variants }}$', 1) as variant,
        {{ regexp_replaced(
            regexp_replaced(
                regexp_replaced('lower_name', '(^|/)~', '$1'), '(^|/)ft:([^:]+).*$', '$1$2'
            ),
            '[.]ft-.*$|:' ~ variants ~ '$', ''
        ) }} as bare_name
    from names

),

-- Amazon's us.anthropic.claude-… as us/anthropic/claude-…, Google's publishers/meta/models/llama-…
-- and Fireworks' accounts/fireworks/models/llama-… without `models`.
paths as (

    select
        *,
        {{ regexp_replaced(
            regexp_replaced(
                regexp_replaced('bare_name', '(^|/)([a-z][a-z0-9]*(-gov)?)[.]([a-z])', '$1$2/$4'),
                '(^|/)([a-z][a-z0-9]*(-gov)?)[.]([a-z])', '$1$2/$4'
            ),
            '(^|/)(publishers|accounts)/([^/]+)/models/', '$1$3/'
        ) }} as path
    from cleaned

),

segments as (

    select
        *,
        {{ regexp_replaced("split_part(path, '/', -1)", '^claude-v', 'claude-') }} as own_name,
        -- What is before the name: a region or a commitment says as little as a host.
        {{ regexp_replaced(
            "split_part(path, '/', -2)",
            '^[a-z]+(-[a-z]+)+-[0-9]+$|^[0-9]+-month-commitment$', ''
        ) }} as owner
    from paths

),

-- A maker is written before the name, a host says nothing, and of others nothing is known.
owned as (

    select
        segments.*,
        case when hosts.part is null then coalesce(makers.author, authors.author) end as maker,
        segments.owner <> ''
        and hosts.part is null
        and makers.part is null
        and authors.author is null as is_of_unknown
    from segments
    left join parts as hosts on segments.owner = hosts.part and hosts.role = 'host'
    left join parts as makers on segments.owner = makers.part and makers.role = 'maker'
    left join authors on segments.owner = authors.author

),

-- The own name without the words around it: databricks-claude-…, …-v1:0, …-maas, …-fp8.
trimmed as (

    select
        *,
        {{ regexp_replaced('own_name', ':[0-9]+k?$', '') }} as unnumbered_name,
        {{ regexp_replaced(
            regexp_replaced(
                regexp_replaced('own_name', words_before(), ''), serving_words(), ''
            ),
            'instruct-turbo$', 'instruct'
        ) }} as plain_name
    from owned

),

spelled as (

    select
        *,
        {{ name_key('own_name') }} as own_key,
        {{ name_key('unnumbered_name') }} as unnumbered_key,
        {{ name_key('plain_name') }} as plain_key,
        -- deepseek.r1 is deepseek-r1
        {{ name_key("maker || '-' || plain_name") }} as full_key
    from trimmed

),

keyed as (

    select
        spelled.*,
        makers.lab_id as maker_lab_id,
        {{ key_stem('spelled.plain_key') }} as stem,
        {{ key_date('spelled.plain_key') }} as name_date,
        floating.part is not null as is_floating,
        -- A deployment may be called `weaver` or `sonar`, whatever the model.
        spelled.owner = '' and regexp_extract(spelled.own_name, '[0-9-]', 0) = '' as is_plain_word
    from spelled
    left join authors as makers on spelled.maker = makers.author
    left join parts as floating
        on
            spelled.own_name = floating.part
            and floating.role = 'floating'
            and spelled.bare_name not like 'openrouter/%'

),

-- The longest beginning counts: llama-3.1-nemotron is not llama.
families as (

    select
        keyed.model_name,
        parts.role,
        parts.author,
        authors.lab_id
    from keyed
    inner join parts
        on
            substr(keyed.plain_name, 1, length(parts.part)) = parts.part
            and parts.role in ('family', 'open_family')
    inner join authors on parts.author = authors.author
    where
        parts.role = 'family'
        or regexp_extract(
            substr(keyed.plain_name, length(parts.part) + 1),
            '{{ plain_words() }}',
            0
        ) = substr(keyed.plain_name, length(parts.part) + 1)
    qualify
        row_number() over (
            partition by keyed.model_name order by length(parts.part) desc
        ) = 1

),

-- Whoever sells it, nobody but its maker can make a model that has never left the house.
judged as (

    select
        keyed.*,
        families.author as family_author,
        families.lab_id as family_lab_id,
        keyed.is_floating
        or keyed.is_plain_word
        or (keyed.is_of_unknown and coalesce(families.role, '') <> 'family') as needs_whole_name
    from keyed
    left join families on keyed.model_name = families.model_name

),

by_whole_name as (

    select
        keyed.model_name,
        known.base_slug,
        known.spelling_rank as step,
        case known.spelling_rank
            when 1 then 'permaslug' when 2 then 'catalogue_id' else 'alias'
        end as match_kind
    from keyed
    inner join known on keyed.bare_name = known.spelling
    where
        keyed.bare_name not in (
            select floating.part from parts as floating
            where floating.role = 'floating'
        )
    union all
    -- deepinfra/Qwen/QwQ-32B
    select
        keyed.model_name,
        known.base_slug,
        3 + known.spelling_rank as step,
        'provider_prefix' as match_kind
    from keyed
    inner join known on keyed.owner || '/' || keyed.own_name = known.spelling
    where not keyed.is_floating

),

by_own_name as (

    select
        judged.model_name,
        known_alone.base_slug,
        10 + known_alone.spelling_rank as step,
        case when judged.own_name = judged.bare_name then 'bare_name' else 'provider_prefix' end
            as match_kind
    from judged
    inner join known_alone
        on
            judged.own_name = known_alone.own_name
            and coalesce(judged.maker_lab_id, known_alone.lab_id) = known_alone.lab_id
    where not judged.needs_whole_name
    {% for key in ['own_key', 'unnumbered_key', 'plain_key', 'full_key'] %}
    union all
    select
        judged.model_name,
        known_alone.base_slug,
        {{ 10 * loop.index + 10 }} + known_alone.spelling_rank as step,
        'spelling' as match_kind
    from judged
    inner join known_alone
        on
            judged.{{ key }} = known_alone.name_key
            and coalesce(judged.maker_lab_id, known_alone.lab_id) = known_alone.lab_id
    where not judged.needs_whole_name
    {% endfor %}
    union all
    select
        judged.model_name,
        known_alone.base_slug,
        60 as step,
        'dated' as match_kind
    from judged
    inner join known_alone
        on
            judged.stem = known_alone.stem
            and coalesce(judged.maker_lab_id, known_alone.lab_id) = known_alone.lab_id
    where
        not judged.needs_whole_name
        and (
            judged.name_date is null
            or (
                not known_alone.has_siblings
                and {{ days_between('known_alone.released_on', 'judged.name_date') }}
                between case when known_alone.may_be_older then -9999 else -31 end and 31
            )
        )

),

found as (

    select * from by_whole_name
    union all
    select * from by_own_name

),

-- The nearest match, if it is only one model
resolved as (

    select
        model_name,
        base_slug,
        match_kind
    from found
    qualify
        step = min(step) over (partition by model_name)
        and min(base_slug) over (partition by model_name, step)
        = max(base_slug) over (partition by model_name, step)
        and row_number() over (partition by model_name, step order by match_kind) = 1

),

made_by as (

    select
        *,
        case
            when
                not is_of_unknown
                and coalesce(maker_lab_id = family_lab_id, true)
                and regexp_extract(own_name, '{{ changed_by_others() }}', 0) = ''
                then coalesce(family_author, maker)
        end as author
    from judged

),

slugs as (

    select
        made_by.model_name,
        replace(made_by.bare_name, ':', '-') as other_name,
        made_by.is_fine_tuned,
        case
            when resolved.base_slug is not null then resolved.match_kind
            when made_by.author is not null then 'author_only'
            else 'none'
        end as match_kind,
        coalesce(
            resolved.base_slug,
            -- Not the slug that one of the versions may have
            made_by.author || '/' || replace(made_by.plain_name, ':', '-')
            || case when made_by.is_floating then '-latest' else '' end
        ) as base_slug,
        case
            when made_by.is_fine_tuned then ':fine_tune'
            when made_by.variant <> '' then ':' || made_by.variant
            else ''
        end as variant
    from made_by
    left join resolved on made_by.model_name = resolved.model_name

)

select
    slugs.model_name,
    case
        -- Groups of few requests are the tail of a log, as `other` is that of the rankings.
        when slugs.model_name = '(suppressed)' then 'other'
        when slugs.match_kind <> 'none' then slugs.base_slug || slugs.variant
        -- Nobody says that what is sold under an author's name is the author's own.
        when authors.author is not null or slugs.other_name in ('', 'other')
            then 'unmapped/' || slugs.other_name || slugs.variant
        else slugs.other_name || slugs.variant
    end as model_permaslug,
    case
        when slugs.model_name = '(suppressed)' then 'suppressed'
        when slugs.is_fine_tuned and slugs.match_kind not in ('author_only', 'none')
            then 'fine_tune'
        else slugs.match_kind
    end as match_kind
from slugs
left join authors on split_part(slugs.other_name, '/', 1) = authors.author
