"""`make year`: a year of nights on simulated pulls, each in the time that it would have.

The demo server publishes a snapshot a day over a real socket. Every night is what
`tokenshare run --pull` does at 03:00 UTC of its day: the shipped history, pulls without a key, the
archive, gate, vintage and pruning. Only the clock is set (time-machine), so ids, ages and pruning
are those of a year. NIGHTS=30 for so many.

Printed: what failed, the cost of a night by month, and the disk by folder.
"""

import os
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import time_machine

from orchestration import pipeline
from orchestration.demo.server import OLDEST_SNAPSHOT, demo_server, make_demo
from orchestration.errors import TokenshareError
from orchestration.publication.retention import folder_bytes
from orchestration.publication.verify import verify
from orchestration.publication.vintage import latest_vintage
from orchestration.settings import Settings

NIGHTS = int(os.environ.get("NIGHTS", "365"))
MONTH = 30
AT = timedelta(hours=3)


def megabytes(data_dir: Path) -> Counter[str]:
    """The size of each folder of the data folder, in MB."""
    return Counter({p.name: folder_bytes(p) // 10**6 for p in data_dir.iterdir() if p.is_dir()})


def main() -> None:
    """Run the nights and print what they cost."""
    cpu: list[float] = []
    wall: list[float] = []
    failures: list[str] = []
    most: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name, demo_server(make_demo(OLDEST_SNAPSHOT)) as demo:
        data_dir = Path(name)
        settings = Settings(data_dir=data_dir, source_url=demo.base_url)
        for number in range(1, NIGHTS + 1):
            morning = datetime(demo.today.year, demo.today.month, demo.today.day, tzinfo=UTC) + AT
            before = time.perf_counter(), time.process_time()
            try:
                with time_machine.travel(morning):
                    result = pipeline.run(settings, pull=True)
                assert result.vintage.is_new, result.vintage.why_not
                if result.problem:
                    raise result.problem
            except TokenshareError as error:
                failures.append(f"night {number}, {demo.today}: {error}")
                print(failures[-1], flush=True)
            wall.append(time.perf_counter() - before[0])
            cpu.append(time.process_time() - before[1])
            if number % MONTH == 0 or number == NIGHTS:
                sizes = megabytes(data_dir)
                most |= sizes
                vintages = len(list(settings.vintages_dir.iterdir()))
                print(
                    f"night {number}, {demo.today}: the last {MONTH} nights took "
                    f"{median(wall[-MONTH:]):.1f} s and {median(cpu[-MONTH:]):.1f} s of CPU each "
                    f"(median); {vintages} vintages, {sum(sizes.values())} MB: "
                    + ", ".join(f"{n} {s}" for n, s in sizes.most_common()),
                    flush=True,
                )
            demo.next_night()
        latest = latest_vintage(settings)
        assert latest, "nothing is published"
        verify(latest.path)
    # The first night also parses the dbt project and pulls what was missing.
    first, last = median(cpu[1 : MONTH + 1]), median(cpu[-MONTH:])
    print(
        f"{NIGHTS} nights, {len(failures)} failed; the latest vintage, {latest.vintage_id}, "
        f"verifies\ncost of a night, last month against first: {last / first:.2f} times the CPU, "
        f"{median(wall[-MONTH:]) / median(wall[1 : MONTH + 1]):.2f} times the time\n"
        f"largest sizes seen, in MB: {dict(most)}"
    )
    if failures:
        sys.exit(1)


if __name__ == "__main__":
    main()
