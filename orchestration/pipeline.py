"""The whole graph as plain functions: what the CLI calls in one go and Dagster asset by asset."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from filelock import FileLock, Timeout

from orchestration.diff.usage import Difference, compare_dumps, find_dump, was_built_from
from orchestration.errors import (
    GateRefusedError,
    RunLockedError,
    TokenshareError,
    TransformError,
)
from orchestration.files import BUILDING_PREFIX, remove_leftovers
from orchestration.ingestion.ingest import Ingested, ingest_all
from orchestration.landing.inbox import InboxResult, take_inbox
from orchestration.landing.store import (
    DumpRecord,
    land_shipped,
    list_dumps,
    read_records,
    seal_older,
)
from orchestration.metrics.crossover import write_crossover
from orchestration.publication.candidate import (
    CANDIDATE_FILE,
    Candidate,
    build_candidate,
    inputs_fingerprint,
    newest_candidate,
    with_current_inputs,
)
from orchestration.publication.manifest import Withheld
from orchestration.publication.vintage import (
    Vintage,
    finish_interrupted,
    intact_latest,
    publish,
    published_already,
)
from orchestration.publication.withheld import withhold, withhold_new
from orchestration.settings import Settings
from orchestration.sources import SOURCES
from orchestration.transformation.dbt import build
from orchestration.transformation.raw_tables import create_working_database

Progress = Callable[[str], None]
Built = TypeVar("Built")


@dataclass(frozen=True)
class RunResult:
    """What a run came to. `notices` are to be said aloud."""

    vintage: Vintage
    inbox: InboxResult
    notices: tuple[str, ...]


@contextmanager
def writer_lock(settings: Settings) -> Iterator[None]:
    """Hold the one writer's lock; the system frees it even where the holder is killed.

    Raises RunLockedError where another run does not finish within `lock_timeout_seconds`.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    path = settings.data_dir / ".writer.lock"
    try:
        with FileLock(path, timeout=settings.lock_timeout_seconds):
            yield
    except Timeout as error:
        raise RunLockedError(
            f"{path}: another run has held the writer's lock for "
            f"{settings.lock_timeout_seconds:.0f} s; wait for it, or raise "
            "TOKENSHARE_LOCK_TIMEOUT_SECONDS"
        ) from error


def tidy_up(settings: Settings) -> list[str]:
    """Remove what killed runs left half done, and finish what they left all but done."""
    remove_leftovers(
        [
            settings.candidates_dir,
            settings.vintages_dir,
            settings.published_dir,
            settings.data_dir,
            *(settings.landing_dir / name for name in SOURCES),
        ]
    )
    for folder in settings.candidates_dir.glob("*"):
        if not folder.name.startswith(BUILDING_PREFIX) and not (folder / CANDIDATE_FILE).exists():
            shutil.rmtree(folder, ignore_errors=True)
    return finish_interrupted(settings) + seal_older(settings)


def land_waiting(
    settings: Settings, progress: Progress = lambda _: None
) -> tuple[list[DumpRecord], InboxResult]:
    """Land the shipped history, then what has settled in the inbox.

    Every dump is hashed again here, and nowhere else in a run.
    """
    land_shipped(settings)
    result = take_inbox(settings, progress)
    return list_dumps(settings), result


def _known_dumps(settings: Settings) -> set[str]:
    """Hashes of the dumps that the latest vintage was made from."""
    latest = intact_latest(settings)
    return {entry["sha256"] for entry in latest.manifest["inputs"]} if latest else set()


def load(
    ingested: Sequence[Ingested], settings: Settings, withheld: Sequence[Withheld] = ()
) -> None:
    """Rebuild the working database from the raw files, without the dumps of `withheld`."""
    create_working_database(ingested, settings, intact_latest(settings), withheld)


def build_or_withhold(
    step: Callable[[Sequence[Withheld]], Built],
    ingested: Sequence[Ingested],
    settings: Settings,
    withheld: Sequence[Withheld] = (),
) -> Built:
    """Take a step on the way to a candidate; if it fails, once more without what is new of the
    other sources than the primary one (see `publication.withheld`).

    `step` is told what to withhold; returns what it returns. Raises TransformError, that of the
    first try, if both fail.
    """
    try:
        return step(withheld)
    except TransformError as error:
        records = [i.record for i in ingested]
        more = withhold_new(error, withheld, records, _known_dumps(settings))
        if not more:
            raise
        try:
            return step(more)
        except TransformError:
            raise error from None


