"""Kill the run at random moments: what is published stays whole and the next run needs no help.

TOKENSHARE_KILLS sets how often (`make chaos`: 20).
"""

import multiprocessing
import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from orchestration.landing.store import land
from orchestration.publication.verify import verify
from orchestration.publication.vintage import latest_vintage
from orchestration.settings import Settings
from tests import builders

KILLS = int(os.environ.get("TOKENSHARE_KILLS", "3"))
SEED = int(os.environ.get("TOKENSHARE_SEED", str(time.time_ns() % 10_000)))
# A server that has imported everything, so that a kill hits the run and not its imports, and has
# parsed the dbt project, which is half of a small run; `make chaos` kills into the parsing as well.
WARM = multiprocessing.get_context("forkserver")
WARM.set_forkserver_preload(
    [
        "orchestration.pipeline", "dbt.cli.main", "dbt.adapters.duckdb", "great_expectations",
        "arch.bootstrap", "scipy.signal", "vl_convert",
        *(["tests.integration.parsed"] if KILLS < 20 else []),
    ]
)  # fmt: skip


def run_once(settings: Settings) -> None:
    from orchestration import pipeline

    pipeline.run(settings)


def start(settings: Settings) -> multiprocessing.process.BaseProcess:
    process = WARM.Process(target=run_once, args=(settings,))
    process.start()
    return process


def test_killed_runs_leave_a_verified_vintage_and_nothing_to_repair(
    small: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    chance = random.Random(SEED)

    def land_one_more_day(n: int) -> None:
        rows = builders.feed(builders.days("2026-01-01", 42 + n))
        made = datetime(2026, 4, 1 + n, tzinfo=UTC)
        land(drop(f"{n}.csv", builders.csv3(rows)), small, as_of=made)

    land_one_more_day(1)
    started = time.monotonic()
    whole = start(small)
    whole.join()
    assert whole.exitcode == 0
    seconds = time.monotonic() - started

    for n in range(2, KILLS + 2):
        land_one_more_day(n)
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
