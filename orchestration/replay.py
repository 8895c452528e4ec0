"""Replay a folder of pulls: each of them is a night of its own, as if it had just arrived.

The nights follow each other in the order of the times in the file names. The shipped history is
not landed. A night that fails is named, and the nights after it go on without its dump.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from orchestration import pipeline
from orchestration.errors import (
    GateRefusedError,
    RefusedDumpError,
    TokenshareError,
    TransformError,
    safe_text,
)
from orchestration.files import sha256_file
from orchestration.landing.manifest import SUFFIX
from orchestration.landing.store import DumpRecord, time_in_name
from orchestration.publication.verify import verify
from orchestration.publication.vintage import Vintage, latest_vintage
from orchestration.settings import PRIMARY_SOURCE, Settings
from orchestration.tables import open_files

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Night:
    """One pull and what became of it.

    `vintage_id` is the vintage that it led to, verified; None if there is none, and then `why_not`
    states the reason. `failure` is the error that stopped the night, or None. `notices` are those
    of the run, such as a warning of the gate.
    """

    file: str
    as_of: datetime
    vintage_id: str | None = None
    why_not: str = ""
    new_days: tuple[date, ...] = ()
    restated_days: tuple[date, ...] = ()
    withheld: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    failure: TokenshareError | None = None
    seconds: float = 0


def nights(folder: Path) -> list[tuple[datetime, Path]]:
    """The pulls of a folder with the times in their names, oldest first.

    Hidden files and manifests, which are read with their dumps, are not pulls. Raises
    RefusedDumpError that names every file whose name has no time, and TokenshareError if the
    folder cannot be read or has no pull.
    """
    try:
        files = sorted(p for p in folder.iterdir() if p.is_file())
    except OSError as error:
        raise TokenshareError(f"{folder}: cannot be read: {error.strerror}") from error
    files = [p for p in files if not p.name.startswith(".") and not p.name.endswith(SUFFIX)]
    if not files:
        raise TokenshareError(f"{folder}: contains no pull")
    times = {p: time_in_name(p.name) for p in files}
    if nameless := [safe_text(p.name) for p, moment in times.items() if moment is None]:
        raise RefusedDumpError(
            f"{folder}: the names of these files have no time, so their nights have no order: "
            f"{', '.join(nameless)}; expected names such as 2026-08-22T00-05-21Z.csv.gz"
        )
    return sorted((moment, p) for p, moment in times.items() if moment is not None)


def replay(
    folder: Path, settings: Settings, progress: Progress = lambda _: None
) -> Iterator[Night]:
    """Run every pull of a folder as its own night; yields each night when it is over.

    The vintage of a night is verified while the next night runs. A pull that is in the latest
    vintage already is not run again, so an interrupted replay goes on where it ended. Raises
    TokenshareError for what is not the fault of a pull, such as a full disk.
    """
    pulls = nights(folder)
    settings = settings.model_copy(update={"shipped_history": False})
    if latest := latest_vintage(settings):
        progress(f"verifying vintage {latest.vintage_id}")
        verify(latest.path)
    with ThreadPoolExecutor(1) as verifier:
        verifying: Future[Night] | None = None
        for moment, pull in pulls:
            finish = _night(moment, pull, settings, progress)
            if verifying is not None:
                yield verifying.result()
            verifying = verifier.submit(finish)
        if verifying is not None:
            yield verifying.result()


def _night(
    moment: datetime, pull: Path, settings: Settings, progress: Progress
) -> Callable[[], Night]:
    """Run one night; returns what verifies its vintage and says what became of the night."""
    started = time.monotonic()
    night = Night(safe_text(pull.name), moment)
    before = latest_vintage(settings)
    if before and sha256_file(pull) in {entry["sha256"] for entry in before.manifest["inputs"]}:
        why_not = f"is in vintage {before.vintage_id} already"
        return lambda: replace(night, why_not=why_not)
    try:
        result = pipeline.run_night(pull, settings, progress, entrance="command_line")
    except (RefusedDumpError, GateRefusedError, TransformError) as error:
        failed = replace(night, why_not="failed", failure=error, seconds=time.monotonic() - started)
        return lambda: failed
    vintage = result.vintage
    (landed,) = result.inbox.landed
    night = replace(
        night,
        vintage_id=vintage.vintage_id if vintage.is_new else None,
        why_not="" if vintage.is_new else vintage.why_not,
        withheld=tuple(w.describe() for w in vintage.withheld),
        notices=result.notices,
        seconds=time.monotonic() - started,
    )
    if not vintage.is_new:
        return lambda: night

    def verified() -> Night:
        verify(vintage.path)
        new_days, restated_days = _days(vintage, before, landed.record)
        return replace(night, new_days=new_days, restated_days=restated_days)

    return verified


def _days(
    vintage: Vintage, before: Vintage | None, record: DumpRecord
) -> tuple[tuple[date, ...], tuple[date, ...]]:
    """The days that no vintage had before, and those that the dump restated."""
    files = {n: vintage.path / "tables" / f"{n}.parquet" for n in ("usage_daily", "revisions")}
    # Without an earlier vintage every day is new.
    files["before"] = (before or vintage).path / "tables" / "usage_daily.parquet"
    with open_files(files) as connection:
        new = connection.execute(
            "select distinct usage_date from usage_daily where source = $1 except "
            "select usage_date from before where source = $1 and $2 order by 1",
            [PRIMARY_SOURCE, before is not None],
        ).fetchall()
        restated = connection.execute(
            "select distinct usage_date from revisions where dump_sha256_after = $1 order by 1",
            [record.sha256],
        ).fetchall()
    return tuple(day for (day,) in new), tuple(day for (day,) in restated)
