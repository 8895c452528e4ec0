"""Days of request logs: which of them are reduced, a year that is killed, a day that becomes empty,
the command and the partitions in Dagster."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow.parquet as pq
import pytest

from orchestration import pipeline, run_log
from orchestration.assets import requests
from orchestration.assets.landing import landed_dumps, raw_tables
from orchestration.automation import watch
from orchestration.demo.history import read_history
from orchestration.demo.requests import Load, write_requests
from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import land, read_records
from orchestration.publication.vintage import Vintage
from orchestration.resources.installation import Installation
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.tables import open_tables
from orchestration.transformation import request_days
from orchestration.transformation.request_days import days, reduce_requests
from tests.integration.test_request_logs import event, write
from tests.unit.test_cli import call, environment

__all__ = ["environment"]
Output = pytest.CaptureFixture[str]


def on(day: str, request_id: str, **values: Any) -> dict[str, Any]:
    return event(request_id, started_at=f"{day}T10:00:00Z", **values)


def land_rows(settings: Settings, name: str, *rows: dict[str, Any] | str) -> Path:
    """Land a log, named by the time at which it was made; returns the folder of the dump."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    landed = land(write(settings.data_dir / name, rows), settings)
    return (settings.landing_dir / landed.record.path).parent


FIRST, SECOND = "2026-11-02T00-00-00Z.jsonl", "2026-11-04T00-00-00Z.jsonl"
THREE = [on("2026-11-01", "a"), on("2026-11-02", "b"), on("2026-11-03", "c")]


def files(settings: Settings) -> dict[str, tuple[int, int, bytes]]:
    """Every file of a day by the day, with its inode, time and bytes."""
    found = {}
    for path in settings.requests_dir.rglob("2*.parquet"):  # none that is being written
        stat = path.stat()
        found[path.name[:10]] = (stat.st_ino, stat.st_mtime_ns, path.read_bytes())
    return found


def reduce(settings: Settings) -> None:
    reduce_requests(ingest_all(read_records(settings), settings), settings)


def test_late_rows_reopen_only_their_day_and_a_day_again_has_the_same_bytes(
    settings: Settings,
) -> None:
    land_rows(settings, SECOND, *THREE)
    reduce(settings)
    before = files(settings)
    assert sorted(before) == ["2026-11-01", "2026-11-02", "2026-11-03"]
    land_rows(settings, "2026-11-05T00-00-00Z.jsonl", on("2026-11-02", "late"))
    reduce(settings)
    after = files(settings)
    assert {day for day in after if after[day] != before[day]} == {"2026-11-02"}

    done = pipeline.reduce(settings, lambda day: True, again=True)
    assert (len(done.days), done.reduced) == (3, 3)
    again = files(settings)
    assert {day: content for day, (*_, content) in again.items()} == {
        day: content for day, (*_, content) in after.items()
    }
    assert all(again[day][0] != after[day][0] for day in after), "they were not written again"


def test_a_night_opens_what_is_known_of_each_landed_dump_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_rows(settings, FIRST, on("2026-11-01", "a"), on("2026-11-01", "b", prompt_tokens="many"))
    land_rows(settings, SECOND, *THREE)
    reduce(settings)
    opened = []

    class Opened(pq.ParquetFile):
        def __init__(self, source: Path, **options: Any) -> None:
            opened.append(source)
            super().__init__(source, **options)

    def read_table(source: Path, **_: Any) -> None:
        raise AssertionError(f"{source}: this is slow for a small file")

    monkeypatch.setattr(pq, "ParquetFile", Opened)
    monkeypatch.setattr(pq, "read_table", read_table)
    before = files(settings)
    reduce(settings)
    assert sorted(opened) == sorted(settings.warehouse_dir.glob("raw/*/*/*.parquet"))
    assert len(opened) == 4
    assert files(settings) == before


def published_days(vintage: Vintage) -> dict[str, int]:
    """The tokens of the log by day, from the published tables."""
    with open_tables(vintage.path / "tables") as connection:
        return {
            f"{day}": tokens
            for day, tokens in connection.execute(
                "select usage_date, sum(tokens)::bigint from usage_daily "
                "where source = 'usage_events' group by all order by all"
            ).fetchall()
        }


