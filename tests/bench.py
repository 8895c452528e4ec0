"""`make bench`: how long the graph takes beside the bare SQL on the same input, in the same run.

Bare SQL is every dbt model's compiled SELECT in one DuckDB connection, reading the shipped dump
and the seeds and writing the published tables as Parquet: the least that these numbers cost.
"""

import csv
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from unittest.mock import patch

import duckdb

from orchestration.contracts.odcs import published_by_model, tables
from orchestration.gate import run as gate
from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import land, list_dumps
from orchestration.metrics.crossover import write_crossover
from orchestration.publication import candidate
from orchestration.publication.vintage import latest_vintage
from orchestration.settings import DBT_PROJECT_DIR, SHIPPED_LANDING_DIR, Settings
from orchestration.transformation.dbt import BUILD, ensure_manifest, run_dbt
from tests import builders

REPEATS = 3
# How many dumps are landed when one more night is measured: it must cost the same.
NIGHTS = (1, 30, 400)
# Dagster's own log, a line per event, would bury the table.
QUIETLY = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
# Rule sets are there for the claims; `crossover` is made by Python.
METRIC_LAYER = ("metrics/", "marts/rules/")
METRICS_WIDELY = (*METRIC_LAYER, "marts/spend/", "marts/uses/")


def best(action: Callable[[], object]) -> float:
    """Seconds of the fastest of a few repetitions."""
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def bare_sql(settings: Settings, dump: Path, dump_sha256: str, target: Path) -> None:
    """The models' own SELECTs and nothing else."""
    manifest = json.loads(ensure_manifest(settings).read_text(encoding="utf-8"))
    nodes = {
        k: v
        for k, v in manifest["nodes"].items()
        if v["resource_type"] == "model" and "requests" not in v["tags"]
    }
    compiled = settings.dbt_target_dir / "compiled" / "tokenshare"
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as tokenshare")
        connection.execute("use tokenshare")
        for schema in ("raw", "registry", "staging", "intermediate", "marts", "metrics"):
            connection.execute(f"create schema {schema}")
        # What a run writes aside from the dump's rows: settings, claims, empty sources.
        connection.execute(f"attach '{settings.database_path}' as built (read_only)")
        beside = connection.sql(
            "select table_name from information_schema.tables "
            "where table_catalog = 'built' and table_schema = 'raw'"
        ).fetchall()
        for (name,) in beside:
            if name != "openrouter_rankings":
                connection.execute(f"create table raw.{name} as from built.raw.{name}")
        connection.execute(f"""
            create table raw.openrouter_rankings as
            select '{dump_sha256}' as dump_sha256, row_number() over () as row_number,
                date as usage_date, model_permaslug, total_tokens as tokens
            from read_csv('{dump}')
        """)
        for seed in (DBT_PROJECT_DIR / "seeds").glob("*.csv"):
            stated = manifest["nodes"][f"seed.tokenshare.{seed.stem}"]["config"]["column_types"]
            header = seed.read_text(encoding="utf-8").split("\n", 1)[0].split(",")
            types = {c: stated.get(c, "varchar") for c in header}
            connection.execute(
                f"create table registry.{seed.stem} as "
                f"select * from read_csv('{seed}', types={types})"
            )
        done: set[str] = set()
        while len(done) < len(nodes):
            for unique_id, node in nodes.items():
                needs = {d for d in node["depends_on"]["nodes"] if d.startswith("model.")}
                if unique_id in done or not needs <= done:
                    continue
                sql = (compiled / node["original_file_path"]).read_text(encoding="utf-8")
                kind = "view" if node["config"]["materialized"] == "view" else "table"
                connection.execute(f"create {kind} {node['schema']}.{node['name']} as {sql}")
                done.add(unique_id)
        located = {n["name"]: n["schema"] for n in nodes.values()}
        for table in tables("published").values():
            if table.made_by_dbt:  # crossover is Python's
                rows = f"where grain = '{table.grain}'" if table.grain else ""
                connection.execute(
                    f"copy (from {located[table.model]}.{table.model} {rows}) "
                    f"to '{target / table.name}.parquet' (format parquet)"
                )


