-- severity: warning
-- title: >-
--   new days of one dump have {level_step.warn_min_ratio}
--   ({level_step.warn_min_ratio_of_several_days} from {level_step.several_days} days on) to
--   {level_step.warn_max_ratio} times the tokens of the same weekdays in the
--   {level_step.days_before} days before them
-- judged: ok
-- one_of: [true]
-- limits:
--   - level_step.days
--   - level_step.days_before
--   - level_step.min_weekdays_before
--   - level_step.warn_min_ratio
--   - level_step.warn_min_ratio_of_several_days
--   - level_step.several_days
--   - level_step.warn_max_ratio
--   - restatement.max_relative_change
-- message: >-
--   {first_day} to {last_day}, dump {dump_sha256:.12}: {ratio:.3g} times the tokens of the same
--   weekdays before; was it asked for with a filter (modality, context_bucket, category)?
--
-- A day is new if the previous vintage does not have it, or had it with clearly other tokens. Days in a row from one dump are one window: without a previous vintage, a step shows
-- where the dump changes.
-- Only feeds of rankings are judged; they count no requests. What a company uses may come and go.
with days as (
    select source, usage_date, any_value(dump_sha256) as dump_sha256, sum(tokens) as total_tokens
    from usage_daily where requests is null group by all
),
before as (
    select source, usage_date, sum(tokens) as total_tokens from previous_usage_daily group by all
),
new_days as (
    select days.*, usage_date - cast(
        row_number() over (partition by source, dump_sha256 order by usage_date) as integer
    ) as in_a_row
    from days
    cross join limits
    left join before using (source, usage_date)
    where before.total_tokens is null
        or abs(days.total_tokens - before.total_tokens)
            > limits.restatement.max_relative_change * before.total_tokens
),
windows as (
    select *, min(usage_date) over (partition by source, dump_sha256, in_a_row) as first_day
    from new_days
),
compared as (
    select windows.source, windows.dump_sha256, windows.first_day, windows.usage_date,
        windows.total_tokens, median(usual.total_tokens) as usual_tokens
    from windows
    cross join limits
    inner join days as usual
        on windows.source = usual.source
        and usual.usage_date
            between windows.first_day - cast(limits.level_step.days_before as integer)
            and windows.first_day - 1
        and dayofweek(usual.usage_date) = dayofweek(windows.usage_date)
    where windows.usage_date < windows.first_day + cast(limits.level_step.days as integer)
    group by windows.source, windows.dump_sha256, windows.first_day, windows.usage_date,
        windows.total_tokens
    having count(*) >= any_value(limits.level_step.min_weekdays_before)
),
levels as (
    select source, dump_sha256, first_day, max(usage_date) as last_day, count(*) as days,
        median(total_tokens / nullif(usual_tokens, 0)) as ratio
    from compared group by source, dump_sha256, first_day
)
select levels.*,
    ratio <= limits.level_step.warn_max_ratio
    and ratio >= case
        when days >= limits.level_step.several_days
            then limits.level_step.warn_min_ratio_of_several_days
        else limits.level_step.warn_min_ratio
    end as ok
from levels cross join limits;
