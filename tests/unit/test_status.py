"""`tokenshare status`: what is well, what is not, and the exit code for monitoring."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration import run_log
from orchestration.cli_status import read_status
from orchestration.errors import GateRefusedError
from orchestration.files import to_json
from orchestration.settings import Settings
from tests.unit.test_cli import call, environment
from tests.unit.test_retention import vintage

__all__ = ["environment"]
Output = pytest.CaptureFixture[str]
NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
PRIMARY = "openrouter_rankings"
WITHHELD = {
    "source": "openrouter_models",
    "is_absent": True,
    "rules": [{"rule": "CATALOGUE_SHRANK", "title": "t", "rows": ["one model left"]}],
    "dumps": [],
}


def published(settings: Settings, newest: date, made: datetime = NOW, **fields: Any) -> str:
    """A vintage whose newest day of usage is `newest`. Its dump was made today, and its window ends
    today: neither makes the data newer. A catalogue of last week is in it as well."""
    today = f"{NOW:%Y-%m-%d}"
    inputs = [
        {"source": PRIMARY, "as_of": today, "window_end": today},
        {"source": "openrouter_models", "as_of": "2026-11-21T01:00:00Z", "window_end": None},
    ]
    vintage_id = vintage(settings, made, inputs=inputs, **fields)
    tables = settings.vintages_dir / vintage_id / "tables"
    tables.mkdir()
    days = pa.array([newest - timedelta(days=1), newest])
    pq.write_table(
        pa.table({"source": [PRIMARY] * 2, "usage_date": days}), tables / "usage_daily.parquet"
    )
    return vintage_id


def codes(status: dict[str, Any]) -> list[int]:
    return [problem["exit_code"] for problem in status["problems"]]


def test_all_is_well_the_night_after_a_day_and_until_the_next_night(settings: Settings) -> None:
    newest = date(2026, 11, 27)
    vintage_id = published(settings, newest, NOW - timedelta(hours=6))
    status = read_status(settings, NOW)
    assert (status["exit_code"], status["problems"]) == (0, [])
    assert status["vintage"]["vintage_id"] == vintage_id
    assert status["vintage"]["age_hours"] == 6.0
    assert status["next_run"] == "2026-11-29T02:45:00Z"
    assert [(s["source"], s["newest_day"], s["days_ago"]) for s in status["sources"]] == [
        ("openrouter_models", "2026-11-21", 7),
        (PRIMARY, "2026-11-27", 1),
    ]
    before_the_night = datetime(2026, 11, 29, 2, 44, tzinfo=UTC)
    assert read_status(settings, before_the_night)["exit_code"] == 0
    assert read_status(settings, before_the_night)["next_run"] == "2026-11-29T02:45:00Z"
    status = read_status(settings, before_the_night + timedelta(days=1))
    assert status["exit_code"] == 12
    assert [p["text"] for p in status["problems"]] == [
        "openrouter_models: the newest day is 2026-11-21, 9 days ago; more than 8 is stale",
        "openrouter_rankings: the newest day is 2026-11-27, 3 days ago; more than 2 is stale",
    ]


def test_how_old_is_stale_is_a_setting_per_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENSHARE_STALE_AFTER_DAYS", '{"*": 3, "vercel_leaderboard": 5}')
    settings = Settings()
    found = [settings.stale_after(s) for s in (PRIMARY, "vercel_leaderboard", "openrouter_models")]
    assert found == [2, 5, 3]
    monkeypatch.setenv("TOKENSHARE_NIGHTLY_AT", "04:05")
    assert Settings().nightly_cron == "5 4 * * *"
    monkeypatch.setenv("TOKENSHARE_STALE_AFTER_DAYS", '{"*": 0}')
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        Settings()


def test_a_request_log_is_judged_only_if_it_is_named_or_pulled(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    old = date(2026, 11, 23)
    vintage_id = published(settings, date(2026, 11, 27))
    rows = [
        {"source": PRIMARY, "usage_date": date(2026, 11, 27), "requests": None},
        {"source": "otlp", "usage_date": old - timedelta(days=1), "requests": 5},
        {"source": "otlp", "usage_date": old, "requests": 1000},
        {"source": "otlp", "usage_date": old, "requests": 234},
        {"source": "litellm_spendlogs", "usage_date": old, "requests": 7},
    ]
    pq.write_table(
        pa.Table.from_pylist(rows),
        settings.vintages_dir / vintage_id / "tables" / "usage_daily.parquet",
    )

    def logs(now: datetime) -> dict[str, tuple[int | None, int | None, bool]]:
        asked = Settings(data_dir=settings.data_dir)
        return {
            s["source"]: (s["requests"], s["stale_after_days"], s["is_stale"])
            for s in read_status(asked, now)["sources"]
            if not s["source"].startswith("openrouter")
        }

    assert logs(NOW + timedelta(days=90)) == {
        "litellm_spendlogs": (7, None, False),
        "otlp": (1234, None, False),
    }
    monkeypatch.setenv("TOKENSHARE_LITELLM_DATABASE_URL", "postgresql://reader@127.0.0.1/litellm")
    # The 23rd was four days before the 27th, and five before the 28th.
    assert logs(NOW - timedelta(days=1))["litellm_spendlogs"] == (7, 4, False)
    assert logs(NOW)["litellm_spendlogs"] == (7, 4, True)
    monkeypatch.setenv("TOKENSHARE_STALE_AFTER_DAYS", '{"otlp": 3, "litellm_spendlogs": 9}')
    assert logs(NOW) == {"litellm_spendlogs": (7, 9, False), "otlp": (1234, 3, True)}
    monkeypatch.delenv("TOKENSHARE_STALE_AFTER_DAYS")
    monkeypatch.setenv("TOKENSHARE_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("COLUMNS", "300")
    call(monkeypatch, "status")
    said = " ".join(capsys.readouterr().out.split())
    assert "2026-11-23 otlp with 1,234 requests, " in said
    assert "days ago, not judged" in said


def test_the_worst_problem_is_the_exit_code(settings: Settings) -> None:
    assert codes(read_status(settings, NOW)) == [12]  # nothing is published
    published(settings, date(2026, 11, 20), withheld=[WITHHELD])
    status = read_status(settings, NOW)
    assert (status["exit_code"], codes(status)) == (12, [12, 10])
    assert status["withheld"] == ["openrouter_models"]
    with (
        pytest.raises(GateRefusedError),
        run_log.recorded(settings, "run", "schedule"),
    ):
        raise GateRefusedError("DAY_TOTAL: 2026-11-27\nmore")
    status = read_status(settings, NOW)
    assert (status["exit_code"], codes(status)) == (13, [12, 10, 13])
    assert status["problems"][-1]["text"].endswith("failed, exit code 5: DAY_TOTAL: 2026-11-27")
    settings.latest_path.write_bytes(b"{}")
    status = read_status(settings, NOW)
    assert (status["exit_code"], codes(status)) == (6, [6, 13])
    assert status["vintage"] is None


def test_a_failure_counts_until_a_later_run_goes_through(settings: Settings) -> None:
    published(settings, date(2026, 11, 27))
    run_log.begin(settings, "run", "schedule", "one", started=NOW)
    run_log.end(settings, "one", "failed", exit_code=8, error="model x", ended=NOW)
    run_log.begin(settings, "run", "ui", "two")
    status = read_status(settings, NOW)
    assert status["exit_code"] == 13
    assert [run["run_id"] for run in status["running"]] == ["two"]
    run_log.end(settings, "two", "nothing_new")
    status = read_status(settings, NOW)
    assert (status["exit_code"], status["last_run"]["run_id"]) == (0, "two")
    assert status["last_bad_run"]["error"] == "model x"


def test_it_fits_80_columns_for_people_and_is_json_for_programs(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    settings = Settings()
    refused = settings.candidates_dir / "20261128T024500000000-00000000"
    (refused / "gate").mkdir(parents=True)
    results = {"results": [{"rule": "DAY_TOTAL", "verdict": "fail"}]}
    (refused / "gate" / "results.json").write_bytes(to_json(results))
    (settings.inbox_dir / "refused").mkdir(parents=True)
    (settings.inbox_dir / "refused" / "a.csv.error.txt").write_text("is empty", encoding="utf-8")
    aside = settings.data_dir / "refused" / "openrouter_rankings" / ("a" * 64)
    aside.mkdir(parents=True)
    (aside / "reason.txt").write_text("the gate refused\n  REPEATED_DAY", encoding="utf-8")
    (settings.inbox_dir / "b.csv").write_bytes(b"x")
    (settings.inbox_dir / "c.csv.part").write_bytes(b"x")
    published(settings, date(2026, 1, 1))
    run_log.begin(settings, "run", "schedule", "one")
    run_log.end(settings, "one", "failed", exit_code=5, error="no end " * 100)
    assert call(monkeypatch, "status") == 13
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    for text in (
        "not well (exit code 13)", "2026-01-01", "STALE", "1 ready, 1 waiting",
        "c.csv.part: its name is that of an incomplete", "a.csv: is empty", "DAY_TOTAL",
        "refused/openrouter_rankings/aaaaaaaaaaaa…: the gate refused REPEATED_DAY",
        "run by schedule at", "free ",
    ):  # fmt: skip
        assert text in " ".join(said.split()), text
    assert call(monkeypatch, "status", "--json") == 13
    status = json.loads(capsys.readouterr().out)
    assert status["inbox"]["ready"] == ["b.csv"]
    assert status["refused_candidates"] == {refused.name: ["DAY_TOTAL"]}
    assert status["set_aside"] == {
        f"openrouter_rankings/{'a' * 64}": "the gate refused REPEATED_DAY"
    }
    assert status["bytes"]["published"] > 1000
    assert not (settings.data_dir / ".writer.lock").exists()