def test_a_day_that_becomes_empty_is_gone_from_the_next_vintage(small: Settings) -> None:
    land_rows(small, "2026-02-12T00-00-00Z.jsonl", on("2026-02-10", "a"), on("2026-02-11", "b"))
    only = land_rows(small, "2026-02-13T00-00-00Z.jsonl", on("2026-02-12", "c"))
    first = pipeline.run(small).vintage
    assert published_days(first) == dict.fromkeys(["2026-02-10", "2026-02-11", "2026-02-12"], 110)
    kept = files(small)
    shutil.rmtree(only)
    second = pipeline.run(small).vintage
    assert second.is_new
    assert published_days(second) == dict.fromkeys(["2026-02-10", "2026-02-11"], 110)
    with open_tables(second.path / "tables") as connection:
        ((last,),) = connection.execute(
            "select max(usage_date) from served_daily where source = 'usage_events'"
        ).fetchall()
    assert last == date(2026, 2, 11)
    assert files(small) == {day: kept[day] for day in ("2026-02-10", "2026-02-11")}


def completeness(settings: Settings) -> dict[str, tuple[int, bool]]:
    """Quarantined rows of each day of the log and whether it is complete, as dbt finds them."""
    pipeline.transform(ingest_all(read_records(settings), settings), settings)
    with duckdb.connect(str(settings.database_path), read_only=True) as connection:
        rows = connection.execute(
            "select usage_date, quarantined_rows, is_complete from intermediate.int_days "
            "where source in ('usage_events', 'openrouter_activity_daily')"
        ).fetchall()
    return {f"{day}": (lost, complete) for day, lost, complete in rows}