def serving_only(folders: tuple[str, ...], settings: Settings) -> set[str]:
    """Names of the dbt nodes below these folders of models/, and of what serves nothing else."""
    manifest = json.loads(ensure_manifest(settings).read_text(encoding="utf-8"))
    nodes = manifest["nodes"]
    # Python makes `crossover` of the int_crossover_* models: dbt knows of nobody who reads them.
    found = {
        node["name"]
        for node in nodes.values()
        if node["original_file_path"].removeprefix("models/").startswith(folders)
        or node["name"].startswith("int_crossover")
    }
    before: set[str] = set()
    while found != before:
        before = set(found)
        for unique_id, node in nodes.items():
            users = {nodes[u]["name"] for u in manifest["child_map"][unique_id] if u in nodes}
            if node["resource_type"] == "test":
                of_whom = node["config"]["meta"]["dagster"]["ref"]["name"]
                serves_only = of_whom in found
            else:
                serves_only = bool(users) and users <= found
            if serves_only and node["name"] not in published_by_model():
                found.add(node["name"])
    return found


def layer_cost(folders: tuple[str, ...], settings: Settings) -> float:
    """Seconds that these models add to a warm run before its report: with them less without."""
    nodes = serving_only(folders, settings)
    published = tables("published")
    unmade = {n for n, t in published.items() if t.model in nodes or not t.made_by_dbt}
    ingested = ingest_all(list_dumps(settings), settings)
    rules = gate.rules()
    folder = candidate.build_candidate(ingested, settings).path

    def steps(left_out: Collection[str]) -> list[float]:
        excluded = ["--exclude", *sorted(nodes)] if left_out else []
        kept = {n: t for n, t in published.items() if n not in left_out}
        models = {m: f for m, f in published_by_model().items() if f[0].name in kept}
        asked = [r for r in rules if not any(re.search(rf"\b{n}\b", r.sql) for n in left_out)]
        some = Path(tempfile.mkdtemp(dir=folder))
        for name in kept:
            (some / f"{name}.parquet").symlink_to(folder / "tables" / f"{name}.parquet")
        seconds = []
        with (
            patch.object(candidate, "tables", lambda _: kept),
            patch.object(candidate, "published_by_model", lambda: models),
            patch.object(gate, "tables", lambda _: kept),
            patch.object(gate, "rules", lambda: asked),
        ):
            for step in (
                lambda: run_dbt(settings, [*BUILD, *excluded]),
                lambda: None if left_out else write_crossover(settings),
                lambda: candidate.build_candidate(ingested, settings),
                lambda: gate.run_gate(some, None),
            ):
                started = time.perf_counter()
                step()
                seconds.append(time.perf_counter() - started)
        return seconds

    steps(())
    pairs = [(steps(unmade), steps(())) for _ in range(REPEATS)]
    without, with_all = (
        [min(s) for s in zip(*runs, strict=True)] for runs in zip(*pairs, strict=True)
    )
    return sum(with_all) - sum(without)


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds by the clock, seconds of all cores, peak memory in bytes."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def cli(data_dir: Path, *arguments: str) -> Cost:
    """`tokenshare run`, or another command, as a process."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("tokenshare"), *(arguments or ("run",))],
            stdout=said,
            stderr=said,
            env={**os.environ, "TOKENSHARE_DATA_DIR": str(data_dir)},
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        if process.returncode:
            said.seek(0)
            raise SystemExit(said.read().decode(errors="replace"))
    return Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def nightly_pulls(nights: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of a pull of the shipped history as it was so many nights before its end,
    and of one pull of the last 30 days in each night since."""
    (shipped,) = (SHIPPED_LANDING_DIR / "openrouter_rankings").glob("*/dump.csv.gz")
    with gzip.open(shipped, "rt", encoding="utf-8", newline="") as stream:
        _, *rows = csv.reader(stream)
    newest = date.fromisoformat(max(day for day, *_ in rows))
    for n in range(nights + 1):
        end = newest - timedelta(days=nights - n)
        start = end - timedelta(days=29) if n else date.min
        window = [row for row in rows if start.isoformat() <= row[0] <= end.isoformat()]
        yield f"{end + timedelta(days=1)}T01-46-00Z.csv", builders.csv3(window)


