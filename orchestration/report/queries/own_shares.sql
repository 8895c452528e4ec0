-- Shares of a company's own tokens beside those of OpenRouter's rankings in the same ISO weeks (or
-- days, if no week has four days of use): by origin, lab, license, list price band and, without a
-- counterpart, by the country of who served. What one side does not have is 0 of its tokens, at
-- most what it cannot identify.
with grains as (
    select source, case when max(days_present) >= 4 then 'weekly' else 'daily' end as grain
    from share_by_origin_weekly
    where source in (select source from served_daily)
    group by source
),
origins as (
    select 'weekly' as grain, * from share_by_origin_weekly
    union all
    select 'daily' as grain, * from share_by_origin_daily
),
labs as (
    select 'weekly' as grain, * from share_by_lab_weekly where lens = 'author_hq'
    union all
    select 'daily' as grain, * from share_by_lab_daily where lens = 'author_hq'
),
licenses as (
    select 'weekly' as grain, * from share_by_license_weekly where lens = 'author_hq'
    union all
    select 'daily' as grain, * from share_by_license_daily where lens = 'author_hq'
),
bands as (
    select 'weekly' as grain, * from share_by_price_band_weekly where lens = 'author_hq'
    union all
    select 'daily' as grain, * from share_by_price_band_daily where lens = 'author_hq'
),
shares as (
    select
        case lens when 'author_hq' then 'origin' else 'serving_headquarters' end as share_of, grain,
        source, period_start, origin as name, origin as label, origin, tokens, share, share_high
    from origins
    where lens in ('author_hq', 'serving_hq')
    union all
    select
        'lab', grain, source, period_start, lab_id, lab_name, origin, tokens, share, share_high
    from labs
    union all
    select
        'license', grain, source, period_start, license, license, null, tokens, share, share_high
    from licenses
    union all
    select
        'price_band', grain, source, period_start, price_band, price_band, null, tokens, share,
        share_high
    from bands
),
periods as (
    select distinct shares.source, grain, period_start
    from shares inner join grains using (source, grain)
),
sides as (
    select
        periods.source, periods.period_start, shares.share_of, shares.name,
        max(shares.label) as label, max(shares.origin) as origin,
        shares.name in ('unidentified', 'unknown', 'unpriced') as is_unknown,
        max(shares.tokens) filter (where shares.source = periods.source) as tokens,
        max(shares.share) filter (where shares.source = periods.source) as share,
        max(shares.share_high) filter (where shares.source = periods.source) as share_high,
        max(shares.share) filter (where shares.source <> periods.source) as market_share,
        max(shares.share_high) filter (where shares.source <> periods.source) as market_high
    from periods
    inner join shares
        on periods.grain = shares.grain and periods.period_start = shares.period_start
        and shares.source in (periods.source, 'openrouter_rankings')
    group by periods.source, periods.period_start, shares.share_of, shares.name
),
with_unknown as (
    select
        *,
        coalesce(
            max(share) filter (where is_unknown)
                over (partition by source, period_start, share_of), 0
        ) as unknown_share,
        coalesce(
            max(market_share) filter (where is_unknown)
                over (partition by source, period_start, share_of), 0
        ) as market_unknown_share,
        count(market_share) over (partition by source, period_start, share_of) > 0 as has_market
    from sides
),
filled as (
    select
        source, period_start, share_of, name, label, origin, is_unknown,
        coalesce(tokens, 0) as tokens,
        coalesce(share, 0) as share,
        coalesce(share, 0) as share_low,
        coalesce(share_high, unknown_share) as share_high,
        case when has_market then coalesce(market_share, 0) end as market_share,
        case when has_market then coalesce(market_share, 0) end as market_share_low,
        case when has_market then coalesce(market_high, market_unknown_share) end
            as market_share_high
    from with_unknown
)
select
    *,
    share - market_share as difference,
    share_low - market_share_high as difference_low,
    share_high - market_share_low as difference_high
from filled
order by source, period_start, share_of, is_unknown, share desc, market_share desc, name;
