"""List models that were served before the catalogue named a repository with their weights.

    python -m tools.check_first_days --inputs FOLDER

A run of the pipeline does not need this. In models.csv an empty valid_from means always, so a row
that says open_weight without a first day also holds on the days before the first in the rankings,
which usage logs of a gateway may have. The table that is printed says where to look: the
weights of these models may be younger than their API. Input: price_events_*.parquet, every change
in 1,107 states of OpenRouter's catalogue, about two a day.

What a row means
    The catalogue made its entry for base_slug on created_on, and listed it first in the state of
    first_listed (UTC). An entry is made up to four days before it is listed. repository_named is
    the first state that names a repository on Hugging Face; it is empty if none does. The name is a
    hint and no proof: look up the day on which the weights came out. If it is later than the day
    of first_listed, the row becomes two: closed until then, and open_weight from then on.
"""

import csv
import sys

import duckdb

from tools.inputs import SEEDS, parse_arguments

FIRST_DAYS = """
    with listed as (
        select
            lower(coalesce(canonical_slug, split_part(model_id, ':', 1))) as base_slug,
            cast(observed_at as timestamptz) as listed_at,
            to_timestamp(created)::date as created_on,
            nullif(hugging_face_id, '') is not null as has_repository
        from read_parquet($events)
        where event = 'set'
    ),
    firsts as (
        select
            base_slug,
            min(created_on) as created_on,
            min(listed_at) as first_listed,
            min(listed_at) filter (where has_repository) as repository_named
        from listed
        group by base_slug
    )
    select
        base_slug,
        created_on,
        strftime(first_listed, '%Y-%m-%dT%H:%MZ') as first_listed,
        strftime(repository_named, '%Y-%m-%dT%H:%MZ') as repository_named
    from read_csv($models, all_varchar = true) as models
    inner join firsts using (base_slug)
    where models.license = 'open_weight'
        and models.valid_from is null
        and (firsts.repository_named is null or firsts.repository_named > firsts.first_listed)
        -- Before this state, of 2025-05-13, the catalogue named no repository of any model.
        and firsts.first_listed >= (select min(listed_at) from listed where has_repository)
    order by firsts.first_listed, base_slug
"""

if __name__ == "__main__":
    inputs = parse_arguments(__doc__)
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        found = connection.sql(
            FIRST_DAYS,
            params={
                "events": str(inputs.path("openrouter/models/price_events_*.parquet")),
                "models": str(SEEDS / "models.csv"),
            },
        )
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(found.columns)
        writer.writerows(found.fetchall())
