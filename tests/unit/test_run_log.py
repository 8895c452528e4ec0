"""The outcome of every run is kept: whatever started it, and however it ended."""

import multiprocessing
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from orchestration import pipeline, run_log
from orchestration.errors import GateRefusedError, RefusedDumpError, RunLockedError
from orchestration.settings import Settings

NOW = datetime(2026, 11, 28, 2, 45, tzinfo=UTC)


def test_a_run_that_went_through_is_kept_with_its_vintage_and_what_is_wrong(
    settings: Settings,
) -> None:
    with run_log.recorded(settings, "run", "command_line") as ending:
        (at_work,) = run_log.read_runs(settings)
        ending.outcome, ending.vintage_id = "published", "20261128T024500Z-00000000"
        ending.problem = RefusedDumpError("a.csv: is empty")
    (run,) = run_log.read_runs(settings)
    assert (at_work.state, at_work.exit_code, at_work.is_bad) == ("running", None, False)
    assert (run.state, run.exit_code, run.is_bad) == ("published", 3, True)
    assert (run.vintage_id, run.error) == ("20261128T024500Z-00000000", "a.csv: is empty")
    assert run.ended is not None
    assert run.ended >= run.started == at_work.started


@pytest.mark.parametrize(
    ("error", "exit_code", "state", "text"),
    [
        (GateRefusedError("DAY_TOTAL: 2026-02-11"), 5, "failed", "DAY_TOTAL: 2026-02-11\nnote: a"),
        (ZeroDivisionError("x\x1b"), 1, "failed", "ZeroDivisionError: x\\x1b\nnote: a"),
        (KeyboardInterrupt(), 130, "canceled", "KeyboardInterrupt"),
    ],
    ids=["expected", "bug", "ctrl-c"],
)
def test_a_run_that_ended_with_an_error_is_kept_with_its_message_and_exit_code(
    settings: Settings, error: BaseException, exit_code: int, state: str, text: str
) -> None:
    error.add_note("note: a")
    with pytest.raises(type(error)), run_log.recorded(settings, "run", "program"):
        raise error
    (run,) = run_log.read_runs(settings)
    assert (run.state, run.exit_code, run.error) == (state, exit_code, text)
    assert run.is_bad


def test_a_run_that_waits_in_vain_for_the_lock_is_kept_as_well(settings: Settings) -> None:
    impatient = settings.model_copy(update={"lock_timeout_seconds": 0.0})
    with pipeline.writer_lock(settings), pytest.raises(RunLockedError):
        pipeline.run(impatient, entrance="sensor")
    (run,) = run_log.read_runs(settings)
    assert (run.what, run.entrance, run.exit_code) == ("run", "sensor", 7)
    with pytest.raises(Exception, match="contains no candidate"):
        pipeline.publish_newest(settings)
    assert [r.what for r in run_log.read_runs(settings)] == ["run", "publish"]


def _begin_and_wait(settings: Settings, entrance: run_log.Entrance) -> None:
    run_log.begin(settings, "run", entrance, "one")
    os.kill(os.getpid(), signal.SIGSTOP)


def test_a_run_that_was_killed_shows_as_such_once_its_process_is_gone(settings: Settings) -> None:
    for entrance in ("command_line", "schedule"):
        process = multiprocessing.get_context("fork").Process(
            target=_begin_and_wait, args=(settings, entrance)
        )
        process.start()
        os.waitid(os.P_PID, process.pid or 0, os.WSTOPPED)
        found = run_log.read_runs(settings)
        process.kill()
        process.join()
        assert [(run.state, run.is_bad) for run in found] == [("running", False)]
        (run,) = run_log.read_runs(settings)
        path = settings.runs_dir / "one.jsonl"
        if entrance == "schedule":  # another step may follow
            assert run.state == "running"
            os.utime(path, (0, 0))
            (run,) = run_log.read_runs(settings)
        assert (run.state, run.is_bad, run.exit_code) == ("killed", True, None)
        path.unlink()


