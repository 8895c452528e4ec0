"""Kill or interrupt what writes: what is published stays whole and the next run needs no help.

The suite kills a run between its stages and the other commands before any of their writes;
`make chaos` (tests/chaos.py) kills all of them at random moments.
"""

import itertools
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestration import pipeline
from orchestration.landing.archive import list_archived
from orchestration.landing.store import land, list_dumps, read_records
from orchestration.publication.manifest import seal_manifest
from orchestration.publication.verify import verify
from orchestration.publication.vintage import latest_vintage
from orchestration.run_log import read_runs
from orchestration.settings import Settings
from tests import builders
from tests.integration.test_pull import history, land_days, night, no_key, snapshots
from tests.integration.test_write_order import (
    CHANGES,
    NEW,
    WRITING,
    before,
    candidate_of,
    installation,
    parts,
    published,
)

__all__ = ["before", "history", "installation", "no_key", "parts"]
CORRECTED = datetime(2026, 3, 31, tzinfo=UTC)
# A server that has imported everything, so that a kill hits the run and not its imports, and has
# parsed the dbt project, which is half of a small run.
WARM = multiprocessing.get_context("forkserver")
WARM.set_forkserver_preload(
    [
        "orchestration.pipeline", "dbt.cli.main", "dbt.adapters.duckdb", "great_expectations",
        "arch.bootstrap", "scipy.signal", "vl_convert", "tests.integration.parsed",
        "tests.integration.test_kill",
    ]
)  # fmt: skip


# What a run says as it begins its stages. Between rename and pointer: test_write_order.py.
STAGES = (
    "landing", "ingesting", "loading rows", "building models", "writing the candidate",
    "running the gate", "writing the report",
)  # fmt: skip


def go_until(settings: Settings, stage: str) -> None:
    """A run up to this stage; to the last one from the candidate that the run before has left."""

    def die(step: str) -> None:
        if step.startswith(stage):
            os.kill(os.getpid(), signal.SIGKILL)

    if stage == STAGES[-1]:
        pipeline.publish_newest(settings, die)
    pipeline.run(settings, die)


def run_once(settings: Settings) -> None:
    pipeline.run(settings)


def run_by_terminal(settings: Settings, said: Path) -> None:
    """`tokenshare run` with its stderr in a file, as from a terminal: Ctrl-C and SIGTERM are heard.
    Dagster gives SIGTERM the handler of SIGINT, which a suite in the background ignores; a process
    that is started after a Dagster job inherits that."""
    from orchestration.cli import main

    descriptor = os.open(said, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 2)
    sys.argv = ["tokenshare", "run", "--data-dir", str(settings.data_dir)]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    main()


