-- Two ISO weeks beside each other: the latest complete one, and that of 52 weeks earlier, or else
-- the first complete one. To compare others, write their Mondays into `picked`.
with complete as (
    select distinct period_start
    from share_by_origin_weekly
    where is_complete and lens = 'author_hq'
),
picked as (
    select
        coalesce(
            max(period_start) filter (
                where period_start = (select max(period_start) from complete) - 364
            ),
            min(period_start)
        ) as earlier,
        max(period_start) as later
    from complete
),
shares as (
    select
        'origin' as share_of, period_start, origin as id, origin as name, origin, tokens, share,
        share_low, share_high
    from share_by_origin_weekly
    where lens = 'author_hq'
    union all
    select
        'lab', period_start, lab_id, lab_name, origin, tokens, share, share_low, share_high
    from share_by_lab_weekly
    where lens = 'author_hq' and lab_id <> 'unidentified'
),
-- Who is not in a week has none of its tokens, at most what is unidentified in it.
unknown as (
    select
        coalesce(max(share) filter (where period_start = earlier), 0) as earlier_share,
        coalesce(max(share) filter (where period_start = later), 0) as later_share
    from shares cross join picked
    where share_of = 'origin' and origin = 'unidentified'
),
sides as (
    select
        share_of, id, max(name) as name, max(origin) as origin, earlier, later,
        max(tokens) filter (where period_start = earlier) as tokens_earlier,
        max(tokens) filter (where period_start = later) as tokens_later,
        max(share) filter (where period_start = earlier) as share_earlier,
        max(share_low) filter (where period_start = earlier) as low_earlier,
        max(share_high) filter (where period_start = earlier) as high_earlier,
        max(share) filter (where period_start = later) as share_later,
        max(share_low) filter (where period_start = later) as low_later,
        max(share_high) filter (where period_start = later) as high_later
    from shares cross join picked
    where period_start in (earlier, later)
    group by share_of, id, earlier, later
),
filled as (
    select
        share_of, id, name, origin, earlier, later,
        coalesce(tokens_earlier, 0) as tokens_earlier,
        coalesce(tokens_later, 0) as tokens_later,
        coalesce(share_earlier, 0) as share_earlier,
        coalesce(low_earlier, 0) as low_earlier,
        coalesce(high_earlier, earlier_share) as high_earlier,
        coalesce(share_later, 0) as share_later,
        coalesce(low_later, 0) as low_later,
        coalesce(high_later, later_share) as high_later
    from sides cross join unknown
)
select
    *,
    share_later - share_earlier as change,
    low_later - high_earlier as change_low,
    high_later - low_earlier as change_high
from filled
where earlier < later
order by
    share_of desc, origin = 'unidentified' and share_of = 'origin', share_later desc,
    share_earlier desc, id;
