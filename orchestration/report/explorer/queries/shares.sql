-- What the explorer shows by origin, lab, license and price band: one row per source, grain, lens,
-- reading of the registry (view), period and member, as published. Origins have a row for each
-- reading if the two differ anywhere in the source (`then`, `now`), else one (`both`); all else is
-- published in one reading (`published`). Shares are rounded to millionths.
with by_origin as (
    select
        source, 'daily' as grain, lens, period_start, origin as member, tokens, share, share_low,
        share_high
    from share_by_origin_daily
    union all
    select
        source, 'weekly' as grain, lens, period_start, origin as member, tokens, share, share_low,
        share_high
    from share_by_origin_weekly
    union all
    select
        source, 'monthly' as grain, lens, period_start, origin as member, tokens, share, share_low,
        share_high
    from share_by_origin_monthly
),

restated as (
    select 'daily' as grain, * from restated_by_origin_daily
    union all
    select 'weekly' as grain, * from restated_by_origin_weekly
    union all
    select 'monthly' as grain, * from restated_by_origin_monthly
),

restated_lenses as (
    select distinct source, lens
    from restated
),

views as (
    select by_lens.source, by_lens.lens, coalesce(both_views.view, 'both') as view
    from (select distinct source, lens from by_origin) as by_lens
    left join (
        select source, lens, view
        from restated_lenses
        cross join (values ('then'), ('now')) as named (view)
    ) as both_views using (source, lens)
),

-- A period that is not restated is the same in both readings.
origins as (
    select by_origin.*, views.view
    from by_origin
    inner join views using (source, lens)
    anti join restated using (source, grain, lens, period_start)
    union all by name
    select
        source, grain, lens, 'then' as view, period_start, origin as member, tokens_then as tokens,
        share_then as share, share_then as share_low, share_high_then as share_high
    from restated
    where tokens_then > 0
    union all by name
    select
        source, grain, lens, 'now' as view, period_start, origin as member, tokens_now as tokens,
        share_now as share, share_now as share_low, share_high_now as share_high
    from restated
    where tokens_now > 0
),

shares as (
    select
        source, grain, lens, view, 'origin' as what, period_start, member, member as name, tokens,
        share, share_low, share_high,
        case
            when member <> 'unidentified' then rank() over (
                partition by source, grain, lens, view, period_start, member = 'unidentified'
                order by tokens desc
            )
        end as rank
    from origins
    union all
    select
        source, 'daily' as grain, lens, 'published' as view, 'lab' as what, period_start,
        lab_id as member, lab_name as name, tokens, share, share_low, share_high, rank
    from share_by_lab_daily
    union all
    select
        source, 'weekly' as grain, lens, 'published' as view, 'lab' as what, period_start,
        lab_id as member, lab_name as name, tokens, share, share_low, share_high, rank
    from share_by_lab_weekly
    union all
    select
        source, 'monthly' as grain, lens, 'published' as view, 'lab' as what, period_start,
        lab_id as member, lab_name as name, tokens, share, share_low, share_high, rank
    from share_by_lab_monthly
    union all
    select
        source, 'daily' as grain, lens, 'published' as view, 'license' as what, period_start,
        license as member, license as name, tokens, share, share_low, share_high, rank
    from share_by_license_daily
    union all
    select
        source, 'weekly' as grain, lens, 'published' as view, 'license' as what, period_start,
        license as member, license as name, tokens, share, share_low, share_high, rank
    from share_by_license_weekly
    union all
    select
        source, 'monthly' as grain, lens, 'published' as view, 'license' as what, period_start,
        license as member, license as name, tokens, share, share_low, share_high, rank
    from share_by_license_monthly
    union all
    select
        source, 'daily' as grain, lens, 'published' as view, 'price_band' as what, period_start,
        price_band as member, price_band as name, tokens, share, share_low, share_high, rank
    from share_by_price_band_daily
    union all
    select
        source, 'weekly' as grain, lens, 'published' as view, 'price_band' as what, period_start,
        price_band as member, price_band as name, tokens, share, share_low, share_high, rank
    from share_by_price_band_weekly
    union all
    select
        source, 'monthly' as grain, lens, 'published' as view, 'price_band' as what, period_start,
        price_band as member, price_band as name, tokens, share, share_low, share_high, rank
    from share_by_price_band_monthly
)

select
    source, grain, lens, view, what, period_start, member, name, tokens,
    cast(round(share * 1000000) as integer) as share_millionths,
    cast(round(share_low * 1000000) as integer) as low_millionths,
    cast(round(share_high * 1000000) as integer) as high_millionths,
    cast(rank as integer) as rank
from shares
order by source, grain, lens, view, what, period_start, tokens desc, member