def test_a_line_that_a_kill_has_cut_does_not_spoil_the_next_one(settings: Settings) -> None:
    run_log.begin(settings, "run", "ui", "one")
    path = settings.runs_dir / "one.jsonl"
    with path.open("ab") as stream:
        stream.write(b'{"ended": "2026-')
    (settings.runs_dir / "cut.jsonl").write_bytes(b'{"run_id"')
    (run,) = run_log.read_runs(settings)
    assert run.state == "running"
    run_log.end(settings, "one", "nothing_new")
    (run,) = run_log.read_runs(settings)
    assert run.state == "nothing_new"


def test_a_run_of_a_wrong_clock_does_not_hide_those_after_it(settings: Settings) -> None:
    ahead = datetime(2099, 1, 1, tzinfo=UTC)
    run_log.begin(settings, "run", "program", "wrong", started=ahead)
    run_log.end(settings, "wrong", "failed", exit_code=1, ended=ahead)
    with run_log.recorded(settings, "run", "program"):
        pass
    assert [run.outcome for run in run_log.read_runs(settings)] == ["failed", "done"]


def test_every_step_of_a_dagster_run_may_begin_it_and_its_sensor_has_the_last_word(
    settings: Settings,
) -> None:
    for entrance in ("schedule", "ui"):
        assert run_log.begin(settings, "run", entrance, "b0f1", started=NOW) == "b0f1"
    run_log.end(settings, "b0f1", "published", vintage_id="20261128T024500Z-00000000")
    run_log.end(settings, "b0f1", "failed", exit_code=3, error="check inbox_accepted failed")
    run_log.end(settings, "never-begun", "failed")
    (run,) = run_log.read_runs(settings)
    assert (run.entrance, run.started, run.state) == ("schedule", NOW, "failed")
    assert (run.vintage_id, run.exit_code) == ("20261128T024500Z-00000000", 3)
    with pytest.raises(ValueError, match="is not an id of a run"):
        run_log.begin(settings, "run", "ui", "../elsewhere")


class _WithKey(Settings):
    key: SecretStr | None = None


def test_a_secret_of_the_settings_is_never_written(tmp_path: Path) -> None:
    settings = _WithKey(data_dir=tmp_path, key=SecretStr("sk-or-v1-made-up"))
    with pytest.raises(OSError, match="made-up"), run_log.recorded(settings, "pull", "program"):
        raise OSError("GET /?key=sk-or-v1-made-up failed")
    (run,) = run_log.read_runs(settings)
    assert run.error == "GET /?key=*** failed"
    assert all(b"made-up" not in p.read_bytes() for p in tmp_path.rglob("*.jsonl"))


def test_the_oldest_runs_are_forgotten_but_never_one_at_work(settings: Settings) -> None:
    few = settings.model_copy(update={"keep_runs": 2})
    run_log.begin(few, "run", "program", "at-work")
    for n in range(4):
        run_log.begin(few, "run", "program", f"r{n}")
        run_log.end(few, f"r{n}", "done")
        os.utime(few.runs_dir / f"r{n}.jsonl", (n, n))
    os.utime(few.runs_dir / "at-work.jsonl", (0, 0))
    run_log.begin(few, "run", "program", "newest")
    assert {r.run_id for r in run_log.read_runs(few)} == {"at-work", "r3", "newest"}
    run_log.end(few, "at-work", "done")
    run_log.end(few, "newest", "done")


def test_an_error_keeps_its_message_if_the_log_cannot_be_written(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(GateRefusedError, match=r"^DAY_TOTAL") as raised,
        run_log.recorded(settings, "run", "program"),
    ):
        monkeypatch.setattr(run_log, "append_line", full)
        raise GateRefusedError("DAY_TOTAL")
    (note,) = raised.value.__notes__
    said = "note: the run log cannot be written: [Errno 28] No space left on device: '"
    assert note.startswith(f"{said}{settings.runs_dir}/")


def test_a_signal_ends_what_this_process_runs(settings: Settings) -> None:
    run_log.begin(settings, "run", "command_line", "one")
    run_log.end_interrupted(143)
    (run,) = run_log.read_runs(settings)
    assert (run.state, run.exit_code) == ("canceled", 143)
    run_log.end(settings, "one", "canceled", exit_code=143)
