"""`pull` lands what is new on the network, `pull_day` one day of the rankings, `pull_litellm` the
spend logs of LiteLLM alone. Command line, `run --pull` and Dagster call these functions."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from orchestration.errors import PullError, RefusedDumpError, quoted, safe_text
from orchestration.files import format_time, sha256_bytes
from orchestration.landing.archive import Archived, Pulled, add_pull, archive
from orchestration.landing.gaps import Gap
from orchestration.landing.store import Landed, land_shipped, limits, read_records
from orchestration.pulling.client import Answer, Client
from orchestration.pulling.litellm import pull_spendlogs
from orchestration.pulling.night import Night, Progress, Seen
from orchestration.pulling.plan import Ask, asks
from orchestration.pulling.rankings import (
    pull_snapshot_of,
    pull_snapshots,
    pull_window_of,
    pull_windows,
)
from orchestration.request_logs.litellm_spendlogs import NAME as LITELLM
from orchestration.settings import Settings
from orchestration.sources import Dump

Clock = Callable[[], datetime]


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class PullResult:
    """What a pull did.

    `landed` are the dumps that it landed, `archived` the numbers of answers that are new in the
    archive, by name. `gaps` are the days that it found to be unreachable. `notices` are to be shown
    to the user. `calls` counts the requests, retries included. `failure` states why the rankings
    could not be pulled, or not all of them; it is empty if they could.
    """

    landed: tuple[Landed, ...] = ()
    archived: tuple[tuple[str, int], ...] = ()
    notices: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
    calls: int = 0
    failure: str = ""

    def error(self) -> PullError | None:
        """The error to end with if the rankings could not be pulled."""
        if not self.failure:
            return None
        return PullError(f"the rankings could not all be pulled: {self.failure}")

    def raise_for_failure(self) -> None:
        """Raise PullError if the rankings could not be pulled."""
        if error := self.error():
            raise error


def pull(
    settings: Settings, progress: Progress = lambda _: None, clock: Clock = _utc_now
) -> PullResult:
    """Land and archive what is new. The caller holds the writer's lock.

    What one address answers never keeps the others from being asked. Raises CorruptLandingError if
    something that was landed before has changed; failures of the network are in the result.
    """

    def everything(night: Night) -> list[tuple[str, int]]:
        _pull_rankings(night, pull_snapshots, pull_windows)
        archived = _pull_the_rest(night)
        if settings.litellm_database_url is not None:
            try:
                pull_spendlogs(night)
            except (PullError, RefusedDumpError) as error:
                night.notices.append(f"{LITELLM}: {error}")
        return archived

    return _pull(settings, progress, clock, everything)


def pull_day(
    settings: Settings, day: date, progress: Progress = lambda _: None, clock: Clock = _utc_now
) -> PullResult:
    """Land the rankings of one complete UTC day of usage. The caller holds the writer's lock.

    Without a key that is the snapshot of the day after it, or another that has the day. If there is
    none, the day becomes a gap. Raises CorruptLandingError as `pull` does.
    """

    def one_day(night: Night) -> list[tuple[str, int]]:
        _pull_rankings(night, lambda n: pull_snapshot_of(n, day), lambda n: pull_window_of(n, day))
        return []

    return _pull(settings, progress, clock, one_day)


def pull_litellm(
    settings: Settings, progress: Progress = lambda _: None, clock: Clock = _utc_now
) -> PullResult:
    """Land what is new in LiteLLM's spend logs. The caller holds the writer's lock.

    Raises PullError and RefusedDumpError as `litellm.pull_spendlogs` does.
    """

    def spendlogs(night: Night) -> list[tuple[str, int]]:
        pull_spendlogs(night)
        return []

    return _pull(settings, progress, clock, spendlogs)


def _pull(
    settings: Settings,
    progress: Progress,
    clock: Clock,
    work: Callable[[Night], list[tuple[str, int]]],
) -> PullResult:
    # Before anything else of the rankings is landed, or it would not be landed any more.
    land_shipped(settings)
    with Client(settings) as client:
        night = Night(settings, client, progress, clock)
        archived = work(night)
        return PullResult(
            tuple(night.landed),
            tuple(archived),
            tuple(night.notices),
            tuple(night.gaps),
            client.calls,
            "\n".join(night.failures),
        )


def _pull_rankings(
    night: Night, without_key: Callable[[Night], None], with_key: Callable[[Night], None]
) -> None:
    has_key = night.settings.openrouter_api_key is not None
    night.progress("pulling the rankings")
    try:
        (with_key if has_key else without_key)(night)
    except (PullError, RefusedDumpError) as error:
        night.failures.append(str(error))


def _pull_the_rest(night: Night) -> list[tuple[str, int]]:
    """Ask for everything else, in order of value; returns how many answers are new in the archive,
    by name."""
    listed, notices = asks(read_records(night.settings), night.now(), night.settings)
    night.notices += notices
    has_key = night.settings.openrouter_api_key is not None
    closed = [ask.name for ask in listed if ask.needs_key and not has_key]
    if closed:
        night.notices.append(
            f"not pulled without a key: {', '.join(closed)} (TOKENSHARE_OPENROUTER_API_KEY)"
        )
    open_asks = [ask for ask in listed if has_key or not ask.needs_key]
    seen, archived = Seen(night.settings, night.now()), Counter[str]()
    problems: dict[str, list[str]] = {}
    for number, ask in enumerate(open_asks):
        if night.calls_left == 0:
            left = Counter(later.name for later in open_asks[number:])
            night.notices.append(
                f"the budget of {night.settings.calls_per_night} calls is used up "
                f"(TOKENSHARE_CALLS_PER_NIGHT); not asked: {_named(left)}"
            )
            break
        if ask.name != open_asks[number - 1].name or number == 0:
            night.progress(f"pulling {ask.name}")
        try:
            archived[ask.name] += _pull_one(night, ask, seen)
        except (PullError, RefusedDumpError) as error:
            problems.setdefault(ask.name, []).append(str(error))
    for name, texts in problems.items():
        more = f"{len(texts)} answers failed; the first: " if len(texts) > 1 else ""
        night.notices.append(f"{name}: {more}{texts[0]}")
    return sorted((name, count) for name, count in archived.items() if count)


def _named(counted: Counter[str]) -> str:
    return ", ".join(f"{name} ({n})" if n > 1 else name for name, n in counted.items())


def _pull_one(night: Night, ask: Ask, seen: Seen) -> bool:
    """Ask for one address, and land or archive what is new; returns whether it is new in the
    archive."""
    etag, folder = seen.get(ask.url, ask.source or f"archive/{ask.name}")
    answer = night.client.get(ask.url, "json", keyed=ask.needs_key, etag=etag)
    if answer.status == 404:
        raise PullError(f"{ask.url}: not found (404)")
    if ask.source is not None:
        if answer.status == 200:
            folder = night.land_json(answer.body, ask.url, ask.source)
            seen.put(ask.url, answer.etag, folder)
        return False
    pulled = Pulled(pulled_at=night.now(), url=ask.url)
    if answer.status == 304:
        add_pull(ask.name, folder.rsplit("/", 1)[1], pulled, night.settings)
        return False
    sidecar = _described(night, ask, answer, pulled)
    is_new = archive(answer.body, sidecar, night.settings)
    seen.put(ask.url, answer.etag, f"archive/{ask.name}/{sidecar.sha256}")
    return is_new


def _described(night: Night, ask: Ask, answer: Answer, pulled: Pulled) -> Archived:
    """The sidecar of an answer for the archive.

    Raises RefusedDumpError if the answer is not a JSON document with `data`.
    """
    document = Dump(ask.url, answer.body, limits(night.settings)).json
    if not isinstance(document, dict) or not isinstance(document.get("data"), list | dict):
        shown = json.dumps(document)[:80] if isinstance(document, dict | list) else str(document)
        raise RefusedDumpError(
            f"{ask.url}: begins with {quoted(shown)}; expected a JSON object with `data`"
        )
    meta = document.get("meta")
    as_of = meta.get("as_of") if isinstance(meta, dict) else None
    stated = safe_text(as_of, 40) if isinstance(as_of, str) else None
    return Archived(
        name=ask.name,
        sha256=sha256_bytes(answer.body),
        bytes=len(answer.body),
        as_of=stated,
        license=ask.license,
        citation=ask.citation.format(as_of=stated or format_time(pulled.pulled_at)),
        pulls=(pulled,),
    )