def transform(
    ingested: Sequence[Ingested],
    settings: Settings,
    progress: Progress = lambda _: None,
    withheld: Sequence[Withheld] = (),
) -> None:
    """Rebuild the working database from the raw files and build every table in it."""
    if withheld:
        progress(f"withholding {', '.join(w.source for w in withheld)}")
    progress("loading rows")
    load(ingested, settings, withheld)
    progress("building models")
    build(settings)
    write_crossover(settings)


def make_candidate(
    ingested: Sequence[Ingested],
    settings: Settings,
    progress: Progress = lambda _: None,
    withheld: Sequence[Withheld] = (),
) -> Candidate:
    """Build every table and write the candidate, without `withheld` and what cannot be built."""

    def step(withheld: Sequence[Withheld]) -> Candidate:
        transform(ingested, settings, progress, withheld)
        progress("writing the candidate")
        return build_candidate(ingested, settings)

    return build_or_withhold(step, ingested, settings, withheld)


def export(ingested: Sequence[Ingested], settings: Settings) -> Candidate:
    """Write the candidate of the tables as they were built; as `make_candidate` if that fails."""

    def step(withheld: Sequence[Withheld]) -> Candidate:
        if withheld:
            transform(ingested, settings, withheld=withheld)
        return build_candidate(ingested, settings)

    return build_or_withhold(step, ingested, settings)


def publish_or_withhold(
    candidate: Candidate, settings: Settings, progress: Progress = lambda _: None
) -> Vintage:
    """Publish a candidate; if the gate refuses it only for sources other than the primary one, make
    and publish one that withholds them (see `publication.withheld`). The refused one is kept.

    The caller holds the writer's lock. Raises what `publish` raises.
    """
    try:
        return publish(candidate, settings, progress=progress)
    except GateRefusedError as refused:
        ingested = ingest_all(read_records(settings), settings)
        records = [i.record for i in ingested]
        withheld = withhold(refused, candidate.withheld, records, _known_dumps(settings))
        if not withheld:
            raise
    candidate = make_candidate(ingested, settings, progress, withheld)
    return publish_or_withhold(candidate, settings, progress)


def run(settings: Settings, progress: Progress = lambda _: None) -> RunResult:
    """The whole graph: land, ingest, transform, candidate, gate, publish.

    Publishes nothing where the latest vintage was made from the same dumps by the same code; its
    `why_not` then says so.
    """
    with writer_lock(settings):
        notices = tidy_up(settings)
        progress("landing")
        records, inbox = land_waiting(settings, progress)
        notices += inbox.notices
        try:
            return _run_on(records, inbox, notices, settings, progress)
        except TokenshareError as error:
            # What was done before the failure is as true after it.
            for notice in notices:
                error.add_note(f"note: {notice}")
            for _, refused in inbox.refused:
                error.add_note(f"also refused: {refused}")
            raise


def _run_on(
    records: list[DumpRecord],
    inbox: InboxResult,
    notices: list[str],
    settings: Settings,
    progress: Progress,
) -> RunResult:
    """The graph from the landed dumps on."""
    if same := published_already(inputs_fingerprint(records, settings), settings):
        return RunResult(same, inbox, tuple(notices))
    progress(f"ingesting {len(records)} dump(s)")
    ingested = ingest_all(records, settings)
    if quarantined := sum(i.quarantined_rows for i in ingested):
        notices.append(f"{quarantined} row(s) are in quarantine, see the table quarantine")
    if fields := sum(i.quarantined_fields for i in ingested):
        notices.append(
            f"{fields} field(s) of good rows were not believed and are NULL, "
            "see the table quarantine"
        )
    vintage = publish_or_withhold(make_candidate(ingested, settings, progress), settings, progress)
    notices += [
        f"warning {v.rule}: {v.title}; {v.observed}"
        for v in vintage.gate_results
        if v.outcome == "warn"
    ]
    return RunResult(vintage, inbox, tuple(notices))


def publish_newest(settings: Settings, progress: Progress = lambda _: None) -> Vintage:
    """Gate and publish the newest candidate, as after a threshold was reconsidered."""
    with writer_lock(settings):
        candidate = with_current_inputs(newest_candidate(settings), list_dumps(settings), settings)
        return publish_or_withhold(candidate, settings, progress)


def diff_dumps(
    before: str, after: str, settings: Settings, progress: Progress = lambda _: None
) -> Difference:
    """Compare two landed dumps; builds the working database where it does not hold both."""
    with writer_lock(settings):
        records = list_dumps(settings)
        pair = [find_dump(name, records) for name in (before, after)]
        if not was_built_from(settings.database_path, settings, pair):
            transform(ingest_all(records, settings), settings, progress)
        return compare_dumps(settings.database_path, *pair)
