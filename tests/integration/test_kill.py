"""Kill or interrupt the run: what is published stays whole and the next run needs no help.

The suite kills between the stages; `make chaos` kills at random moments, TOKENSHARE_KILLS times.
"""

import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestration.landing.store import land
from orchestration.publication.verify import verify
from orchestration.publication.vintage import latest_vintage
from orchestration.run_log import read_runs
from orchestration.settings import Settings
from tests import builders

KILLS = int(os.environ.get("TOKENSHARE_KILLS", "0"))
SEED = int(os.environ.get("TOKENSHARE_SEED", str(time.time_ns() % 10_000)))
# A server that has imported everything, so that a kill hits the run and not its imports, and has
# parsed the dbt project, which is half of a small run; `make chaos` kills into the parsing as well.
WARM = multiprocessing.get_context("forkserver")
WARM.set_forkserver_preload(
    [
        "orchestration.pipeline", "dbt.cli.main", "dbt.adapters.duckdb", "great_expectations",
        "arch.bootstrap", "scipy.signal", "vl_convert",
        *(["tests.integration.parsed"] if not KILLS else []),
    ]
)  # fmt: skip


# What a run says as it begins its stages. Between rename and pointer: test_write_order.py.
STAGES = (
    "landing", "ingesting", "loading rows", "building models", "writing the candidate",
    "running the gate", "writing the report",
)  # fmt: skip


def go_until(settings: Settings, stage: str) -> None:
    """A run up to this stage; to the last one from the candidate that the run before has left."""
    from orchestration import pipeline

    def die(step: str) -> None:
        if step.startswith(stage):
            os.kill(os.getpid(), signal.SIGKILL)

    if stage == STAGES[-1]:
        pipeline.publish_newest(settings, die)
    pipeline.run(settings, die)


def run_once(settings: Settings) -> None:
    from orchestration import pipeline

    pipeline.run(settings)


def run_by_terminal(settings: Settings, said: Path) -> None:
    """`tokenshare run` with its stderr in a file, as from a terminal: Ctrl-C is heard."""
    from orchestration.cli import main

    descriptor = os.open(said, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 2)
    sys.argv = ["tokenshare", "run", "--data-dir", str(settings.data_dir)]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()


def run_by_function(settings: Settings, said: Path) -> None:
    """The same as a program or an asset calls it."""
    from orchestration import pipeline

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


@pytest.mark.chaos
def test_killed_runs_leave_a_verified_vintage_and_nothing_to_repair(
    small: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    chance = random.Random(SEED)

    land_a_day_more(small, drop, 1)
    started = time.monotonic()
    whole = start(small)
    whole.join()
    assert whole.exitcode == 0
    seconds = time.monotonic() - started

    for n in range(2, KILLS + 2):
        land_a_day_more(small, drop, n)
        before = latest_vintage(small)
        assert before is not None
        process = start(small)
        moment = chance.uniform(0, seconds)
        process.join(timeout=moment)
        process.kill()
        process.join()
        said = f"seed {SEED}, kill {n - 1} after {moment:.3f} s of {seconds:.3f} s"
        named = latest_vintage(small)
        assert named is not None, said
        verify(named.path)

        recovered = start(small)
        recovered.join()
        assert recovered.exitcode == 0, said
        after = latest_vintage(small)
        assert after is not None
        assert after.vintage_id > before.vintage_id, said
        verify(after.path)
        leftovers = [p for p in small.data_dir.rglob(".building-*") if "dbt" not in p.parts]
        assert not leftovers, said


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
    os.kill(process.pid, number)
    sent = time.monotonic()
    process.join()
    seconds = time.monotonic() - sent
    assert process.exitcode == code, said.read_text(encoding="utf-8")
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
