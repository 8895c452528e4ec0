-- description: Share of all tokens by origin and ISO week (Monday to Sunday), with sharp bounds and
--   the week 52 weeks before. One row per source, week and origin; what is not identified is a row
--   of its own, so the shares of a week add up to 1. Origin is the headquarters of the lab that
--   released the model.
-- key: [source, period_start, origin]
-- columns:
--   origin: "ISO 3166-1 alpha-2 code of the headquarters, or `unidentified`."
--   origin_name: The usual English name of the country, or `Unidentified`.
--   tokens_year_before: "Tokens of this origin in the week 52 weeks before; NULL if it had none,
--     or if that week is missing or not complete."
--   share_year_before: Its share of all tokens then; NULL as before.
with shares as (
    select * from share_by_origin_weekly
    where lens = 'author_hq'
)

select
    shares.source,
    shares.period_start,
    shares.days_present,
    shares.is_complete,
    shares.origin,
    coalesce(bi_countries.origin_name, shares.origin) as origin_name,
    shares.rank,
    shares.tokens,
    shares.total_tokens,
    shares.share,
    shares.share_low,
    shares.share_high,
    year_before.tokens as tokens_year_before,
    year_before.share as share_year_before
from shares
left join bi_countries on shares.origin = bi_countries.origin
left join shares as year_before
    on
        shares.source = year_before.source
        and shares.origin = year_before.origin
        and year_before.period_start = cast(shares.period_start - interval '364' day as date)
        and year_before.is_complete
