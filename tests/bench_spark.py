"""`make bench-spark`: the reduction of a log of requests on DuckDB and on Spark, in the same run.

SIZES="2000000 50000000" are the numbers of simulated requests of one day; each log is landed once
and reduced by both engines, each in a process of its own, with the settings that users have. The
reduced days must be equal in every cell, or this fails. FULL=1 also makes a vintage of the shipped
history and the requests of the smallest size with both engines, and compares every cell of the
published tables.

Memory is the most that all processes of an engine had at one moment: ours and Java's.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq

from orchestration.demo.history import read_history
from orchestration.demo.requests import Load, write_requests
from orchestration.settings import PROJECT_ROOT, Settings
from tests.spark.test_spark import all_differing, differing

SIZES = [int(size) for size in os.environ.get("SIZES", "").split()] or [2_000_000, 10_000_000]
FULL = bool(os.environ.get("FULL"))
ENGINES = ("duckdb", "spark")
DAY = date(2026, 8, 20)
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Cost:
    """Of an engine: seconds by the clock and of all cores, the most memory, and its result."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    path: Path


@dataclass
class _Watched:
    """The processes of a session of the system: what they have together, and what each has used."""

    peak_bytes: int = 0
    used: dict[int, float] | None = None

    def look(self, session: int) -> None:
        now, self.used = 0, self.used or {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                # Behind the name, which may have spaces: state, parent, group, session, …
                fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            if int(fields[3]) == session:
                now += int(fields[21]) * _PAGE
                self.used[int(stat.parent.name)] = (int(fields[11]) + int(fields[12])) / _TICKS
        self.peak_bytes = max(self.peak_bytes, now)


def child(task: str, engine: str, folder: Path) -> Cost:
    """Run a part of this file as a process; the last line that it prints is the path of its
    result."""
    watched, ended = _Watched(), threading.Event()
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as noise:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench_spark", task, engine, str(folder)],
            stdout=said,
            stderr=noise,
            start_new_session=True,
            cwd=PROJECT_ROOT,
        )

        def watch() -> None:
            while not ended.wait(0.1):
                watched.look(process.pid)

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            status = process.wait()
        finally:
            ended.set()
            watching.join()
        seconds = time.perf_counter() - started
        if status:
            noise.seek(0)
            why = noise.read().decode(errors="replace")
            raise SystemExit(f"{why}\n{task} on {engine}: exit code {status}")
        said.seek(0)
        path = Path(json.loads(said.read().splitlines()[-1]))
    return Cost(seconds, sum((watched.used or {}).values()), watched.peak_bytes, path)


def reduce(engine: str, folder: Path) -> Path:
    """Reduce what is landed in this folder; returns the folder of the days."""
    from orchestration.landing.store import read_records
    from orchestration.transformation.request_days import days, reduce_days

    settings = Settings(data_dir=folder).model_copy(update={"engine": engine})
    wanted = days(read_records(settings), settings)
    reduce_days(wanted, settings)
    kept = folder / engine
    kept.mkdir()
    for day in wanted:
        day.path.rename(kept / f"{day.usage_date}.parquet")
    return kept


def publish(engine: str, folder: Path) -> Path:
    """Make a vintage of what is landed in this folder; returns the folder of its tables."""
    from orchestration import pipeline

    # The environment of the tests says that there is no shipped history.
    settings = Settings(data_dir=folder, shipped_history=True)
    settings = settings.model_copy(update={"engine": engine})
    vintage = pipeline.run(settings).vintage
    assert not vintage.withheld
    return vintage.path / "tables"


def landed(rows: int, folder: Path) -> Settings:
    """A day of so many simulated requests, 0.5 % of them twice, landed and checked."""
    from orchestration.ingestion.ingest import ingest_all
    from orchestration.landing.store import land, read_records

    settings = Settings(data_dir=folder / "data", shipped_history=False)
    target = folder / "usage_events.parquet"
    (path,) = write_requests(target, read_history(), Load(rows), [DAY], "usage_events", ".parquet")
    land(path, settings)
    path.unlink()
    ingest_all(read_records(settings), settings)
    return settings


def compare(rows: int, folder: Path) -> dict[str, Cost]:
    """Reduce a day of so many requests by both engines, print what it cost, and compare.

    Raises SystemExit if a cell differs.
    """
    settings = landed(rows, folder)
    print(f"\n{rows:,} requests of one day{'':22}seconds  of cores      MB  × DuckDB")
    costs: dict[str, Cost] = {}
    for engine in ENGINES:
        cost = costs[engine] = child("reduce", engine, settings.data_dir)
        print(
            f"{engine:50}{cost.seconds:8.1f}{cost.cpu_seconds:10.1f}{cost.peak_bytes / 1e6:8.0f}"
            f"{cost.seconds / costs['duckdb'].seconds:10.1f}",
            flush=True,
        )
    ours, theirs = (pq.read_table(cost.path, partitioning=None) for cost in costs.values())
    if cells := differing(ours, theirs):
        raise SystemExit("\n".join([f"{len(cells)} cells differ (DuckDB and Spark):", *cells[:20]]))
    print(
        f"equal in every cell: {len(ours):,} rows, {sum(ours['requests'].to_pylist()):,} requests"
    )
    return costs


def compare_published(folder: Path) -> None:
    """Publish the shipped history and the requests in this folder by both engines, and compare.

    Raises SystemExit if a cell differs.
    """
    tables = []
    for engine in ENGINES:
        data = folder.with_name(f"{folder.name}-{engine}")
        shutil.copytree(folder / "landing", data / "landing")
        cost = child("publish", engine, data)
        print(f"vintage by {engine:39}{cost.seconds:8.1f}{cost.cpu_seconds:10.1f}", flush=True)
        tables.append(cost.path)
    if found := all_differing(*tables):
        raise SystemExit(f"published tables differ (DuckDB and Spark): {found}")
    print("equal in every cell of every published table")


def main() -> None:
    """Measure, print and compare."""
    with tempfile.TemporaryDirectory() as temporary:
        folders = {rows: Path(temporary) / str(rows) for rows in sorted(SIZES)}
        costs = {}
        for rows, folder in folders.items():
            folder.mkdir()
            costs[rows] = compare(rows, folder)
            if FULL and rows == min(SIZES):
                compare_published(folder / "data")
            shutil.rmtree(folder)
        for low, high in pairwise(costs):
            for engine in ENGINES:
                grown = costs[high][engine].seconds / costs[low][engine].seconds
                slope = math.log(grown) / math.log(high / low)
                print(f"log-log slope from {low:,} to {high:,} requests, {engine}: {slope:.2f}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["reduce", engine, folder]:
            print(json.dumps(str(reduce(engine, Path(folder)))))
        case ["publish", engine, folder]:
            print(json.dumps(str(publish(engine, Path(folder)))))
        case _:
            main()
