"""Which vintages are kept, and going back to an earlier one.

Nobody changes a vintage, so what people decide about vintages is kept beside them, in the log
`published/history.jsonl`: pins, rollbacks and what was pruned, each with its time and reason.
Everything that writes here is called by who holds the writer's lock.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from orchestration.errors import TokenshareError, VerificationError, safe_text
from orchestration.files import (
    append_line,
    delete_folder,
    format_time,
    fsync,
    read_json,
    sha256_bytes,
)
from orchestration.publication.manifest import (
    LATEST_NAME,
    read_latest,
    read_manifest,
    refuse_other_link,
    set_latest,
    single_match,
    vintage_time,
    without_repair_advice,
)
from orchestration.publication.verify import verify
from orchestration.publication.vintage import intact_latest
from orchestration.settings import PRIMARY_SOURCE, Settings

HISTORY_NAME = "history.jsonl"
# One vintage a week is kept for this long, and one a month for ever.
_WEEKLY_FOR = timedelta(days=366)

Action = Literal["pin", "unpin", "rollback", "prune"]


class Entry(BaseModel):
    """One line of the log. `before` is the vintage that `latest.json` named before a rollback,
    or empty if it named none that could be read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: AwareDatetime
    action: Action
    vintages: tuple[str, ...]
    reason: str
    before: str = ""


@dataclass(frozen=True)
class Kept:
    """A vintage and why it is kept; without a reason it may be pruned."""

    vintage_id: str
    path: Path
    why: tuple[str, ...]


@dataclass(frozen=True)
class Pruned:
    """What was deleted. `notices` name what should have been and was not."""

    vintage_ids: tuple[str, ...]
    bytes: int
    notices: tuple[str, ...]


def read_history(settings: Settings) -> list[Entry]:
    """The log, oldest entry first. A last line that a kill has cut is left out.

    Raises TokenshareError that names the line if another one cannot be read.
    """
    path = settings.published_dir / HISTORY_NAME
    if not path.exists():
        return []
    entries = []
    *lines, _ = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(Entry.model_validate_json(line))
        except ValidationError as error:
            problem = error.errors()[0]
            raise TokenshareError(
                f"{path}, line {number}: {'.'.join(map(str, problem['loc'])) or 'the line'}: "
                f"{safe_text(problem['msg'])}, found {safe_text(line.decode(errors='replace'))}; "
                "restore the file from a backup: it says which vintages are pinned"
            ) from error
    return entries


def _write_history(settings: Settings, entry: Entry) -> None:
    path = settings.published_dir / HISTORY_NAME
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        append_line(descriptor, {**entry.model_dump(mode="json"), "at": format_time(entry.at)})
    finally:
        os.close(descriptor)
    fsync(path.parent)


def pins(settings: Settings) -> dict[str, str]:
    """The reason of every pinned vintage, by its id."""
    found: dict[str, str] = {}
    for entry in read_history(settings):
        for vintage_id in entry.vintages:
            if entry.action == "pin":
                found[vintage_id] = entry.reason
            elif entry.action == "unpin":
                found.pop(vintage_id, None)
    return found


def own_vintages(settings: Settings) -> list[Path]:
    """The folders in `vintages/` whose names are ids of vintages, newest first."""
    return sorted(
        (
            path
            for path in settings.vintages_dir.glob("*")
            if vintage_time(path.name) and path.is_dir() and not path.is_symlink()
        ),
        reverse=True,
    )


def find_own_vintage(name: str, settings: Settings) -> Path:
    """The folder in `vintages/` of a vintage id, the start of one, its path, or `latest`.

    Raises TokenshareError if no vintage or several vintages have this name.
    """
    if name == "latest" and (latest := read_latest(settings.published_dir)):
        return latest[0]
    there_are = own_vintages(settings)
    if os.sep in name:
        asked = Path(name).expanduser().resolve()
        found = [path for path in there_are if path.resolve() == asked]
    else:
        found = [path for path in there_are if name and path.name.startswith(name)]
    folder: Path = single_match(found, name, "vintage", (path.name for path in there_are))
    return folder


def _made(path: Path) -> datetime:
    made = vintage_time(path.name)
    assert made is not None  # `own_vintages` returns no other folders
    return made.replace(tzinfo=UTC)


