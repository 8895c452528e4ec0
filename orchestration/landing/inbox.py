"""The inbox: files dropped into `data/inbox/` are landed and then removed from it.

The command line, the schedule and the sensor follow one rule: a file is landed once nobody has
written to it for `inbox_quiet_seconds` and no process has it open for writing. A rename keeps the
time of the last write, so a file that was written elsewhere and moved into the inbox is landed at
once. All other files stay in the inbox and are named. A refused file moves to `inbox/refused/`
with the reason beside it: nothing is dropped silently, and a bad file does not keep the others
from landing.
"""

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from orchestration.errors import RefusedDumpError, TokenshareError, safe_text
from orchestration.files import sha256_file
from orchestration.landing.manifest import SUFFIX, manifest_path
from orchestration.landing.store import Landed, check_content, land, withdraw
from orchestration.settings import Settings

_REFUSED = "refused"
_REASON_SUFFIX = ".error.txt"
_UNFINISHED = (".part", ".tmp", ".crdownload")
# The longest file name on Linux and most other systems.
_MAX_NAME_BYTES = 255
_POLL_SECONDS = 0.5

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Inbox:
    """The files in the inbox: those that may be landed, and the others by path with the reason.

    `waits` is the number of seconds until the last of the files that were just written may be
    landed, if nobody writes to it again.
    """

    ready: list[Path]
    left: dict[Path, str]
    waits: float = 0


@dataclass
class InboxResult:
    """What happened to the files of the inbox. `left` has those that are still there, and why."""

    landed: list[Landed] = field(default_factory=list)
    refused: list[tuple[Path, str]] = field(default_factory=list)
    left: dict[Path, str] = field(default_factory=dict)

    @property
    def notices(self) -> list[str]:
        """What to tell the user about the files that were left."""
        return [
            f"inbox: {safe_text(path.name)}: is left: {why}"
            for path, why in sorted(self.left.items())
        ]


def file_state(path: Path) -> tuple[int, int, int]:
    """Inode, size and time of the last write in nanoseconds: they change if the file does."""
    status = path.lstat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _idle_seconds(path: Path) -> float:
    """Seconds since the last write. If that time is in the future, since the last change of the
    inode, which the system records."""
    status = path.lstat()
    return time.time() - min(status.st_mtime, status.st_ctime)


def files_open_for_writing(paths: list[Path]) -> set[Path]:
    """The files that a process has open for writing, as far as `/proc` shows it.

    A stalled copy looks complete, but its file is still open. `/proc` exists only on Linux, and it
    does not show the processes of other users or machines: for these only the quiet time counts.
    """
    wanted = {str(p.resolve()): p for p in paths}
    found = set()
    for folder in Path("/proc").glob("[0-9]*/fd") if wanted else ():
        try:
            for handle in folder.iterdir():
                path = wanted.get(str(handle.readlink()))
                if path is not None:
                    info = (folder.parent / "fdinfo" / handle.name).read_text(encoding="ascii")
                    flags = int(info.split("flags:", 1)[1].split()[0], 8)
                    if flags & os.O_ACCMODE != os.O_RDONLY:
                        found.add(path)
        except OSError:
            continue  # the process has ended or belongs to another user
    return found


