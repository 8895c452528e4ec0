-- description: One row per country of ISO 3166-1, and one for what is not identified.
-- key: [origin]
-- columns:
--   origin: "ISO 3166-1 alpha-2 code, or `unidentified`."
--   origin_name: The usual English name of the country, or `Unidentified`.
with countries (origin, origin_name) as (
    values
    /* the rows of configuration/countries.csv */
    ('unidentified', 'Unidentified')
)

select
    origin,
    origin_name
from countries
