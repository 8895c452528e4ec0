"""The rankings: which snapshots or windows to ask for, and landing them.

Without a key, the dated snapshots of the keyless export. The snapshot of a day has the 30 days
before it. `latest.manifest.json` is read only for the newest date: the other files named `latest`
can mix two days. Every hole between the first landed day and the newest snapshot is filled from the
snapshot that reaches back furthest, and the day before the hole is in it too. Older snapshots are
landed first, so that a pull that breaks off leaves no new hole.

With a key, windows of at most 366 days, and always the last `restated_days` again.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from orchestration.errors import PullError, RefusedDumpError
from orchestration.files import sha256_bytes
from orchestration.landing.gaps import Gap, add_gaps, read_gaps, runs
from orchestration.landing.manifest import SUFFIX, Manifest, parse_manifest
from orchestration.landing.store import read_records
from orchestration.pulling.client import HostError
from orchestration.pulling.night import Night, openrouter
from orchestration.settings import PRIMARY_SOURCE, Settings

FIRST_DAY = date(2025, 1, 1)
# No snapshot of an earlier day was ever published.
_OLDEST_SNAPSHOT = date(2026, 9, 19)
_WINDOW_DAYS = 30
_MOST_DAYS_A_CALL = 366
# If a snapshot is announced but not there yet, so many days before it are tried.
_NEWEST_TRIED = 3
_DAY = timedelta(days=1)


def _span(first: date, last: date) -> set[date]:
    """Every day from `first` to `last`."""
    return {first + n * _DAY for n in range((last - first).days + 1)}


def _held(snapshot: date) -> set[date]:
    """The days in the snapshot of a day."""
    return _span(snapshot - _WINDOW_DAYS * _DAY, snapshot - _DAY)


@dataclass(frozen=True)
class _Known:
    """What is landed: days in windows of dumps, and the days of snapshots of the keyless export."""

    days: frozenset[date]
    snapshots: frozenset[date]

    @classmethod
    def read(cls, settings: Settings) -> "_Known":
        days: set[date] = set()
        snapshots = set()
        for record in read_records(settings):
            if record.source != PRIMARY_SOURCE or not (record.window_start and record.window_end):
                continue
            days |= _span(record.window_start, record.window_end)
            if "keyless_export" in record.layout:
                snapshots |= _day_in_name(record.original_name)
        return cls(frozenset(days), frozenset(snapshots))


def _day_in_name(name: str) -> set[date]:
    try:
        return {date.fromisoformat(name.split(".")[0])}
    except ValueError:
        return set()


def _exports(settings: Settings) -> str:
    return f"{openrouter(settings)}/datasets/exports/rankings-daily"


def _manifest(night: Night, name: str) -> tuple[Manifest, bytes] | None:
    """A manifest by its name without the suffix, or None if there is none."""
    url = f"{_exports(night.settings)}/{name}{SUFFIX}"
    answer = night.client.get(url, "json")
    if answer.status != 200:
        return None
    return parse_manifest(answer.body, url), answer.body


def _newest(night: Night) -> date:
    """The day of the newest snapshot.

    Raises PullError if it is not known, or in the future.
    """
    found = _manifest(night, "latest")
    where = f"{_exports(night.settings)}/latest{SUFFIX}"
    if found is None:
        raise PullError(
            f"{where}: there is none; is {night.settings.source_url or 'openrouter.ai'} a server "
            "with the keyless exports?"
        )
    day = found[0].snapshot_date
    if day > night.now().date() + _DAY:
        raise PullError(f"{where}: snapshot_date {day} is in the future; it is {night.now()}")
    return day


class _Snapshots:
    """Finds and lands the dated snapshots of one pull.

    `bad` are those that cannot be used, `failed` those for which no answer came, with the reason.
    """

    def __init__(self, night: Night) -> None:
        self._night = night
        self._manifests: dict[date, tuple[Manifest, bytes] | None] = {}
        self.bad: dict[date, str] = {}
        self.failed: dict[date, str] = {}

    @property
    def problems(self) -> list[str]:
        return [*self.bad.values(), *self.failed.values()]

    def find(self, day: date) -> bool:
        """Does the snapshot of a day exist, with a manifest that can be used?"""
        if day in self.bad or day in self.failed:
            return False
        if day not in self._manifests:
            try:
                found = _manifest(self._night, day.isoformat())
                if found and found[0].snapshot_date != day:
                    raise RefusedDumpError(
                        f"{_exports(self._night.settings)}/{day}{SUFFIX}: snapshot_date is "
                        f"{found[0].snapshot_date}; expected {day}"
                    )
                self._manifests[day] = found
            except RefusedDumpError as error:
                self.bad[day] = str(error)
            except PullError as error:
                if isinstance(error, HostError):
                    raise
                self.failed[day] = str(error)
        return self._manifests.get(day) is not None

    def land(self, day: date) -> None:
        """Land a snapshot that was found. If its bytes are not those that its manifest states, both
        are asked for once more: the source may have been in the middle of publishing."""
        try:
            try:
                self._land(day)
            except RefusedDumpError:
                del self._manifests[day]
                if not self.find(day):
                    raise
                self._land(day)
        except RefusedDumpError as error:
            self.bad.setdefault(day, str(error))
        except PullError as error:
            if isinstance(error, HostError):
                raise
            self.failed[day] = str(error)

    def _land(self, day: date) -> None:
        found = self._manifests[day]
        assert found is not None
        manifest, content = found
        url = f"{_exports(self._night.settings)}/{day}.csv"
        answer = self._night.client.get(url, "csv")
        if answer.status != 200:
            raise RefusedDumpError(f"{url}: there is none, although its manifest is there")
        stated, body = manifest.files.csv, answer.body
        for what, says, has in (
            ("bytes", stated.bytes, len(body)),
            ("sha256", stated.sha256, sha256_bytes(body)),
        ):
            if says != has:
                raise RefusedDumpError(
                    f"{url}: has {what} {has}; its manifest states {says}: it was cut or changed "
                    "in transit, or is being published"
                )
        files = {f"{day}.csv": body, f"{day}{SUFFIX}": content}
        self._night.land(files, f"{day}.csv", url, PRIMARY_SOURCE, self._night.now())

    def holding(self, day: date, newest: date, oldest: date) -> date | None:
        """The snapshot with this day that reaches back furthest, or None if there is none."""
        first = max(day + _DAY, oldest)
        candidates = sorted(_span(first, min(day + _WINDOW_DAYS * _DAY, newest)))
        return next((c for c in candidates if self.find(c)), None)


def _record_gaps(night: Night, days: Iterable[date], reason: str) -> None:
    new = [
        Gap(
            source=PRIMARY_SOURCE,
            first_day=first,
            last_day=last,
            reason=reason,
            learned_at=night.now(),
        )
        for first, last in runs(days)
    ]
    add_gaps(new, night.settings)
    night.gaps += new
    night.notices += [gap.describe() for gap in new]


def _gap_days(settings: Settings) -> set[date]:
    gaps = [gap for gap in read_gaps(settings) if gap.source == PRIMARY_SOURCE]
    return {day for gap in gaps for day in gap.days()}


def _with_overlap(missing: Collection[date], known: Collection[date]) -> set[date]:
    """The missing days, and the landed day before each row of them."""
    return {*missing, *({first - _DAY for first, _ in runs(missing)} & set(known))}


def _unreachable(night: Night, snapshots: _Snapshots) -> str:
    where = night.settings.source_url or "openrouter.ai"
    refused = "".join(f"; {text}" for text in snapshots.bad.values())
    return f"no snapshot of {where} has these days any more (asked {night.now():%Y-%m-%d}){refused}"


def _newest_there(snapshots: _Snapshots, announced: date, known: _Known) -> date:
    """The newest snapshot that is there, if it is one of the last few up to the announced one.

    Raises PullError if none is.
    """
    tried = [announced - n * _DAY for n in range(_NEWEST_TRIED)]
    found = next((d for d in tried if d in known.snapshots or snapshots.find(d)), None)
    if found is None:
        raise PullError(
            f"the snapshot of {announced} is announced, but neither it nor one of the "
            f"{_NEWEST_TRIED - 1} days before it can be used"
        )
    return found


def _plan(
    night: Night, snapshots: _Snapshots, announced: date, known: _Known
) -> tuple[list[date], set[date]]:
    """The snapshots to land, the oldest first, and the days that none of them can have."""
    newest = _newest_there(snapshots, announced, known)
    oldest = _OLDEST_SNAPSHOT if newest > _OLDEST_SNAPSHOT else date.min
    reached = _held(newest if oldest == date.min else oldest)
    first = min(known.days or reached)
    missing = _span(first, newest - _DAY) - known.days - _gap_days(night.settings)
    wanted = _with_overlap(missing, known.days)
    chain = [] if newest in known.snapshots else [newest]
    if chain:
        wanted -= _held(newest)
    while wanted and night.calls_left:
        snapshot = snapshots.holding(max(wanted), newest, oldest)
        if snapshot is None:
            # Those that are left are older still.
            return chain[::-1], set() if snapshots.failed else wanted & missing
        chain.append(snapshot)
        wanted -= _held(snapshot)
    return chain[::-1], set()


def pull_snapshots(night: Night) -> None:
    """Land the newest snapshot of the keyless export and those that fill the holes before it.

    Raises PullError if the host does not answer or has no exports. Each snapshot that cannot be
    used is a failure of the night, and others are landed in its place.
    """
    announced = _newest(night)
    snapshots = _Snapshots(night)
    try:
        while True:
            chain, gone = _plan(night, snapshots, announced, _Known.read(night.settings))
            problems = len(snapshots.problems)
            for day in chain:
                if night.calls_left == 0:
                    raise PullError(f"{_budget(night)} the snapshot of {day}")
                night.progress(f"pulling the snapshot of {day}")
                snapshots.land(day)
            if len(snapshots.problems) == problems:
                break
        _record_gaps(night, gone, _unreachable(night, snapshots))
    finally:
        night.failures += snapshots.problems


def _budget(night: Night) -> str:
    return (
        f"the budget of {night.settings.calls_per_night} calls (TOKENSHARE_CALLS_PER_NIGHT) is "
        "used up, and the next pull continues, before"
    )


def pull_snapshot_of(night: Night, day: date) -> None:
    """Land the snapshot in which a day is the last one, or else another that has the day.

    Raises PullError if the host does not answer.
    """
    snapshots, known = _Snapshots(night), _Known.read(night.settings)
    own = day + _DAY
    if own in known.snapshots:
        return
    if snapshots.find(own):
        snapshots.land(own)
    elif day in known.days:
        night.notices.append(f"there is no snapshot of {own}; {day} is landed already")
    else:
        newest = min(day + _WINDOW_DAYS * _DAY, night.now().date())
        if (other := snapshots.holding(day, newest, date.min)) is not None:
            snapshots.land(other)
        elif not snapshots.failed and day not in _gap_days(night.settings):
            _record_gaps(night, {day}, _unreachable(night, snapshots))
    night.failures += snapshots.problems


def _windows(missing: Collection[date], last: date, restated_days: int) -> list[tuple[date, date]]:
    """The windows to ask for, the oldest first: every missing day and the last `restated_days`."""
    wanted = {*missing, *_span(max(FIRST_DAY, last - (restated_days - 1) * _DAY), last)}
    windows = []
    for first, end in runs(wanted):
        while first <= end:
            until = min(end, first + (_MOST_DAYS_A_CALL - 1) * _DAY)
            windows.append((first, until))
            first = until + _DAY
    return windows


def _land_window(night: Night, first: date, last: date) -> None:
    query = urlencode({"start_date": first, "end_date": last})
    url = f"{openrouter(night.settings)}/datasets/rankings-daily?{query}"
    night.progress(f"pulling {first} to {last}")
    answer = night.client.get(url, "json", keyed=True)
    if answer.status != 200:
        raise PullError(f"{url}: not found; is the address of the source right?")
    night.land_json(answer.body, url, PRIMARY_SOURCE)


def pull_windows(night: Night) -> None:
    """Land every missing day since 2025-01-01 and the last `restated_days` from the keyed API.

    Raises PullError if the host does not answer, or does not accept the key.
    """
    last = night.now().date() - _DAY
    known = _Known.read(night.settings)
    missing = _span(FIRST_DAY, last) - known.days
    wanted = _with_overlap(missing, known.days)
    for first, end in _windows(wanted, last, night.settings.restated_days):
        if night.calls_left == 0:
            raise PullError(f"{_budget(night)} the window {first} to {end}")
        _land_window(night, first, end)


def pull_window_of(night: Night, day: date) -> None:
    """Land one day from the keyed API.

    Raises PullError if the host does not answer, or does not accept the key.
    """
    _land_window(night, day, day)
