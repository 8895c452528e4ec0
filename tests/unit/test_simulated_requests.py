"""Simulated request logs: the same bytes for the same seed, real models and lengths, and exactly
as many repeats as asked for."""

import gzip
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.demo.history import OTHER, History, read_history
from orchestration.demo.requests import FORMATS, Load, write_requests
from orchestration.errors import TokenshareError
from orchestration.landing.store import land
from orchestration.settings import Settings
from orchestration.tables import parquet

DAY = date(2026, 8, 20)
LOAD = Load(30_000, duplicates_ppm=20_000, late_ppm=50_000, bad_ppm=10_000, seed=3)
CLEAN = replace(LOAD, duplicates_ppm=0, late_ppm=0, bad_ppm=0)


@pytest.fixture(scope="module")
def history() -> History:
    return read_history()


def written(target: Path, history: History, load: Load = LOAD, form: str = "usage_events") -> Path:
    ending = "." + target.name.split(".", 1)[1]
    (path,) = write_requests(target, history, load, [DAY], form, ending)
    return path


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl.gz"])
def test_the_same_seed_makes_the_same_bytes(tmp_path: Path, history: History, name: str) -> None:
    first = written(tmp_path / "1" / name, history).read_bytes()
    assert written(tmp_path / "2" / name, history).read_bytes() == first
    assert written(tmp_path / "3" / name, history, replace(LOAD, seed=4)).read_bytes() != first


def test_rows_repeats_late_and_bad_rows_are_those_asked_for(
    tmp_path: Path, history: History
) -> None:
    path = written(tmp_path / "log.parquet", history)
    landed = land(path, Settings(data_dir=tmp_path / "data", shipped_history=False))
    with duckdb.connect() as connection:
        connection.execute(f"create view log as from {parquet(path)}")
        ((ids, nameless, late, future, strange),) = connection.sql(
            "select count(distinct request_id), count(*) filter (request_id is null), "
            f"count(*) filter (started_at < date '{DAY}'), "
            "count(*) filter (year(started_at) = 2999), "
            "count(*) filter (prompt_tokens not between 0 and 1000000) from log"
        ).fetchall()
    assert landed.record.rows == LOAD.rows
    assert (landed.quarantined_rows, landed.quarantined_fields) == (nameless + future, strange)
    # 29,400 requests, of which those without an id cannot be told apart
    assert 29_400 - nameless <= ids <= 29_400
    assert late / 29_400 == pytest.approx(0.05, rel=0.1)
    for found in (nameless, future, strange / 2):
        assert found / 29_400 == pytest.approx(0.01 / 4, rel=0.4)


def test_models_and_lengths_are_those_that_were_measured(tmp_path: Path, history: History) -> None:
    path = written(tmp_path / "log.parquet", history, CLEAN)
    with duckdb.connect() as connection:
        connection.execute(f"create view log as from {parquet(path)}")
        ((prompt, completion),) = connection.sql(
            "select avg(prompt_tokens), avg(completion_tokens) from log where status <> 'failed'"
        ).fetchall()
        shares = dict(
            connection.sql(f"select model, count(*) / {CLEAN.rows} from log group by 1").fetchall()
        )
    # The means of the 28,185 requests of the traces, weighted by service
    assert prompt == pytest.approx((8819 * 2047.8 + 19366 * 1154.7) / 28185, rel=0.02)
    assert completion == pytest.approx((8819 * 27.9 + 19366 * 211.1) / 28185, rel=0.02)
    ranked = [row for row in history.days[DAY] if row[0] != OTHER]
    total = sum(tokens for _, tokens in ranked)
    for slug, tokens in ranked:
        assert shares.get(slug, 0) == pytest.approx(tokens / total, abs=0.007), slug


def test_every_line_of_the_json_formats_is_an_object(tmp_path: Path, history: History) -> None:
    for form in FORMATS:
        path = written(tmp_path / form / "log.jsonl", history, replace(LOAD, rows=300), form)
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) == 300
        for line in lines:
            assert isinstance(json.loads(line), dict), form


def test_a_folder_has_a_file_a_day_and_says_that_it_is_simulated(tmp_path: Path) -> None:
    target = tmp_path / "load"
    done = CliRunner().invoke(
        app,
        ["simulate", "requests", str(target), "--rows", "1000", "--days", "2", "--until", str(DAY)],
    )
    assert done.exit_code == 0, done.output
    assert "2 simulated log(s) of usage_events, 1,000 rows each" in done.output
    assert [p.name for p in sorted((target / "logs").iterdir())] == [
        "2026-08-20T00-05-00Z.simulated.jsonl.gz",
        "2026-08-21T00-05-00Z.simulated.jsonl.gz",
    ]
    ids = {
        json.loads(line)["request_id"]
        for path in (target / "logs").iterdir()
        for line in gzip.decompress(path.read_bytes()).splitlines()
    }
    assert len(ids) == pytest.approx(2 * 995, abs=2)
    assert (target / "README.md").read_text(encoding="utf-8").startswith("# Simulated requests")


def test_wrong_targets_are_named(tmp_path: Path, history: History) -> None:
    with pytest.raises(TokenshareError, match=r"otlp is written as \.jsonl, not as \.parquet"):
        write_requests(tmp_path / "x.parquet", history, LOAD, [DAY], "otlp", ".parquet")
    (tmp_path / "x.csv").touch()
    with pytest.raises(TokenshareError, match="exists; expected a new file"):
        write_requests(tmp_path / "x.csv", history, LOAD, [DAY], "usage_events", ".csv")
    with pytest.raises(TokenshareError, match="the history begins on 2025-01-01"):
        write_requests(
            tmp_path / "y.csv", history, LOAD, [date(2024, 1, 1)], "usage_events", ".csv"
        )
    done = CliRunner().invoke(app, ["simulate", "requests", str(tmp_path / "z.txt")])
    assert "expected a name that ends with .parquet, .csv" in done.output + str(done.exception)
