"""Land request logs and reduce them to days, as a run does, for tests."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import land, read_records
from orchestration.settings import Settings
from orchestration.transformation.request_days import reduce_requests


def reduced(files: Iterable[Path], settings: Settings) -> list[dict[str, Any]]:
    """The rows of `request_days` after these files are landed as well."""
    for file in files:
        land(file, settings)
    days = reduce_requests(ingest_all(read_records(settings), settings), settings)
    return [row for day in days for row in pq.read_table(day.path).to_pylist()]


def totals(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The sums of all measures of `request_days`, and the requests by outcome."""
    listed = list(rows)
    names = [n for n in listed[0] if n.endswith(("_tokens", "_usd")) or n.startswith("requests")]
    sums = {name: sum(row[name] for row in listed) for name in names}
    outcomes: dict[str, int] = {}
    for row in listed:
        outcomes[row["outcome"]] = outcomes.get(row["outcome"], 0) + row["requests"]
    return {**sums, "outcomes": outcomes}


def quarantined(settings: Settings) -> list[dict[str, Any]]:
    """Every row of the quarantine of the landed dumps."""
    paths = [str(i.quarantine_path) for i in ingest_all(read_records(settings), settings)]
    with duckdb.connect() as connection:
        return (
            connection.sql(
                "select source, row_number, scope, code, field, value from read_parquet($1) "
                "order by all",
                params=[paths],
            )
            .to_arrow_table()
            .to_pylist()
        )


def files_with(text: str, settings: Settings) -> list[Path]:
    """The files below data_dir that contain this text, compressed Parquet files too."""
    found = []
    for path in sorted(p for p in settings.data_dir.rglob("*") if p.is_file()):
        if path.suffix == ".parquet":
            content = str(pq.read_table(path).to_pydict()).encode()
        else:
            content = path.read_bytes()
        if text.encode() in content:
            found.append(path)
    return found
