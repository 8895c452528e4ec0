"""Numbers of a vintage for the UI: the tab Plots of the asset `vintage` draws them over the
nights. They are read from published tables; nothing is computed here."""

from datetime import UTC, date, datetime, time, timedelta

import dagster as dg
import duckdb

from orchestration.publication.vintage import Vintage
from orchestration.settings import PRIMARY_SOURCE
from orchestration.tables import open_tables

# The newest complete day; a share is a fraction of all tokens of that day.
_FIGURES = """
with newest as (
    select max(period_start) as day
    from share_by_origin_daily
    where source = $source and is_complete
),
origins as (
    select origin, share, total_tokens
    from share_by_origin_daily
    inner join newest on period_start = day
    where source = $source and lens = 'author_hq'
),
identified as (
    select identification, share
    from identification_daily
    inner join newest on usage_date = day
    where source = $source
)
select
    (select day from newest) as newest_day,
    (select max(total_tokens) from origins) as tokens,
    coalesce((select share from origins where origin = 'US'), 0) as us_share,
    coalesce((select share from origins where origin = 'CN'), 0) as cn_share,
    coalesce((select share from identified where identification = 'attributed'), 0) as coverage,
    coalesce((select share from identified where identification = 'unmapped'), 0) as unmapped,
    coalesce((select share from identified where identification = 'tail'), 0) as tail
"""
LAST_UPDATED = "dagster/last_updated_timestamp"
# Published models that are of another source than the rankings, and the table with its days.
_DAYS_OF = dict.fromkeys(
    ["gateway_shares_daily", "gateway_comparison", "gateway_spend_by_lab"], "gateway_shares_daily"
)


def end_of(day: date) -> dg.TimestampMetadataValue:
    """The moment at which a UTC day is over: so new is data whose newest day it is."""
    return dg.MetadataValue.timestamp(datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC))


def newest_day(
    connection: duckdb.DuckDBPyConnection, model: str, schema: str = ""
) -> dict[str, str | dg.TimestampMetadataValue]:
    """Metadata with the newest day in the data that a model is made from; empty without a day.

    `schema`, with its dot, is where the tables are.
    """
    sql = (
        f"select max(usage_date) from {schema}{_DAYS_OF[model]}"
        if model in _DAYS_OF
        else f"select max(usage_date) from {schema}usage_daily where source = '{PRIMARY_SOURCE}' "
        "and is_complete"
    )
    ((day,),) = connection.execute(sql).fetchall()
    return {} if day is None else {"newest_day": f"{day}", LAST_UPDATED: end_of(day)}


def figures_of(made: Vintage) -> dict[str, float | int | str | dg.TimestampMetadataValue]:
    """Metadata with the figures of the newest complete day; empty if no day is complete."""
    with open_tables(made.path / "tables") as connection:
        cursor = connection.execute(_FIGURES, {"source": PRIMARY_SOURCE})
        names = [column[0] for column in cursor.description or ()]
        ((day, *values),) = cursor.fetchall()
    if day is None:
        return {}
    figures = dict(zip(names[1:], values, strict=True))
    return {"newest_day": f"{day}", LAST_UPDATED: end_of(day), **figures}
