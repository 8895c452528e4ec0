-- severity: blocker
-- judges: source
-- title: unmapped authors have at most {unmapped.max_weekly_share:.0%} of a week
-- judged: unmapped_share
-- max: limits.unmapped.max_weekly_share
-- limits: [unmapped.max_weekly_share]
-- rows: needed
-- message: >-
--   week of {week}: unmapped authors have {unmapped_share:.4f} of all tokens: {authors}
--
-- Only feeds of rankings are judged; they count no requests. What a company uses may come and go.
with weeks as (
    select source, cast(date_trunc('week', usage_date) as date) as week, author,
        sum(tokens) as tokens,
        sum(tokens) filter (where identification = 'unmapped') as unmapped_tokens
    from usage_daily where requests is null group by all
)
select source, week, coalesce(sum(unmapped_tokens), 0) / sum(tokens) as unmapped_share,
    coalesce(
        string_agg(author, ', ' order by unmapped_tokens desc, author)
            filter (where unmapped_tokens > 0),
        'none'
    ) as authors
from weeks group by source, week;
