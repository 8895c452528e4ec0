"""The whole graph as plain functions. The CLI calls them in one run, Dagster asset by asset."""

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
    seal_unsealed,
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
from orchestration.registry.faults import refuse as refuse_faults
from orchestration.registry.registry import WORKING
from orchestration.settings import Settings
from orchestration.sources import SOURCES
from orchestration.transformation.dbt import build
from orchestration.transformation.raw_tables import create_working_database

Progress = Callable[[str], None]
Built = TypeVar("Built")


@dataclass(frozen=True)
class RunResult:
    """The result of a run. `notices` are to be shown to the user."""

    vintage: Vintage
    inbox: InboxResult
    notices: tuple[str, ...]


@contextmanager
def writer_lock(settings: Settings) -> Iterator[None]:
    """Hold the lock of the only writer. The system frees it even if the holder is killed.

    Raises RunLockedError if another run does not finish within `lock_timeout_seconds`.
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
    """Remove what killed runs left incomplete, and finish a publication that lacks only its last
    step. Returns notices for the user."""
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
    return finish_interrupted(settings) + seal_unsealed(settings)


def land_waiting(
    settings: Settings, progress: Progress = lambda _: None
) -> tuple[list[DumpRecord], InboxResult]:
    """Land the shipped history, then the files of the inbox that nobody is writing.

    Every landed dump is hashed again here, and nowhere else in a run.
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
    """Rebuild the working database from the raw files, without the dumps of `withheld`.

    Raises RegistryFindingsError, before anything is built, if the registry has a bad row.
    """
    refuse_faults(WORKING)
    create_working_database(ingested, settings, intact_latest(settings), withheld)


def build_or_withhold(
    step: Callable[[Sequence[Withheld]], Built],
    ingested: Sequence[Ingested],
    settings: Settings,
    withheld: Sequence[Withheld] = (),
) -> Built:
    """Run a step toward a candidate. If it fails, run it once more without the new dumps of all
    sources but the primary one (see `publication.withheld`).

    `step` gets the sources to withhold; its result is returned. Raises the TransformError of the
    first attempt if both fail.
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
    """Build every table and write the candidate, without `withheld` and without new dumps from
    which the tables cannot be built."""

    def step(withheld: Sequence[Withheld]) -> Candidate:
        transform(ingested, settings, progress, withheld)
        progress("writing the candidate")
        return build_candidate(ingested, settings)

    return build_or_withhold(step, ingested, settings, withheld)


def export(ingested: Sequence[Ingested], settings: Settings) -> Candidate:
    """Write the candidate from the tables that are built; if that fails, build them again without
    new dumps, as `make_candidate` does."""

    def step(withheld: Sequence[Withheld]) -> Candidate:
        if withheld:
            transform(ingested, settings, withheld=withheld)
        return build_candidate(ingested, settings)

    return build_or_withhold(step, ingested, settings)


def publish_or_withhold(
    candidate: Candidate, settings: Settings, progress: Progress = lambda _: None
) -> Vintage:
    """Publish a candidate. If the gate refuses it only because of sources other than the primary
    one, make and publish a candidate that withholds them (see `publication.withheld`). The refused
    candidate is kept.

    The caller must hold the writer's lock. Raises what `publish` raises.
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
    """Run the whole graph: land, ingest, transform, candidate, gate, publish.

    If the same code made the latest vintage from the same dumps, nothing is published, and
    `why_not` of the returned vintage states the reason.
    """
    with writer_lock(settings):
        notices = tidy_up(settings)
        progress("landing")
        records, inbox = land_waiting(settings, progress)
        notices += inbox.notices
        try:
            return _run_on(records, inbox, notices, settings, progress)
        except TokenshareError as error:
            # What was done before the failure is still worth reporting.
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
    """Run the graph from the landed dumps on."""
    if same := published_already(inputs_fingerprint(records, settings), settings):
        return RunResult(same, inbox, tuple(notices))
    progress(f"ingesting {len(records)} dump(s)")
    ingested = ingest_all(records, settings)
    if quarantined := sum(i.quarantined_rows for i in ingested):
        notices.append(f"{quarantined} row(s) are in quarantine; see the table quarantine")
    if fields := sum(i.quarantined_fields for i in ingested):
        notices.append(
            f"{fields} field(s) of good rows are in quarantine, and NULL in their row; see the "
            "table quarantine"
        )
    vintage = publish_or_withhold(make_candidate(ingested, settings, progress), settings, progress)
    notices += [
        f"warning {v.rule}: {v.title}; {v.observed}"
        for v in vintage.gate_results
        if v.outcome == "warn"
    ]
    return RunResult(vintage, inbox, tuple(notices))


def publish_newest(settings: Settings, progress: Progress = lambda _: None) -> Vintage:
    """Gate and publish the newest candidate, for example after a threshold has changed."""
    with writer_lock(settings):
        candidate = with_current_inputs(newest_candidate(settings), list_dumps(settings), settings)
        return publish_or_withhold(candidate, settings, progress)


def diff_dumps(
    before: str, after: str, settings: Settings, progress: Progress = lambda _: None
) -> Difference:
    """Compare two landed dumps; builds the working database first if it does not contain both."""
    with writer_lock(settings):
        records = list_dumps(settings)
        pair = [find_dump(name, records) for name in (before, after)]
        if not was_built_from(settings.database_path, settings, pair):
            transform(ingest_all(records, settings), settings, progress)
        return compare_dumps(settings.database_path, *pair)