def one_more_night(landed: int, folder: Path) -> Cost:
    """A run as a process, with so many dumps landed and published and a new one in the inbox."""
    settings = Settings(data_dir=folder / "data")
    settings.inbox_dir.mkdir(parents=True)
    *before, newest = nightly_pulls(landed)
    for name, content in before:
        land(builders.write(folder, name, content), settings)
    cli(settings.data_dir)
    waiting = builders.write(settings.inbox_dir, *newest)
    os.utime(waiting, (0, 0))  # else the run waits until nobody writes to it any more
    cost = cli(settings.data_dir)
    latest = latest_vintage(settings)
    assert latest and len(latest.manifest["inputs"]) == landed + 1
    return cost


def report_in_browser(report: Path) -> tuple[float, float]:
    """Seconds until the report's load event, and until its last chart is drawn."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "the report's load time needs Chromium: see `make browser`"
    loaded, drawn = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(REPEATS):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            started = time.perf_counter()
            page.goto(report.as_uri())
            page.wait_for_selector("body[data-ready=yes]")
            drawn.append(time.perf_counter() - started)
            event = "performance.getEntriesByType('navigation')[0].loadEventEnd"
            loaded.append(page.evaluate(event) / 1000)
            page.close()
        browser.close()
    return min(loaded), min(drawn)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        first, nothing_new = cli(data_dir), cli(data_dir)
        explained = best(
            lambda: cli(data_dir, "registry", "explain", "minimax/minimax-m3-20260531")
        )
        nights = {n: one_more_night(n, Path(folder) / f"nights-{n}") for n in NIGHTS}

        settings = Settings(data_dir=data_dir)
        os.environ["TOKENSHARE_DATA_DIR"] = str(data_dir)
        import dagster as dg

        from orchestration.definitions import build_definitions

        job = build_definitions(settings).resolve_job_def("publish_vintage")
        with dg.DagsterInstance.ephemeral() as instance:

            def warm() -> None:
                settings.latest_path.unlink(missing_ok=True)
                for old in settings.vintages_dir.glob("*"):
                    old.rename(Path(folder) / f"old-{old.name}-{time.time_ns()}")
                assert job.execute_in_process(instance=instance, run_config=QUIETLY).success

            warm()
            dagster_seconds = best(warm)

        vintage = latest_vintage(settings)
        assert vintage
        loaded, drawn = report_in_browser(vintage.report)
        metrics = layer_cost(METRIC_LAYER, settings)
        metrics_widely = layer_cost(METRICS_WIDELY, settings)
        (record,) = list_dumps(settings)
        target = Path(folder) / "bare"
        target.mkdir()
        dump = settings.landing_dir / record.path
        bare = best(lambda: bare_sql(settings, dump, record.sha256, target))

    print(f"shipped history: {record.rows} rows, {record.bytes} bytes")
    print(f"{'':52}{'seconds':>9}{'× bare SQL':>12}{'of cores':>10}{'MB':>6}  at most")
    for label, cost, bound in (
        ("bare SQL on the same input", bare, ""),
        ("whole graph in a warm Dagster process", dagster_seconds, "6 s"),
        ("of a warm run: the layer metrics", metrics, "3 s"),
        ("with the marts of spend and uses", metrics_widely, "3 s"),
        ("tokenshare run, first, as a process", first, "180 s"),
        ("tokenshare run, nothing new, as a process", nothing_new, "15 s"),
        *(
            (f"tokenshare run, a new dump beside {n}, as a process", cost, "25 s, 700 MB")
            for n, cost in nights.items()
        ),
        ("tokenshare registry explain, as a process", explained, "1 s"),
        ("report in Chromium, load event", loaded, "2 s"),
        ("report in Chromium, all charts drawn", drawn, ""),
    ):
        seconds, more = cost, f"{'':16}"
        if isinstance(cost, Cost):
            seconds, more = cost.seconds, f"{cost.cpu_seconds:10.1f}{cost.peak_bytes / 1e6:6.0f}"
        print(f"{label:52}{seconds:9.2f}{seconds / bare:12.1f}{more}  {bound}".rstrip())


if __name__ == "__main__":
    main()