def _reason_to_leave(path: Path) -> str | None:
    """Why an entry of the inbox cannot be landed, or None if it can."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "it is a link; put the file itself here"
    if stat.S_ISDIR(mode):
        return "it is a folder; put its files here"
    if not stat.S_ISREG(mode):
        return "it is a pipe, a socket or a device"
    if path.name.endswith(SUFFIX):
        return (
            "it is a manifest and waits for its dump; if the dump is landed already, put the dump "
            "here again"
        )
    if path.name.endswith(_UNFINISHED):
        return "its name is that of an incomplete download; rename it when it is complete"
    return None


def scan_inbox(settings: Settings) -> Inbox:
    """Find the files of the inbox that may be landed now. Hidden files are ignored.

    Raises TokenshareError if the inbox cannot be read.
    """
    quiet = settings.inbox_quiet_seconds
    ready, left, waits = [], {}, 0.0
    try:
        paths = sorted(settings.inbox_dir.iterdir()) if settings.inbox_dir.exists() else []
    except OSError as error:
        raise TokenshareError(f"{settings.inbox_dir}: cannot be read: {error.strerror}") from error
    for path in paths:
        if path.name.startswith(".") or path.name == _REFUSED:
            continue
        try:
            if why := _reason_to_leave(path):
                left[path] = why
                continue
            manifest = manifest_path(path)
            both = [path, manifest] if os.path.lexists(manifest) else [path]
            idle = min(map(_idle_seconds, both))
        except OSError as error:
            left[path] = f"its state cannot be read: {error.strerror}"
            continue
        if idle < quiet:
            waits = max(waits, quiet - idle)
            left[path] = (
                f"it was written to {max(idle, 0):.0f} s ago; it is landed once nobody has written "
                f"to it for {quiet:g} s (TOKENSHARE_INBOX_QUIET_SECONDS)"
            )
        else:
            ready.append(path)
    for path in files_open_for_writing(ready):
        ready.remove(path)
        left[path] = "a process has it open for writing"
        waits = max(waits, _POLL_SECONDS)
    return Inbox(ready, left, waits)


def _wait_until_quiet(settings: Settings, progress: Progress) -> Inbox:
    """Wait until no file has just been written, but at most for the quiet time."""
    ends = time.monotonic() + settings.inbox_quiet_seconds + _POLL_SECONDS
    inbox = scan_inbox(settings)
    told = False
    while inbox.waits and time.monotonic() < ends:
        if not told:
            progress(f"waiting up to {inbox.waits:.0f} s for files in the inbox to be complete")
            told = True
        time.sleep(min(inbox.waits, _POLL_SECONDS))
        inbox = scan_inbox(settings)
    return inbox


def wait_for_writers(path: Path, settings: Settings) -> None:
    """Wait while a process has a file open for writing, but at most for the quiet time.

    Raises RefusedDumpError if the file is still open for writing after that time.
    """
    ends = time.monotonic() + settings.inbox_quiet_seconds
    while files_open_for_writing([path]):
        if time.monotonic() >= ends:
            raise RefusedDumpError(
                f"{safe_text(path.name)}: is being written right now; land it when it is complete"
            )
        time.sleep(_POLL_SECONDS)


def _fit_name(name: str, suffix: str) -> str:
    """The name with a suffix, cut to the longest name that a file may have."""
    return os.fsdecode(os.fsencode(name)[: _MAX_NAME_BYTES - len(os.fsencode(suffix))]) + suffix


def _free_paths(folder: Path, name: str) -> tuple[Path, Path]:
    """Unused paths for a refused file and its reason, so that earlier ones are kept."""
    number = 1
    while True:
        numbered = name if number == 1 else f"{number}-{name}"
        path, reason = (
            folder / _fit_name(numbered, ""),
            folder / _fit_name(numbered, _REASON_SUFFIX),
        )
        if not os.path.lexists(path) and not os.path.lexists(reason):
            return path, reason
        number += 1


def _refuse(path: Path, message: str, settings: Settings, result: InboxResult) -> None:
    """Write the reason to `refused/`, then move the file there. If that fails, the file stays."""
    folder = settings.inbox_dir / _REFUSED
    try:
        folder.mkdir(exist_ok=True)
        moved, reason = _free_paths(folder, path.name)
        reason.write_text(f"{message}\n", encoding="utf-8", errors="backslashreplace")
        path.rename(moved)
    except OSError as error:
        result.left[path] = f"it is refused but cannot be moved ({error.strerror}): {message}"
        result.refused.append((path, message))
    else:
        result.refused.append((moved, message))


def refused_files(settings: Settings) -> dict[Path, str]:
    """The refused files that nobody has removed yet, each with the reason, cut to one line."""
    folder = settings.inbox_dir / _REFUSED
    found = {}
    for reason in sorted(folder.glob(f"*{_REASON_SUFFIX}")):
        try:
            text = reason.read_text(encoding="utf-8", errors="replace").strip()
        except OSError as error:
            text = f"its reason cannot be read: {error.strerror}"
        found[folder / reason.name.removesuffix(_REASON_SUFFIX)] = safe_text(text, 500)
    return found


def _land_file(path: Path, settings: Settings, result: InboxResult) -> None:
    """Land one file, and remove it from the inbox if it is still the file that was landed."""
    before = file_state(path)
    try:
        landed = land(path, settings)
    except RefusedDumpError as error:
        if file_state(path) == before:
            _refuse(path, str(error), settings, result)
        else:
            result.left[path] = "it changed while it was read"
        return
    if file_state(path) != before or sha256_file(path) != landed.record.sha256:
        withdraw(landed, settings)
        result.left[path] = "it changed while it was read"
        return
    check_content(settings, landed.record)
    result.landed.append(landed)
    path.unlink()
    if landed.manifest is not None:
        landed.manifest.unlink(missing_ok=True)
        result.left.pop(landed.manifest, None)


def take_inbox(settings: Settings, progress: Progress = lambda _: None) -> InboxResult:
    """Land every complete file of the inbox, after waiting for those that were just written.

    Raises TokenshareError if the inbox cannot be read, and CorruptLandingError if a dump in it was
    landed before and its landed copy has changed since.
    """
    inbox = _wait_until_quiet(settings, progress)
    result = InboxResult(left=dict(inbox.left))
    for path in inbox.ready:
        try:
            _land_file(path, settings, result)
        except FileNotFoundError:
            continue  # somebody has removed it in the meantime
        except PermissionError as error:
            result.left[path] = f"it cannot be removed: {error.strerror}"
    return result