def test_one_bad_row_in_a_thousand_leaves_a_day_complete(small: Settings) -> None:
    good = [on("2026-02-09", f"{n}") for n in range(1000)]
    few = [on("2026-02-10", f"{n}") for n in range(999)]
    bad = [on(day, "x" * 999) for day in ("2026-02-09", "2026-02-10")]
    land_rows(small, "2026-02-11T00-00-00Z.jsonl", *good, *few, *bad)
    # Rows of another dump of the day do not make it complete, and its bad rows count.
    land_rows(small, "2026-02-12T00-00-00Z.jsonl", on("2026-02-10", "late"))
    assert completeness(small) == {"2026-02-09": (1, True), "2026-02-10": (1, True)}
    land_rows(
        small, "2026-02-13T00-00-00Z.jsonl", on("2026-02-09", "y" * 999), on("2026-02-09", "z")
    )
    assert completeness(small) == {"2026-02-09": (2, False), "2026-02-10": (1, True)}


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with 365 days of 200 simulated requests, landed week by week."""
    folder = tmp_path_factory.mktemp("year")
    settings = Settings(data_dir=folder / "data")
    shipped = Settings(data_dir=PROJECT_ROOT / "data")
    last = date(2026, 11, 20)
    listed = [last - timedelta(days=n) for n in reversed(range(365))]
    written = write_requests(
        folder / "logs", read_history(shipped), Load(200, 5000, 1000, 0, 7), listed,
        "usage_events", ".jsonl",
    )  # fmt: skip
    for start in range(0, 365, 7):
        week = written[start : start + 7]
        joined = week[-1].with_name(f"week-{week[-1].name}")
        joined.write_bytes(b"".join(path.read_bytes() for path in week))
        land(joined, settings, as_of=datetime(2026, 11, 21, tzinfo=UTC))
    return settings.data_dir


def reducing(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli", "reduce", "--json"], cwd=PROJECT_ROOT,
        env={**os.environ, "TOKENSHARE_DATA_DIR": str(folder)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip


def test_a_year_that_is_killed_goes_on_where_it_was(year: Path) -> None:
    settings = Settings(data_dir=year)
    listed = days(read_records(settings), settings)
    # The first days are late requests of the log before.
    assert len(listed) >= 365
    process = reducing(year)
    while not files(settings) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = files(settings)
    assert 0 < len(done) < 365
    assert all(pq.read_metadata(d.path).num_rows for d in listed if not d.is_open)

    process = reducing(year)
    said, steps = process.communicate(timeout=300)
    document = json.loads(said)
    assert process.returncode == 0
    assert document["reduced"] == len(listed) - len(done)
    assert len(document["days"]) == len(listed)
    assert sum(day["requests"] for day in document["days"]) == 365 * 199
    assert steps.count("reducing") >= 2
    assert f"of {len(listed) - len(done)})" in steps
    after = files(settings)
    assert {day: after[day] for day in done} == done, "finished days were reduced again"
    assert [(run.what, run.state) for run in run_log.read_runs(settings)] == [
        ("reduce", "killed"), ("reduce", "done"),
    ]  # fmt: skip
    # What was killed has the bytes of what was not.
    request_days.reduce_requests([], settings)
    assert not files(settings)
    pipeline.reduce(settings, lambda day: day.usage_date >= date(2026, 11, 1))
    assert {day: content for day, (*_, content) in after.items() if day >= "2026-11-01"} == {
        day: content for day, (*_, content) in files(settings).items()
    }


def test_batches_are_bounded_by_rows_and_by_dumps(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n, rows in enumerate((THREE, [on("2026-11-01", "d")], [on("2026-11-02", "e")])):
        land_rows(settings, f"2026-11-0{n + 4}T00-00-00Z.jsonl", *rows)
    listed = days(read_records(settings), settings)

    def batches() -> list[int]:
        return [len(batch) for batch in request_days._batches(listed)]

    assert batches() == [3]
    monkeypatch.setattr(request_days, "_DUMPS_PER_BATCH", 2)
    assert batches() == [1, 2]
    monkeypatch.setattr(request_days, "_ROWS_PER_BATCH", 2)
    assert batches() == [1, 1, 1]


def test_the_command_reduces_what_it_is_asked_for_and_says_so(
    settings: Settings, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENSHARE_DATA_DIR", str(settings.data_dir))
    assert call(monkeypatch, "reduce") == 0
    assert "no landed request log" in capsys.readouterr().out
    land_rows(settings, SECOND, *THREE)
    assert call(monkeypatch, "reduce", "--from", "2026-11-02", "--to", "2026-11-02") == 0
    said = capsys.readouterr()
    assert "1 of 1 day(s) reduced" in said.out
    assert "2026-11-02 1 1 1 110" in " ".join(said.out.split())
    assert sorted(files(settings)) == ["2026-11-02"]
    assert call(monkeypatch, "reduce", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["reduced"] == 2
    assert document["days"][0] == {
        "source": "usage_events", "usage_date": "2026-11-01", "requests": 1, "tokens": 110,
        "rows": 1, "dumps": 1,
    }  # fmt: skip
    assert call(monkeypatch, "reduce", "--source", "otlp", "--again", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"days": [], "reduced": 0}
    for wrong in (
        ["--source", "no"],
        ["--from", "x"],
        ["--from", "2026-11-02", "--to", "2026-11-01"],
    ):
        assert call(monkeypatch, "reduce", *wrong) == 2
    assert {(run.what, run.entrance) for run in run_log.read_runs(settings)} == {
        ("reduce", "command_line")
    }


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def materialize(settings: Settings, instance: dg.DagsterInstance, first: str, last: str,
                **config: Any) -> dg.ExecuteInProcessResult:  # fmt: skip
    """Materialize days of the asset of usage_events, as the UI does in one run."""
    asset = next(a for a in requests.request_days if a.key.path[-1] == "usage_events")
    job = dg.Definitions(
        assets=[asset, landed_dumps],
        jobs=[dg.define_asset_job("j", selection=[asset])],
        resources={"installation": Installation(data_dir=str(settings.data_dir))},
        executor=dg.in_process_executor,
    ).resolve_job_def("j")
    tags = {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last,
    }
    return job.execute_in_process(
        {"ops": {"request_days__usage_events": {"config": config}}},
        instance=instance, tags=tags, raise_on_error=False,
    )  # fmt: skip


def shown(instance: dg.DagsterInstance) -> dict[str, tuple[Any, ...]]:
    """Requests, tokens, rows and dumps of each marked day of usage_events, and how often it was."""
    key = dg.AssetKey(["request_days", "usage_events"])
    found: dict[str, tuple[Any, ...]] = {}
    for record in instance.fetch_materializations(key, 1000, ascending=True).records:
        made = record.asset_materialization
        assert made is not None
        numbers = [made.metadata[n].value for n in ("requests", "tokens", "rows", "dumps")]
        day = str(made.partition)
        found[day] = (*numbers, found.get(day, (0,))[-1] + 1)
    return found


def test_materializing_days_reduces_only_them(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    land_rows(settings, SECOND, *THREE, on("2026-11-02", "b"))
    assert materialize(settings, instance, "2026-11-02", "2026-11-02").success
    before = files(settings)
    assert sorted(before) == ["2026-11-02"]
    assert shown(instance) == {"2026-11-02": (1, 110, 2, 1, 1)}
    # Of a day without requests, 0 of everything.
    assert materialize(settings, instance, "2026-10-31", "2026-11-02").success
    assert sorted(files(settings)) == ["2026-11-01", "2026-11-02"]
    assert files(settings)["2026-11-02"] == before["2026-11-02"]
    assert shown(instance)["2026-10-31"] == (0, 0, 0, 0, 1)
    assert materialize(settings, instance, "2026-11-02", "2026-11-02", again=True).success
    now = files(settings)["2026-11-02"]
    assert now[0] != before["2026-11-02"][0]
    assert now[2] == before["2026-11-02"][2]
    assert {run.what for run in run_log.read_runs(settings)} == {"reduce"}


def load(settings: Settings, instance: dg.DagsterInstance) -> None:
    """The step of a run that reduces the open days."""
    done = dg.materialize(
        [landed_dumps, raw_tables, *requests.request_days], selection=[raw_tables],
        resources={"installation": Installation(data_dir=str(settings.data_dir))},
        instance=instance,
    )  # fmt: skip
    assert done.success


def test_a_run_shows_the_days_that_changed_and_those_that_became_empty(
    small: Settings, instance: dg.DagsterInstance, drop: Callable[[str, bytes], Path]
) -> None:
    load(small, instance)
    for asset in requests.request_days:
        assert not instance.get_materialized_partitions(asset.key), "noise without request logs"
    land_rows(small, SECOND, *THREE[:2])
    only = land_rows(small, "2026-11-05T00-00-00Z.jsonl", THREE[2])
    load(small, instance)
    load(small, instance)  # nothing new, nothing is said
    assert shown(instance) == {
        day: (1, 110, 1, 1, 1) for day in ("2026-11-01", "2026-11-02", "2026-11-03")
    }
    shutil.rmtree(only)
    land_rows(small, "2026-11-06T00-00-00Z.jsonl", on("2026-11-01", "late"))
    load(small, instance)
    load(small, instance)
    assert shown(instance) == {
        "2026-11-01": (2, 220, 2, 2, 2),
        "2026-11-02": (1, 110, 1, 1, 1),
        "2026-11-03": (0, 0, 0, 0, 2),
    }
    # Reduced by the command line, shown by the next run.
    land_rows(small, "2026-11-07T00-00-00Z.jsonl", on("2026-11-03", "c"))
    pipeline.reduce(small, lambda day: True, entrance="command_line")
    load(small, instance)
    assert shown(instance)["2026-11-03"] == (1, 110, 1, 1, 3)


def test_the_days_of_a_run_of_the_command_line_are_shown_and_reduce_is_no_publication(
    small: Settings, instance: dg.DagsterInstance
) -> None:
    resources = {"installation": Installation(data_dir=str(small.data_dir))}

    def sense() -> None:
        found = watch.vintages(dg.build_sensor_context(instance, resources=resources))
        if isinstance(found, dg.SensorResult):
            for said in found.asset_events:
                instance.report_runless_asset_event(said)

    land_rows(small, SECOND, *THREE)
    pipeline.reduce(small, lambda day: True, entrance="command_line")
    sense()
    assert sorted(shown(instance)) == ["2026-11-01", "2026-11-02", "2026-11-03"]
    observed = instance.fetch_observations(dg.AssetKey("vintage"), limit=100).records
    said = [r.asset_observation.metadata["command"].value for r in observed if r.asset_observation]
    assert set(said) <= {"tokenshare run"}
