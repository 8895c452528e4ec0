"""`make bench-logs`: how long request logs take beside bare SQL on the same file, in the same run.

Bare SQL is one hand-written query that scans the file, takes one row a request, joins a small table
of models and groups by day: it checks nothing, keeps nothing, and trusts every value. Pipeline is
landing (copy of the allowed columns, checks by the contract, quarantine) and reduction (types,
requests that repeat, sums by day, through dbt). Each is a process of its own, so that its memory
can be seen. ROWS is the size of the largest file, FULL=1 measures all sizes.
"""

import csv
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from orchestration.demo.history import read_history
from orchestration.demo.requests import Load, write_requests
from orchestration.request_logs import REQUEST_LOGS
from orchestration.settings import DBT_PROJECT_DIR, Settings
from orchestration.tables import parquet, sql_text

FULL = bool(os.environ.get("FULL"))
ROWS = int(os.environ.get("ROWS") or (20_000_000 if FULL else 2_000_000))
SIZES = (1_000_000, 100_000_000) if FULL else (ROWS // 8, ROWS)
# The shipped history begins on 2025-01-01, and no log may be of the future.
NIGHTS = (30, 690) if FULL else (30, 120)
DAY = date(2026, 8, 20)
# Of a file of gzip or CSV, one fifth of the rows: reading them takes that much longer.
FORMS = (
    ("usage_events", ".parquet", 1, "1.3"),
    ("usage_events", ".csv", 5, "1.2"),
    ("usage_events", ".jsonl.gz", 5, "1.2"),
    ("otlp", ".jsonl", 5, "1.2"),
)
_COLUMNS = {
    "request_id": "varchar",
    "started_at": "timestamp",
    "model": "varchar",
    "provider": "varchar",
    "region": "varchar",
    "status": "varchar",
    "prompt_tokens": "bigint",
    "completion_tokens": "bigint",
    "reasoning_tokens": "bigint",
    "cache_read_tokens": "bigint",
    "cache_write_tokens": "bigint",
    "cost_usd": "decimal(18, 9)",
    "user": "varchar",
    "prompt": "varchar",
}
_SPANS = (
    "struct(scopeSpans struct(spans struct(startTimeUnixNano varchar, attributes struct("
    '"key" varchar, "value" struct(stringValue varchar, intValue bigint, doubleValue double)'
    ")[])[])[])[]"
)


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock and of all cores, the most memory, and what the process printed."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    said: dict[str, float]


def child(*arguments: str | Path) -> Cost:
    """Run a part of this file as a process; it prints one JSON object."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench_logs", *map(str, arguments)], stdout=said
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(process.returncode)
        said.seek(0)
        printed = json.loads(said.read().splitlines()[-1])
    seconds = time.perf_counter() - started
    return Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, printed)


def scanned(path: Path) -> str:
    """SQL that reads a file as plainly as possible, with the columns of `usage_events`."""
    if path.name.startswith("otlp"):
        wanted = {
            "gen_ai.response.id": ("request_id", "stringValue"),
            "gen_ai.response.model": ("model", "stringValue"),
            "trace.metadata.openrouter.provider_name": ("provider", "stringValue"),
            "gen_ai.usage.input_tokens": ("prompt_tokens", "intValue"),
            "gen_ai.usage.output_tokens": ("completion_tokens", "intValue"),
            "gen_ai.usage.output_tokens.reasoning": ("reasoning_tokens", "intValue"),
            "gen_ai.usage.input_tokens.cached": ("cache_read_tokens", "intValue"),
            "gen_ai.usage.total_cost": ("cost_usd", "doubleValue"),
        }
        values = ", ".join(
            f"list_filter(attributes, lambda a: a.key = '{key}')[1].value.{kind} as {name}"
            for key, (name, kind) in wanted.items()
        )
        return (
            "(select make_timestamp(try_cast(startTimeUnixNano as bigint) // 1000) as started_at, "
            f"{values}, null as region, null as status, 0 as cache_write_tokens from ("
            "select unnest(resourceSpans[1].scopeSpans[1].spans, recursive := true) from read_json("
            f"{sql_text(path)}, format = 'newline_delimited', "
            f"columns = {{resourceSpans: {sql_text(_SPANS)}}})))"
        )
    types = ", ".join(f"{sql_text(name)}: {sql_text(kind)}" for name, kind in _COLUMNS.items())
    if path.name.endswith(".csv"):
        return (
            f"read_csv({sql_text(path)}, auto_detect = false, header = true, columns = {{{types}}})"
        )
    if ".jsonl" in path.name:
        return f"read_json({sql_text(path)}, format = 'newline_delimited', columns = {{{types}}})"
    return parquet(path)


def bare(path: Path, folder: Path) -> dict[str, float]:
    """The least that these numbers cost: scan, one row a request, join, group; one file a day."""
    settings = Settings(data_dir=folder)
    seed = DBT_PROJECT_DIR / "seeds" / "models.csv"
    with seed.open(encoding="utf-8", newline="") as file:
        key, lab = next(csv.reader(file))[:2]
    target = folder / "bare.parquet"
    started = time.perf_counter()
    with duckdb.connect() as connection:
        connection.execute(f"set memory_limit = {sql_text(settings.duckdb_memory)}")
        connection.execute(f"set temp_directory = {sql_text(folder / 'spill')}")
        connection.execute(f"""
            copy (
                with once as (
                    select * from {scanned(path)}
                    qualify row_number() over (partition by request_id) = 1
                )
                select
                    cast(started_at as date) as usage_date, model, any_value(m.{lab}) as lab,
                    provider, region, status, count(*) as requests,
                    sum(prompt_tokens) as prompt_tokens,
                    sum(completion_tokens) as completion_tokens,
                    sum(reasoning_tokens) as reasoning_tokens,
                    sum(cache_read_tokens) as cache_read_tokens,
                    sum(cache_write_tokens) as cache_write_tokens, sum(cost_usd) as cost_usd
                from once
                left join (
                    select {key}, any_value({lab}) as {lab}
                    from read_csv({sql_text(seed)}, all_varchar = true) group by {key}
                ) as m on once.model = m.{key}
                group by all
            ) to {sql_text(target)} (format parquet)
        """)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "completion_tokens": _completion_tokens([target])}


def _completion_tokens(files: list[Path]) -> float:
    paths = ", ".join(sql_text(path) for path in files)
    ((tokens,),) = duckdb.sql(
        f"select sum(completion_tokens) from read_parquet([{paths}])"
    ).fetchall()
    return float(tokens)


def pipeline(paths: list[Path], folder: Path) -> dict[str, float]:
    """Land these files and reduce their days."""
    from orchestration.ingestion.ingest import ingest_all
    from orchestration.landing.store import land, read_records
    from orchestration.transformation.dbt import ensure_manifest
    from orchestration.transformation.request_days import reduce_requests

    settings = Settings(data_dir=folder, shipped_history=False)
    ensure_manifest(settings)  # parsed once per process, whatever the size
    started = time.perf_counter()
    for path in paths:
        land(path, settings)
    landed = time.perf_counter()
    reduced = reduce_requests(ingest_all(read_records(settings), settings), settings)
    ended = time.perf_counter()
    return {
        "landing": landed - started,
        "reduction": ended - landed,
        "completion_tokens": _completion_tokens([day.path for day in reduced]),
    }


def line(label: str, cost: Cost, seconds: float, against: float, bound: str = "") -> None:
    print(
        f"{label:52}{seconds:9.2f}{seconds / against:12.2f}{cost.cpu_seconds:10.1f}"
        f"{cost.peak_bytes / 1e6:7.0f}  {bound}".rstrip(),
        flush=True,
    )


def simulated(folder: Path, name: str, rows: int) -> Path:
    """A log of one day, `<format>.<ending>`, with 0.5 % duplicates."""
    form, _, rest = name.partition(".")
    target = folder / f"{form}-{rows}.{rest}"
    started = time.perf_counter()
    (path,) = write_requests(target, read_history(), Load(rows), [DAY], form, f".{rest}")
    print(
        f"\n{path.name}: {rows:,} simulated rows of one day, {path.stat().st_size:,} bytes, made "
        f"in {time.perf_counter() - started:.0f} s"
    )
    return path


def compare(path: Path, folder: Path, bound: str) -> float:
    """Measure and print one file; returns the seconds of the pipeline."""
    spent = child("bare", path, folder / f"bare-{path.name}")
    own = child("pipeline", folder / f"data-{path.name}", path)
    landing, reduction = own.said["landing"], own.said["reduction"]
    against = spent.said["seconds"]
    # Bare SQL also counts the rows that are quarantined, one in ten thousand.
    counted = [cost.said["completion_tokens"] for cost in (spent, own)]
    assert math.isclose(*counted, rel_tol=1e-3), counted
    print(f"{'':52}{'seconds':>9}{'× bare SQL':>12}{'of cores':>10}{'MB':>7}  at most")
    line("bare SQL", spent, against, against)
    for label, seconds in (("landing", landing), ("reduction", reduction)):
        print(f"{'of the pipeline: ' + label:52}{seconds:9.2f}{seconds / against:12.2f}")
    line("pipeline, together", own, landing + reduction, against, f"× {bound}, 4000 MB")
    return landing + reduction


def one_more_day(landed: int, folder: Path) -> tuple[float, Cost]:
    """Seconds of one more day of requests, with so many days in the warehouse."""
    history, days = read_history(), [DAY - timedelta(days=n) for n in reversed(range(landed + 1))]
    first = max(history.first, days[0])
    days = [first + timedelta(days=n) for n in range(landed)]
    logs = write_requests(folder / "before", history, Load(1_000), days, "usage_events", ".jsonl")
    data = folder / "data"
    child("pipeline", data, *logs)
    newest = write_requests(
        folder / "newest", history, Load(200_000), [days[-1] + timedelta(days=1)],
        "usage_events", ".jsonl",
    )  # fmt: skip
    cost = child("pipeline", data, *newest)
    return cost.said["landing"] + cost.said["reduction"], cost


def _measured(folder: Path) -> Iterator[tuple[int, float]]:
    for rows in SIZES:
        if rows != ROWS:
            path = simulated(folder, "usage_events.parquet", rows)
            yield rows, compare(path, folder, "1.3")
            path.unlink()


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        seconds = dict(_measured(folder))
        for form, ending, part, bound in FORMS:
            if form not in REQUEST_LOGS:
                print(f"\n{form}: this version has no such format, so it is not measured")
                continue
            path = simulated(folder, form + ending, ROWS // part)
            taken = compare(path, folder, bound)
            path.unlink()
            if ending == ".parquet":
                seconds[ROWS] = taken
        (low, fast), *_, (high, slow) = sorted(seconds.items())
        slope = math.log(slow / fast) / math.log(high / low)
        print(f"\nlog-log slope of the pipeline from {low:,} to {high:,} rows: {slope:.2f}")
        more = {n: one_more_day(n, folder / f"nights-{n}") for n in NIGHTS}
        (few, (at_few, _)), (many, (at_many, _)) = more.items()
        for n, (taken, cost) in more.items():
            print(
                f"one more day of 200,000 requests beside {n} days: {taken:.2f} s, "
                f"{cost.peak_bytes / 1e6:.0f} MB"
            )
        print(f"the day beside {many} takes {at_many / at_few - 1:+.0%} of the one beside {few}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["bare", path, folder]:
            Path(folder).mkdir(parents=True)
            print(json.dumps(bare(Path(path), Path(folder))))
        case ["pipeline", folder, *paths]:
            print(json.dumps(pipeline([Path(p) for p in paths], Path(folder))))
        case _:
            main()