def plan(
    settings: Settings, now: datetime | None = None, *, even_if_damaged: bool = False
) -> list[Kept]:
    """Every vintage, newest first, with all reasons to keep it.

    Ages are counted to now, or to the newest time in the rankings if that is earlier. Kept are: the
    latest one; what is newer than it (somebody went back, and a run on the same
    inputs must find it); pinned ones; those younger than `keep_vintages_days`; the newest of each
    ISO week for a year; the newest of each month.

    Raises VerificationError if `latest.json` is damaged (with `even_if_damaged`, everything is then
    kept), and TokenshareError if the log is: then nobody knows what must be kept.
    """
    now = now or datetime.now(UTC)
    try:
        latest = read_latest(settings.published_dir)
    except VerificationError:
        if not even_if_damaged:
            raise
        latest = None
    latest_id = latest[1]["vintage_id"] if latest else ""
    if latest:
        now = min(now, _newest_time(latest[1], now))
    pinned = pins(settings)
    seen: set[str] = set()
    kept = []
    for path in own_vintages(settings):
        made = _made(path)
        week, month = f"week {made:%G-W%V}", f"month {made:%Y-%m}"
        why = [
            ("latest", path.name == latest_id),
            (
                f"newer than {latest_id}" if latest_id else "latest.json names no vintage",
                path.name > latest_id,
            ),
            (f"pinned: {pinned.get(path.name)}", path.name in pinned),
            (
                f"{settings.keep_vintages_days} days",
                now - made <= timedelta(days=settings.keep_vintages_days),
            ),
            (week, week not in seen and now - made <= _WEEKLY_FOR),
            (month, month not in seen),
        ]
        seen |= {week, month}
        kept.append(Kept(path.name, path, tuple(text for text, holds in why if holds)))
    return kept


def _newest_time(manifest: dict[str, Any], otherwise: datetime) -> datetime:
    """The newest time that a dump of the rankings states of itself, or that its file name states.

    A clock that is wrong by years must not make every vintage look old.
    """
    stated = [
        datetime.fromisoformat(entry["as_of"])
        for entry in manifest["inputs"]
        if entry.get("source") == PRIMARY_SOURCE
        and entry.get("as_of_origin") in ("meta", "manifest", "file_name")
    ]
    return max((t if t.tzinfo else t.replace(tzinfo=UTC) for t in stated), default=otherwise)


def folder_bytes(folder: Path) -> int:
    """The sizes of all files of a folder, added up."""
    return sum(p.lstat().st_size for p in folder.rglob("*") if not p.is_dir())


def prune(settings: Settings, now: datetime | None = None, dry_run: bool = False) -> Pruned:
    """Delete the vintages that `plan` has no reason to keep; with `dry_run`, only find them.

    A vintage whose manifest cannot be read, or that somebody is reading right now, is left and
    named. The caller must hold the writer's lock. Raises what `plan` raises.
    """
    now = now or datetime.now(UTC)
    done, size, notices = [], 0, []
    for item in plan(settings, now):
        if item.why:
            continue
        own = folder_bytes(item.path)
        try:
            read_manifest(item.path)
        except VerificationError as error:
            notices.append(f"{item.vintage_id}: is damaged, so it is not pruned: {error}")
            continue
        if not dry_run and not delete_folder(item.path):
            notices.append(f"{item.vintage_id}: is being read, so it is pruned another time")
            continue
        done.append(item.vintage_id)
        size += own
    if done and not dry_run:
        _write_history(
            settings,
            Entry(
                at=now,
                action="prune",
                vintages=tuple(done),
                reason=f"older than {settings.keep_vintages_days} days, and neither the newest of "
                "its week in the last year nor of its month",
            ),
        )
    return Pruned(tuple(done), size, tuple(notices))


def set_pin(
    name: str, reason: str, settings: Settings, *, pinned: bool, now: datetime | None = None
) -> str:
    """Pin a vintage, so that it is never pruned, or take the pin away. Returns its id.

    The caller must hold the writer's lock. Raises TokenshareError if there is no such vintage, or
    if it is not pinned and should be unpinned.
    """
    vintage_id = find_own_vintage(name, settings).name
    if not pinned and vintage_id not in pins(settings):
        raise TokenshareError(f"{vintage_id} is not pinned")
    _write_history(
        settings,
        Entry(
            at=now or datetime.now(UTC),
            action="pin" if pinned else "unpin",
            vintages=(vintage_id,),
            reason=_reason(reason),
        ),
    )
    return vintage_id


def roll_back(
    name: str, reason: str, settings: Settings, now: datetime | None = None
) -> tuple[str, str, list[str]]:
    """Make `latest.json` name another vintage, in one step, and the link `latest` lead to it.
    Returns its id, the id that `latest.json` named before, or "" if that could not be read, and
    notices for the user.

    Runs on the same inputs leave it so. The first run with new ones compares with this vintage and
    publishes again. The log is written first: there is never a rollback without its reason.

    The caller must hold the writer's lock. Raises VerificationError if the vintage does not verify,
    and TokenshareError if there is no such vintage, if it is the latest one already, or if `latest`
    is not the link of a publication.
    """
    folder = find_own_vintage(name, settings)
    refuse_other_link(settings.published_dir)
    try:
        latest = read_latest(settings.published_dir)
    except VerificationError:
        latest = None  # this repairs it
    before = latest[1]["vintage_id"] if latest else ""
    if folder.name == before:
        raise TokenshareError(f"{folder.name} is the latest vintage already")
    manifest = verify(folder)
    if manifest["vintage_id"] != folder.name:
        raise VerificationError(
            f"{folder}: is a copy of vintage {manifest['vintage_id']} under another name"
        )
    _write_history(
        settings,
        Entry(
            at=now or datetime.now(UTC),
            action="rollback",
            vintages=(folder.name,),
            reason=_reason(reason),
            before=before,
        ),
    )
    return folder.name, before, set_latest(settings.published_dir, manifest)


