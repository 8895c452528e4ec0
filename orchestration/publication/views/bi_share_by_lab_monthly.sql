-- description: Share of all tokens by lab and calendar month, with sharp bounds, what the tokens
--   cost at list prices, and their average price. One row per source, month and lab; what is not
--   identified is a row of its own, so the shares of a month add up to 1. Lab is the one that
--   released the model. List spend is not what was paid.
-- key: [source, period_start, lab_id]
-- columns:
--   lab_id: "Lab of the registry that released the model, or `unidentified`."
--   lab_name: "Canonical name of the lab, or `Unidentified`."
--   origin: "ISO 3166-1 alpha-2 code of the lab's headquarters on its last day in the period, or
--     `unidentified`."
--   origin_name: The usual English name of the country, or `Unidentified`.
--   list_spend_usd: "US dollars that priced_tokens cost at the list prices of their days, as a
--     floating-point number; spend_by_lab_monthly has decimals and bounds. Not what was paid."
with shares as (
    select * from share_by_lab_monthly
    where lens = 'author_hq'
),

spend as (
    select * from spend_by_lab_monthly
    where lens = 'author_hq'
)

select
    shares.source,
    shares.period_start,
    shares.days_present,
    shares.is_complete,
    shares.lab_id,
    shares.lab_name,
    shares.origin,
    coalesce(bi_countries.origin_name, shares.origin) as origin_name,
    shares.rank,
    shares.tokens,
    shares.total_tokens,
    shares.share,
    shares.share_low,
    shares.share_high,
    spend.spend_rank,
    spend.priced_tokens,
    cast(spend.list_spend_usd as double precision) as list_spend_usd,
    spend.spend_share,
    spend.average_usd_per_million_tokens
from shares
left join spend
    on
        shares.source = spend.source
        and shares.period_start = spend.period_start
        and shares.lab_id = spend.lab_id
left join bi_countries on shares.origin = bi_countries.origin
