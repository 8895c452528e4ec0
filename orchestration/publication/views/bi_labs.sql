-- description: One row per lab of the registry, and one for what is not identified, as the registry
--   has it on the newest day of usage. A lab whose headquarters moved had another origin before; in
--   the views with shares the origin is that of each period.
-- key: [lab_id]
-- columns:
--   lab_id: "Lab of the registry, or `unidentified`."
--   lab_name: "Canonical name of the lab, or `Unidentified`."
--   origin: "ISO 3166-1 alpha-2 code of its headquarters, or `unidentified` if no page states it."
--   origin_name: The usual English name of the country, or `Unidentified`.
with newest as (
    select max(usage_date) as usage_date from usage_daily
),

versions as (
    select
        registry_labs.lab_id,
        registry_labs.lab_name,
        coalesce(registry_labs.headquarters, 'unidentified') as origin,
        row_number() over (
            partition by registry_labs.lab_id
            order by
                case
                    when registry_labs.valid_from > newest.usage_date then 1
                    when registry_labs.valid_to <= newest.usage_date then 1
                    else 0
                end,
                registry_labs.known_from desc nulls last,
                registry_labs.valid_from desc nulls last
        ) as place
    from registry_labs
    cross join newest
),

labs as (
    select
        lab_id,
        lab_name,
        origin
    from versions
    where place = 1
    union all
    select
        'unidentified' as lab_id,
        'Unidentified' as lab_name,
        'unidentified' as origin
)

select
    labs.lab_id,
    labs.lab_name,
    labs.origin,
    bi_countries.origin_name
from labs
left join bi_countries on labs.origin = bi_countries.origin
