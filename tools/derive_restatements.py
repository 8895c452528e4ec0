"""Derive restatements.csv: how OpenRouter's rankings changed after they were read.

    python -m tools.derive_restatements --inputs FOLDER

A run of the pipeline does not need the table; the simulator of nightly pulls draws from it. Inputs:
46 pulls of 45 nights (2026-06-22 to 2026-08-05), and the shipped history, made on 2026-10-11.
Source: OpenRouter (openrouter.ai/rankings), as of the times of the pulls. Licensed under CC BY 4.0.

What a row means
    The figures of usage_date as read at read_at (UTC), beside those in compared_with: the next
    pull, or the history for days that the last pull that has them cannot settle. age_days is the
    number of days from the day of usage to the day of the reading. change_ppb is the change of the
    day's total in parts per billion of what was read. rows_changed of its rows_read rows changed;
    largest_change_ppb is the change of the row that changed most, in parts per billion of itself.
    Days that are 1 or 2 days old have a row even if nothing changed. No older day changed between
    two pulls: they have a row only if the history differs.
"""

from tools.inputs import ROOT, parse_arguments

RESTATEMENTS = r"""
    with files as (
        select distinct
            filename,
            cast(regexp_replace(
                parse_filename(filename),
                '^(.{10}T\d\d)-(\d\d)-(\d\d)(Z|[+-]\d\d)-?(\d\d)?.*', '\1:\2:\3\4'
            ) as timestamptz) as read_at
        from pulls
    ),
    numbered as (
        select *, row_number() over (order by read_at) as pull from files
    ),
    read_rows as (
        select pull, date as usage_date, model_permaslug, total_tokens as tokens
        from pulls
        inner join numbered using (filename)
    ),
    -- Of each day in each pull: its rows in the next pull, or in the history if there is none.
    pairs as (
        select before.*, 'next_pull' as compared_with, next.tokens as later_tokens
        from read_rows as before
        inner join read_rows as next
            on next.pull = before.pull + 1
            and next.usage_date = before.usage_date
            and next.model_permaslug = before.model_permaslug
        union all
        select last.*, 'history', history.total_tokens
        from read_rows as last
        inner join history
            on history.date = last.usage_date
            and history.model_permaslug = last.model_permaslug
        where last.pull = (
            select max(r.pull) from read_rows as r where r.usage_date = last.usage_date
        )
    ),
    days as (
        select
            pull,
            usage_date,
            compared_with,
            count(*) as rows_read,
            count(*) filter (tokens <> later_tokens) as rows_changed,
            cast(sum(tokens) as hugeint) as tokens,
            cast(sum(later_tokens) as hugeint) as later_tokens,
            max_by(
                (cast(later_tokens as hugeint) - tokens) * 1000000000 // nullif(tokens, 0),
                abs(cast(later_tokens as hugeint) - tokens) / nullif(tokens, 0)
            ) as largest_change_ppb
        from pairs
        group by all
    )
    select
        strftime(read_at at time zone 'UTC', '%Y-%m-%dT%H:%M:%SZ') as read_at,
        usage_date,
        compared_with,
        cast(read_at at time zone 'UTC' as date) - usage_date as age_days,
        rows_read,
        rows_changed,
        (later_tokens - tokens) * 1000000000 // tokens as change_ppb,
        coalesce(largest_change_ppb, 0) as largest_change_ppb
    from days
    inner join numbered using (pull)
    where rows_changed > 0 or (compared_with = 'next_pull' and age_days <= 2)
    order by compared_with desc, read_at, usage_date
"""

if __name__ == "__main__":
    inputs = parse_arguments(__doc__, ROOT / "orchestration" / "demo")
    connection = inputs.catalogue()
    for table, pattern in (
        ("pulls", "openrouter/rankings-daily/pulls/*.csv.gz"),
        ("history", "data/landing/openrouter_rankings/*/dump.csv.gz"),
    ):
        connection.execute(
            f"create table {table} as from read_csv(?, filename = true)",
            [[str(p) for p in inputs.paths(pattern)]],
        )
    inputs.write_query("restatements.csv", connection, RESTATEMENTS)
