-- Models with an index and a paid list price on the last day of a month, with the origin of their
-- lab as the registry view of this run knows it, whether or not they were used.
with prices as (

    select * from {{ ref('price_history') }}

),

models as (

    select * from {{ ref('models') }}

),

authors as (

    select * from {{ ref('authors') }}
    where author not in ('openrouter', 'stealth')

),

labs as (

    select * from {{ ref('labs') }}

),

usage as (

    select
        source,
        {{ period_start('usage_date', 'monthly') }} as period_start,
        base_slug,
        cast(sum(tokens) as bigint) as tokens
    from {{ ref('int_usage_identified') }}
    group by all

),

asked as (

    select
        months.source,
        months.period_start,
        months.priced_on as usage_date,
        case
            when run_settings.registry_view = 'then'
                then least(months.priced_on, run_settings.registry_as_of)
            else run_settings.registry_as_of
        end as known_on,
        months.index_read_on,
        readings.base_slug,
        readings.author,
        readings.intelligence_index,
        readings.index_source
    from {{ ref('int_quality_months') }} as months
    inner join {{ ref('int_index_readings') }} as readings
        on months.index_read_on = readings.read_on
    cross join {{ source('raw', 'run_settings') }} as run_settings

),

known_models as (

    {{ registry_rows('models', 'base_slug', 'asked', ['lab_id']) }}

),

known_authors as (

    {{ registry_rows('authors', 'author', 'asked', ['lab_id']) }}

),

-- A row of the model itself counts before the row of its author, as for usage.
named as (

    select
        asked.*,
        coalesce(known_models.lab_id, known_authors.lab_id) as lab_id
    from asked
    left join known_models using (usage_date, known_on, base_slug)
    left join known_authors using (usage_date, known_on, author)

),

known_labs as (

    {{ registry_rows('labs', 'lab_id', 'named', ['lab_name', 'headquarters']) }}

)

select
    named.source,
    named.period_start,
    named.base_slug,
    named.lab_id,
    known_labs.headquarters as origin,
    named.intelligence_index,
    named.index_source,
    prompts.usd_per_million_tokens as usd_prompt,
    completions.usd_per_million_tokens as usd_completion,
    3 * prompts.usd_per_million_tokens + completions.usd_per_million_tokens as usd_blend_by_4,
    coalesce(usage.tokens, 0) as tokens
from named
inner join known_labs using (usage_date, known_on, lab_id)
-- The plain model at its plain price: `:free` and `:batch` are other products.
inner join prices as prompts
    on
        named.base_slug = lower(prompts.model_permaslug)
        and prompts.price_kind = 'prompt'
        and {{ valid_on('named.usage_date', 'prompts.valid_from', 'prompts.valid_to') }}
inner join prices as completions
    on
        named.base_slug = lower(completions.model_permaslug)
        and completions.price_kind = 'completion'
        and {{ valid_on('named.usage_date', 'completions.valid_from', 'completions.valid_to') }}
left join usage using (source, period_start, base_slug)
where
    known_labs.headquarters is not null
    and 3 * prompts.usd_per_million_tokens + completions.usd_per_million_tokens > 0
