-- All tokens by what is known about their model, ever and in the latest complete week. A model
-- whose lab is known has no origin if no page states the lab's country.
with nowhere as (
    select source, period_start as usage_date, lab_id
    from share_by_lab_daily
    where lens = 'author_hq' and origin = 'unidentified' and lab_id <> 'unidentified'
),
latest as (
    select max(period_start) as week
    from share_by_origin_weekly
    where is_complete and lens = 'author_hq'
),
kinds as (
    select
        case when nowhere.lab_id is null then identification else 'no_country' end as kind,
        tokens,
        usage_date between week and week + 6 as is_latest
    from usage_daily
    left join nowhere using (source, usage_date, lab_id)
    cross join latest
)
select
    kind,
    sum(tokens) as tokens,
    sum(tokens) / sum(sum(tokens)) over () as share,
    coalesce(sum(tokens) filter (where is_latest), 0) as week_tokens,
    week_tokens / nullif(sum(week_tokens) over (), 0) as week_share
from kinds
group by kind
order by tokens desc, kind;