def run_by_function(settings: Settings, said: Path) -> None:
    """The same as a program or an asset calls it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        pipeline.run(settings, lambda step: said.write_text(step, encoding="utf-8"))
    except KeyboardInterrupt:
        sys.exit(99)


def start(
    settings: Settings, run: Callable[..., None] = run_once, *arguments: object
) -> multiprocessing.process.BaseProcess:
    process = WARM.Process(target=run, args=(settings, *arguments))
    process.start()
    return process


def land_a_day_more(settings: Settings, drop: Callable[[str, bytes], Path], n: int) -> None:
    rows = builders.feed(builders.days("2026-01-01", 42 + n))
    made = datetime(2026, 4, 1 + n, tzinfo=UTC)
    land(drop(f"{n}.csv", builders.csv3(rows)), settings, as_of=made)


def test_a_run_that_is_killed_between_two_stages_changes_nothing_and_the_next_one_goes_on(
    small: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    """Each run meets what the one before has left."""
    pointer = small.latest_path.read_bytes()
    before = latest_vintage(small)
    assert before is not None
    land_a_day_more(small, drop, 1)
    for stage in STAGES:
        killed = start(small, go_until, stage)
        killed.join()
        assert killed.exitcode == -signal.SIGKILL, stage
        assert read_runs(small)[-1].state == "killed", stage
        assert small.latest_path.read_bytes() == pointer, stage
    whole = start(small)
    whole.join()
    assert whole.exitcode == 0
    after = latest_vintage(small)
    assert after is not None
    assert after.manifest["previous_vintage"] == before.vintage_id
    for vintage in (before, after):
        verify(vintage.path)
    assert len(list(small.vintages_dir.iterdir())) == 2
    assert not list(small.candidates_dir.iterdir())
    assert not [p for p in small.data_dir.rglob(".building-*") if "dbt" not in p.parts]


def until_write(settings: Settings, command: Callable[[Settings], object], number: int) -> None:
    """Run a command, and kill it just before its change `number` of the data folder, from 0 on."""
    changes = itertools.count()

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            paths = arguments[:1] if arguments[2] & WRITING else ()
        else:
            paths = arguments[: CHANGES[event][1]] if event in CHANGES else ()
        below = [
            path
            for path in paths
            if isinstance(path, str | bytes | os.PathLike)
            and Path(os.fsdecode(path)).is_relative_to(settings.data_dir)
        ]
        if below and next(changes) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)
    command(settings)


def go_back(settings: Settings) -> None:
    latest = latest_vintage(settings)
    assert latest is not None
    pipeline.roll_back_to(latest.manifest["previous_vintage"], "wrong counts", settings)


def correct(settings: Settings) -> None:
    (record,) = read_records(settings)
    with pipeline.writer_lock(settings):
        land(settings.landing_dir / record.path, settings, as_of=CORRECTED, correction="the clock")


def killed(settings: Settings, command: Callable[[Settings], object], number: int) -> bool:
    """Was the command killed, or did it end before its change `number`?"""
    process = start(settings, until_write, command, number)
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


@pytest.mark.parametrize("command", [pipeline.prune_vintages, go_back])
def test_a_prune_or_rollback_that_is_killed_before_any_of_its_writes_loses_nothing(
    command: Callable[[Settings], object], parts: Path, installation: Settings, tmp_path: Path
) -> None:
    old = latest_vintage(installation)
    assert old is not None
    new = published(candidate_of(parts, installation, NEW), installation)
    aged = [f"2024010{day}T000000Z-00000000" for day in (1, 2)]  # of one week: one may go
    for name in aged:
        shutil.copytree(new.path, installation.vintages_dir / name)
        stated = {**new.manifest, "vintage_id": name}
        del stated["manifest_sha256"]
        (installation.vintages_dir / name / "manifest.json").write_bytes(seal_manifest(stated))
    for number in range(0, 100, 2):
        settings = Settings(data_dir=tmp_path / str(number))
        shutil.copytree(installation.data_dir, settings.data_dir, symlinks=True)
        is_killed = killed(settings, command, number)
        there = {p.name for p in settings.vintages_dir.glob("2*")}
        assert {old.vintage_id, new.vintage_id, aged[1]} <= there, number
        for name in there:
            verify(settings.vintages_dir / name, deep=False)
        named = latest_vintage(settings)
        assert named is not None
        notices = pipeline.tidy_up(settings)
        assert not [n for n in notices if "now" in n], "nothing was to repair"
        assert latest_vintage(settings) == named
        assert not list(settings.data_dir.rglob(".building-*"))
        if not is_killed:
            break
        shutil.rmtree(settings.data_dir)
    assert number > 3
    if command is go_back:
        assert named.vintage_id == old.vintage_id
    else:
        assert there == {old.vintage_id, new.vintage_id, aged[1]}


def test_a_correction_that_is_killed_before_any_of_its_writes_is_made_or_not(
    settings: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    land_a_day_more(settings, drop, 1)
    for number in range(100):
        is_killed = killed(settings, correct, number)
        (record,) = list_dumps(settings)
        assert (record.as_of == CORRECTED) == bool(record.history), number
        pipeline.tidy_up(settings)
        assert not list(settings.data_dir.rglob(".building-*"))
        if not is_killed:
            break
    assert number > 1
    assert [entry.reason for entry in record.history] == ["the clock"]


def test_a_pull_that_is_killed_goes_on_where_it_was(history: Settings, tmp_path: Path) -> None:
    """Each pull meets what the one before has left. No dump and no answer is there by halves."""
    with night(history, tmp_path, calls_per_night=9) as (_, settings):
        land_days(settings, "2025-12-01", 31, tmp_path)
        kills = 0
        while killed(settings, pipeline.pull, 2 + 7 * kills):
            kills += 1
            list_dumps(settings)
            list(list_archived(settings))
        assert kills > 2
        assert set(snapshots(settings)) == {"2026-01-02.csv", "2026-02-01.csv", "2026-03-03.csv"}
        assert not list(settings.data_dir.rglob(".building-*"))


@pytest.mark.parametrize(
    ("run", "number", "code"),
    [
        (run_by_terminal, signal.SIGINT, 130),
        (run_by_terminal, signal.SIGTERM, 143),
        (run_by_function, signal.SIGINT, 99),
    ],
    ids=["ctrl-c", "sigterm", "in a program"],
)
def test_an_interrupt_during_dbt_ends_the_run_and_publishes_nothing(
    small: Settings,
    drop: Callable[[str, bytes], Path],
    tmp_path: Path,
    run: Callable[..., None],
    number: signal.Signals,
    code: int,
) -> None:
    before = small.latest_path.read_bytes()
    land_a_day_more(small, drop, 1)
    said = tmp_path / "said"
    said.touch()
    process = start(small, run, said)
    assert process.pid is not None
    # dbt is at work once the step before has ended and the working database is written to again.
    log = small.database_path.with_name(small.database_path.name + ".wal")
    begun = ("loading rows:", "building models")
    while not (any(step in said.read_text(encoding="utf-8") for step in begun) and log.exists()):
        assert process.is_alive(), said.read_text(encoding="utf-8")
        time.sleep(0.005)
    # Which signals the process blocks, ignores and catches, for the message of a failure.
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    signals = [line for line in status.splitlines() if line.startswith("Sig")]
    os.kill(process.pid, number)
    sent = time.monotonic()
    process.join()
    seconds = time.monotonic() - sent
    assert process.exitcode == code, [signals, said.read_text(encoding="utf-8")]
    if run is run_by_terminal:
        assert seconds < 2
        line = said.read_text(encoding="utf-8").splitlines()[-1]
        what = "interrupted" if number == signal.SIGINT else "terminated (SIGTERM)"
        assert line.startswith(f"error {what}: the published state is intact")
        assert "Traceback" not in said.read_text(encoding="utf-8")
    assert small.latest_path.read_bytes() == before
    assert len(list(small.vintages_dir.iterdir())) == 1
    assert not list(small.candidates_dir.glob("*"))
    last = read_runs(small)[-1]
    assert (last.state, last.exit_code) == ("canceled", 130 if code == 99 else code)
