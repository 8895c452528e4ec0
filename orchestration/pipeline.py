"""The whole graph as plain functions. The CLI calls them in one run, Dagster asset by asset."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from orchestration import run_log
from orchestration.diff.usage import Difference, compare_dumps, find_dump, was_built_from
from orchestration.errors import (
    GateRefusedError,
    OtherLinkError,
    PullError,
    RefusedDumpError,
    RunLockedError,
    ServeError,
    SourceWithheldError,
    TokenshareError,
    TransformError,
    VerificationError,
    as_user_error,
    resource_problem,
    with_notes,
)
from orchestration.files import BUILDING_PREFIX, naming, remove_leftovers
from orchestration.gate.run import blockers
from orchestration.ingestion.ingest import Ingested, ingest_all
from orchestration.landing.inbox import InboxResult, take_inbox
from orchestration.landing.store import (
    DumpRecord,
    land,
    land_shipped,
    list_dumps,
    read_records,
    refused_folder,
    seal_unsealed,
    set_aside,
)
from orchestration.metrics.crossover import write_crossover
from orchestration.postgres import serve
from orchestration.publication.candidate import (
    CANDIDATE_FILE,
    Candidate,
    build_candidate,
    code_fingerprint,
    inputs_fingerprint,
    newest_candidate,
    with_current_inputs,
)
from orchestration.publication.manifest import Withheld, without_repair_advice
from orchestration.publication.retention import (
    Pruned,
    prune,
    repair_latest,
    roll_back,
    set_pin,
)
from orchestration.publication.vintage import (
    Vintage,
    finish_interrupted,
    latest_vintage,
    publish,
    published_already,
)
from orchestration.publication.withheld import withhold, withhold_new
from orchestration.pulling.pull import PullResult, pull_day
from orchestration.pulling.pull import pull as pull_new
from orchestration.pulling.pull import pull_litellm as pull_new_of_litellm
from orchestration.registry.faults import refuse as refuse_faults
from orchestration.registry.registry import WORKING
from orchestration.request_logs import ALL_SOURCES
from orchestration.settings import PRIMARY_SOURCE, Settings
from orchestration.transformation.dbt import build
from orchestration.transformation.docs import DOCS_NAME, docs_page
from orchestration.transformation.raw_tables import create_working_database
from orchestration.transformation.request_days import Day, ingested_days, reduce_days

Progress = Callable[[str], None]
Built = TypeVar("Built")


@dataclass(frozen=True)
class RunResult:
    """The result of a run. `notices` are to be shown to the user. `pulled` is None if the run did
    not pull. `serve_failure` states why PostgreSQL was not loaded if it was to be."""

    vintage: Vintage
    inbox: InboxResult
    notices: tuple[str, ...]
    pulled: PullResult | None = None
    serve_failure: str = ""

    @property
    def problem(self) -> TokenshareError | None:
        """What is wrong although the run went through, as the error that the command line shows: a
        source is withheld, a file of the inbox was refused, the rankings were not pulled, or
        PostgreSQL was not loaded."""
        return left_out_error(
            self.vintage,
            [message for _, message in self.inbox.refused],
            self.pulled.failure if self.pulled else "",
            self.serve_failure,
        )


def withheld_error(vintage: Vintage, also: Sequence[str] = ()) -> SourceWithheldError | None:
    """The error that says what a vintage lacks of what was landed, or None if it lacks nothing."""
    if not vintage.withheld:
        return None
    return SourceWithheldError("\n".join([*(w.describe() for w in vintage.withheld), *also]))


def left_out_error(
    vintage: Vintage, refused: Sequence[str], pull_failure: str = "", serve_failure: str = ""
) -> TokenshareError | None:
    """The error with which a run ends, after everything good is published, if a source is withheld,
    a file was refused (`refused` describes each), the rankings could not be pulled, or PostgreSQL
    could not be loaded. The first of these decides which error it is, and it states them all."""
    not_pulled = PullResult(failure=pull_failure).error()
    also = [*refused, *([str(not_pulled)] if not_pulled else []), *filter(None, [serve_failure])]
    if vintage.withheld:
        return withheld_error(vintage, also)
    if refused:
        return RefusedDumpError("\n".join(also))
    if not_pulled:
        return PullError("\n".join(also))
    return ServeError(serve_failure) if serve_failure else None


def serve_latest(settings: Settings, progress: Progress = lambda _: None) -> str:
    """Load the latest vintage into PostgreSQL if the settings name one that does not have it yet.
    Returns why that failed, or "".

    Nothing that is published changes, so the writer's lock is not needed.
    """
    if settings.serve_to is None:
        return ""
    latest = latest_vintage(settings)
    if latest is None:
        return ""
    try:
        serve(latest.path, settings, progress, only_if_new=True)
    except Exception as error:
        if (known := as_user_error(error)) is None:
            raise
        return f"PostgreSQL was not loaded: {with_notes(known)}"
    return ""


@contextmanager
def writer_lock(settings: Settings) -> Iterator[None]:
    """Hold the lock of the only writer. The system frees it even if the holder is killed.

    Raises RunLockedError if another run does not finish within `lock_timeout_seconds`. An OSError
    that names no file gets the name of the data folder.
    """
    path = settings.data_dir / ".writer.lock"
    try:
        with naming(settings.data_dir):
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            with FileLock(path, timeout=settings.lock_timeout_seconds):
                yield
    except Timeout as error:
        raise RunLockedError(
            f"{path}: another run has held the writer's lock for "
            f"{settings.lock_timeout_seconds:.0f} s; wait for it, or raise "
            "TOKENSHARE_LOCK_TIMEOUT_SECONDS"
        ) from error


def tidy_up(settings: Settings) -> list[str]:
    """Remove what killed runs left incomplete, finish a publication that lacks only its last step,
    and go back from a damaged vintage to a whole one. Returns notices for the user.

    If no whole vintage is left, or something else is where the link `latest` belongs, a notice says
    so, and pulling and landing may go on; nothing can be published then.
    """
    remove_leftovers(
        [
            settings.candidates_dir,
            settings.vintages_dir,
            settings.published_dir,
            settings.data_dir,
            settings.pulls_dir,
            settings.landing_dir,
            *(settings.landing_dir / name for name in ALL_SOURCES),
            *settings.archive_dir.glob("*"),
            *settings.warehouse_dir.glob("raw/*/*"),
        ]
    )
    for folder in settings.candidates_dir.glob("*"):
        if not folder.name.startswith(BUILDING_PREFIX) and not (folder / CANDIDATE_FILE).exists():
            shutil.rmtree(folder, ignore_errors=True)
    try:
        notices = repair_latest(settings) + finish_interrupted(settings)
    except VerificationError as error:
        notices = [f"nothing can be published: {without_repair_advice(error)}"]
    except OtherLinkError as error:
        notices = [str(error)]
    return notices + seal_unsealed(settings)


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
    latest = latest_vintage(settings)
    return {entry["sha256"] for entry in latest.manifest["inputs"]} if latest else set()


def load(
    ingested: Sequence[Ingested],
    settings: Settings,
    withheld: Sequence[Withheld] = (),
    progress: Progress = lambda _: None,
) -> None:
    """Rebuild the working database from the raw files, without the dumps of `withheld`. Days of
    request logs that are new, or have new rows, are reduced first.

    Raises RegistryFindingsError, before anything is built, if the registry has a bad row.
    """
    refuse_faults(WORKING)
    create_working_database(ingested, settings, withheld, progress)


def build_or_withhold(
    step: Callable[[Sequence[Withheld]], Built],
    ingested: Sequence[Ingested],
    settings: Settings,
    withheld: Sequence[Withheld] = (),
) -> Built:
    """Run a step toward a candidate. If it fails, run it once more without the new dumps of all
    sources but the primary one (see `publication.withheld`).

    `step` gets the sources to withhold; its result is returned. Raises the TransformError of the
    first attempt if both fail, after the dump that is the cause is set aside.
    """
    try:
        return step(withheld)
    except TransformError as error:
        records = [i.record for i in ingested]
        if more := withhold_new(error, withheld, records, _known_dumps(settings)):
            with suppress(TransformError):
                return step(more)
        if resource_problem(str(error)) is None:
            _set_aside_the_cause(error, records, settings)
        raise


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
    load(ingested, settings, withheld, progress)
    build(settings, progress)
    write_crossover(settings)


def _write_candidate(ingested: Sequence[Ingested], settings: Settings) -> Candidate:
    """Write the candidate from the tables that are built, and the page about the models."""
    return build_candidate(ingested, settings, pages={DOCS_NAME: docs_page(settings)})


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
        return _write_candidate(ingested, settings)

    return build_or_withhold(step, ingested, settings, withheld)


def export(ingested: Sequence[Ingested], settings: Settings) -> Candidate:
    """Write the candidate from the tables that are built; if that fails, build them again without
    new dumps, as `make_candidate` does."""

    def step(withheld: Sequence[Withheld]) -> Candidate:
        if withheld:
            transform(ingested, settings, withheld=withheld)
        return _write_candidate(ingested, settings)

    return build_or_withhold(step, ingested, settings)


def publish_or_withhold(
    candidate: Candidate, settings: Settings, progress: Progress = lambda _: None
) -> Vintage:
    """Publish a candidate. If the gate refuses it only because of sources other than the primary
    one, make and publish a candidate that withholds them (see `publication.withheld`). The refused
    candidate is kept. If the primary source is at fault, the dump that is the cause is set aside.
    After a publication, old vintages are pruned.

    The caller must hold the writer's lock. Raises what `publish` raises.
    """
    try:
        return _prune_after(publish(candidate, settings, progress=progress), settings)
    except GateRefusedError as refused:
        ingested = ingest_all(read_records(settings), settings)
        records = [i.record for i in ingested]
        withheld = withhold(refused, candidate.withheld, records, _known_dumps(settings))
        if not withheld:
            if any(PRIMARY_SOURCE in r.sources for r in blockers(refused.results)):
                held = {entry["sha256"] for entry in candidate.inputs}
                _set_aside_the_cause(refused, [r for r in records if r.sha256 in held], settings)
            raise
    candidate = make_candidate(ingested, settings, progress, withheld)
    return publish_or_withhold(candidate, settings, progress)


def _set_aside_the_cause(
    error: TokenshareError, records: Sequence[DumpRecord], settings: Settings
) -> None:
    """Set aside the dump that made a run fail, so that the next night does not fail because of it;
    the error gets a note that says so.

    That is the only one of `records`, from which the tables were made, that is of the primary
    source and new since the latest vintage, if the same code made that vintage. Otherwise it is not
    known what is at fault, and all dumps stay.
    """
    latest = latest_vintage(settings)
    if latest is None or latest.manifest["code"]["sha256"] != code_fingerprint():
        return
    known = _known_dumps(settings)
    new = [r for r in records if r.source == PRIMARY_SOURCE and r.sha256 not in known]
    if len(new) == 1:
        _set_aside(new[0], error, settings)
    elif new:
        error.add_note(
            f"{len(new)} dumps of {PRIMARY_SOURCE} are new, so none of them is set aside, and the "
            "next run tries all of them again; to leave a wrong one out, remove its folder from "
            f"{settings.landing_dir / PRIMARY_SOURCE}"
        )


def _set_aside(record: DumpRecord, error: TokenshareError, settings: Settings) -> None:
    folder = set_aside(record, str(error), settings)
    error.add_note(
        f"{record.original_name} is set aside in {folder}, and the next run goes on without it; to "
        f"have it tried again, move that folder to {settings.landing_dir / record.source}"
    )


def _prune_after(vintage: Vintage, settings: Settings) -> Vintage:
    """Prune after a publication, if the settings say so. What prevents it becomes a notice."""
    if not (vintage.is_new and settings.prune_after_run):
        return vintage
    try:
        pruned = prune(settings)
    except (TokenshareError, OSError) as error:
        not_pruned = f"old vintages are not pruned: {error}"
        return replace(vintage, notices=(*vintage.notices, not_pruned))
    said = [f"{id_} is pruned" for id_ in pruned.vintage_ids]
    return replace(vintage, notices=(*vintage.notices, *said, *pruned.notices))


def prune_vintages(settings: Settings, dry_run: bool = False) -> tuple[Pruned, list[str]]:
    """Delete old vintages (see `publication.retention`), or find those that would be deleted.
    Returns notices for the user as well."""
    if dry_run:
        return prune(settings, dry_run=True), []
    with writer_lock(settings):
        notices = finish_interrupted(settings)
        return prune(settings), notices


def pin_vintage(name: str, reason: str, settings: Settings, *, pinned: bool) -> str:
    """Pin or unpin a vintage; returns its id."""
    with writer_lock(settings):
        return set_pin(name, reason, settings, pinned=pinned)


def roll_back_to(name: str, reason: str, settings: Settings) -> tuple[str, str, list[str]]:
    """Make `latest.json` name another vintage; returns its id, the id before it, and notices.

    An interrupted publication is finished first, so that the next run does not undo the rollback.
    """
    with writer_lock(settings):
        try:
            notices = finish_interrupted(settings)
        except VerificationError as error:
            notices = [f"latest.json is damaged, and is replaced: {error}"]
        found, before, more = roll_back(name, reason, settings)
        return found, before, [*notices, *more]


def pull(
    settings: Settings, progress: Progress = lambda _: None, day: date | None = None
) -> PullResult:
    """Land what is new on the network, or the rankings of one UTC day, under the writer's lock.

    Raises what `pulling.pull.pull` raises, and RunLockedError.
    """
    with writer_lock(settings):
        notices = tidy_up(settings)
        pulled = pull_new(settings, progress) if day is None else pull_day(settings, day, progress)
        return replace(pulled, notices=(*notices, *pulled.notices))


def pull_litellm(settings: Settings, progress: Progress = lambda _: None) -> PullResult:
    """Land what is new in LiteLLM's spend logs, under the writer's lock.

    Raises what `pulling.pull.pull_litellm` raises, and RunLockedError.
    """
    with writer_lock(settings):
        notices = tidy_up(settings)
        pulled = pull_new_of_litellm(settings, progress)
        return replace(pulled, notices=(*notices, *pulled.notices))


@dataclass(frozen=True)
class Reduction:
    """The days that were chosen, how many of them were reduced, and notices for the user."""

    days: tuple[Day, ...]
    reduced: int
    notices: tuple[str, ...] = ()


def reduce_chosen(
    settings: Settings,
    is_chosen: Callable[[Day], bool],
    progress: Progress = lambda _: None,
    *,
    again: bool = False,
) -> Reduction:
    """Reduce the chosen days of the landed request logs that are open, or all chosen ones `again`,
    under the writer's lock. Nothing is landed or published.

    Raises what `request_days.reduce_days` raises, and RunLockedError.
    """
    with writer_lock(settings):
        notices = tidy_up(settings)
        ingested = ingest_all(read_records(settings), settings)
        chosen = [d for d in ingested_days(ingested, settings) if is_chosen(d)]
        wanted = [d for d in chosen if again or d.is_open]
        reduce_days(wanted, settings, progress)
        return Reduction(tuple(chosen), len(wanted), tuple(notices))


def reduce(
    settings: Settings,
    is_chosen: Callable[[Day], bool],
    progress: Progress = lambda _: None,
    *,
    again: bool = False,
    entrance: run_log.Entrance = "program",
) -> Reduction:
    """Do what `reduce_chosen` does. The run log keeps what became of it."""
    with run_log.recorded(settings, "reduce", entrance):
        return reduce_chosen(settings, is_chosen, progress, again=again)


def run(
    settings: Settings,
    progress: Progress = lambda _: None,
    pull: bool = False,
    *,
    entrance: run_log.Entrance = "program",
) -> RunResult:
    """Run the whole graph: land, ingest, transform, candidate, gate, publish. With `pull`, land
    first what is new on the network. The run log keeps what became of it.

    If the same code made the latest vintage from the same dumps, nothing is published, and
    `why_not` of the returned vintage states the reason. If the rankings cannot be pulled, the run
    goes on with what is landed; `pulled` of the result states the failure. At the end PostgreSQL
    is loaded if it is to be; `serve_failure` of the result states why it was not.
    """
    with run_log.recorded(settings, "run", entrance) as ending:
        result = _run(settings, progress, pull)
        result = replace(result, serve_failure=serve_latest(settings, progress))
        _record(ending, result.vintage, result.problem)
        return result


def _record(ending: run_log.Ending, vintage: Vintage, problem: TokenshareError | None) -> None:
    ending.outcome = "published" if vintage.is_new else "nothing_new"
    ending.vintage_id, ending.problem = vintage.vintage_id, problem


def _run(settings: Settings, progress: Progress, pull: bool) -> RunResult:
    with writer_lock(settings):
        notices = tidy_up(settings)
        pulled = pull_new(settings, progress) if pull else None
        if pulled is not None:
            notices += pulled.notices
            notices += [f"the rankings could not all be pulled: {pulled.failure}"] * bool(
                pulled.failure
            )
        progress("landing")
        records, inbox = land_waiting(settings, progress)
        notices += inbox.notices
        try:
            result = _run_on(records, inbox, notices, settings, progress)
            return replace(result, pulled=pulled)
        except TokenshareError as error:
            # What was done before the failure is still worth reporting.
            for notice in notices:
                error.add_note(f"note: {notice}")
            for _, refused in inbox.refused:
                error.add_note(f"also refused: {refused}")
            raise


def run_night(
    dump: Path,
    settings: Settings,
    progress: Progress = lambda _: None,
    *,
    entrance: run_log.Entrance = "program",
) -> RunResult:
    """Land one dump and run the rest of the graph. Nothing else is landed. The run log keeps what
    became of it.

    If the gate refuses what came with the dump, or no tables can be built from it, the dump is set
    aside (see `landing.store.set_aside`), so that the next night does not fail because of this one.

    Raises what `run` raises, and RefusedDumpError if the dump is refused or was set aside before.
    """
    with run_log.recorded(settings, "replay", entrance) as ending:
        result = _run_night(dump, settings, progress)
        _record(ending, result.vintage, result.problem)
        return result


def _run_night(dump: Path, settings: Settings, progress: Progress) -> RunResult:
    with writer_lock(settings):
        notices = tidy_up(settings)
        progress("landing")
        landed = land(dump, settings)
        record = landed.record
        known = record.sha256 in _known_dumps(settings)
        inbox = InboxResult(landed=[landed])
        notices += landed.notices
        try:
            return _run_on(list_dumps(settings), inbox, notices, settings, progress)
        except (GateRefusedError, TransformError) as error:
            is_aside = refused_folder(record.source, record.sha256, settings).exists()
            if not known and not is_aside and resource_problem(str(error)) is None:
                _set_aside(record, error, settings)
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
    notices += vintage.notices
    notices += [
        f"warning {v.rule}: {v.title}; {v.observed}"
        for v in vintage.gate_results
        if v.outcome == "warn"
    ]
    return RunResult(vintage, inbox, tuple(notices))


def publish_newest(
    settings: Settings,
    progress: Progress = lambda _: None,
    *,
    entrance: run_log.Entrance = "program",
) -> Vintage:
    """Gate and publish the newest candidate, for example after a threshold has changed. The run log
    keeps what became of it. PostgreSQL is left as it is; the next run loads it."""
    with run_log.recorded(settings, "publish", entrance) as ending, writer_lock(settings):
        candidate = with_current_inputs(newest_candidate(settings), list_dumps(settings), settings)
        vintage = publish_or_withhold(candidate, settings, progress)
        _record(ending, vintage, withheld_error(vintage))
        return vintage


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