def repair_latest(settings: Settings) -> list[str]:
    """If `latest.json` or the vintage that it names is not what was published, go back to the
    newest whole vintage that it can have named; returns notices for the user.

    The log keeps what was wrong. A damaged vintage stays where it is. The caller must hold the
    writer's lock.

    Raises VerificationError, which tells how to repair it, if no whole vintage is left to compare
    new numbers with, or if the machine cannot read what is there, and OtherLinkError if `latest`
    is not the link of a publication.
    """
    try:
        intact_latest(settings)
        return []
    except VerificationError as error:
        if _is_of_the_machine(error):
            raise
        what = safe_text(without_repair_advice(error), 600)
        refuse_other_link(settings.published_dir)
        for name in _may_be_latest(settings):
            try:
                *_, notices = roll_back(
                    name, f"by itself, to the newest whole vintage: {what}", settings
                )
            except TokenshareError:  # damaged as well, or the one that is the latest already
                continue
            return [f"latest.json names {name} now, the newest whole vintage: {what}", *notices]
        raise


def _is_of_the_machine(error: BaseException | None) -> bool:
    """Is an error of the system, such as one of the disk or of permissions, its cause?"""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__
    return error is not None


def _may_be_latest(settings: Settings) -> Iterator[str]:
    """The vintages that a damaged `latest.json` can have named, the newest first.

    If somebody went back to a vintage, those that are newer than it do not count.
    """
    try:
        pointer = read_json(settings.published_dir / LATEST_NAME)
    except ValueError:
        pointer = {}
    there_are = own_vintages(settings)
    rollbacks = [e for e in read_history(settings) if e.action == "rollback"]
    gone_back = rollbacks[-1].vintages[0] if rollbacks else ""
    named = str(pointer.get("vintage_id"))
    if vintage_time(named) is None:
        newer = any(_made(path) > rollbacks[-1].at for path in there_are) if rollbacks else True
        newest = "~" if newer else gone_back  # "~" sorts after every id
    else:
        is_here = (settings.vintages_dir / named).exists()
        newest = named if is_here or named == gone_back else "~"
    for path in there_are:
        if path.name < newest or (path.name == newest and not _is_another(path, pointer)):
            yield path.name


def _is_another(folder: Path, pointer: dict[str, Any]) -> bool:
    """Does the vintage in this folder have another manifest than the pointer states?"""
    try:
        stated = str(pointer.get("manifest_sha256"))
        is_hash = len(stated) == len(sha256_bytes(b""))
        return is_hash and stated != read_manifest(folder)["manifest_sha256"]
    except VerificationError:
        return True


def _reason(text: str) -> str:
    if not text.strip():
        raise TokenshareError("the reason is empty; say why")
    return safe_text(text.strip(), 1000)


def made_for(manifest: dict[str, Any], settings: Settings) -> str:
    """Why a vintage was published: what its run had that the one before it had not."""
    before_id = manifest["previous_vintage"]
    if before_id is None:
        return "first vintage"
    try:
        before = read_manifest(settings.vintages_dir / before_id)
    except VerificationError:
        return f"after {before_id}, which is not here"
    return ", ".join(_changes(before, manifest)) or "another setting"


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    def dumps(manifest: dict[str, Any]) -> dict[tuple[str, str], Any]:
        held = {
            (e.get("source", ""), e.get("sha256", "")): e.get("sidecar_sha256")
            for e in manifest["inputs"]
        }
        for one in manifest.get("withheld", ()):
            held |= {(one["source"], d["sha256"]): d["sidecar_sha256"] for d in one["dumps"]}
        return held

    old, new = dumps(before), dumps(after)
    for word, keys in (
        ("new", new.keys() - old.keys()),
        ("removed", old.keys() - new.keys()),
        ("redated", {k for k in new.keys() & old.keys() if new[k] != old[k]}),
    ):
        for source in sorted({source for source, _ in keys}):
            count = sum(1 for key in keys if key[0] == source)
            yield f"{count} {word} {safe_text(source)}"
    if before.get("code", {}).get("sha256") != after.get("code", {}).get("sha256"):
        yield "other code"
    if before.get("registry") != after.get("registry"):
        yield "other registry view"
    if before.get("small_cells", 0) != after.get("small_cells", 0):
        yield "other small cells"


def leader(manifest: dict[str, Any]) -> dict[str, Any]:
    """The largest identified share of the newest week in the headline, as known then, or {} if the
    headline has none."""
    figures = [
        figure
        for figure in manifest["headline"]
        if figure.get("registry_view") == "then" and figure.get("origin") != "unidentified"
    ]
    return max(figures, key=lambda f: (str(f.get("period_start")), f.get("share") or 0), default={})
