"""The inbox: files dropped into `data/inbox/` are landed and leave it.

A file that is refused moves to `inbox/refused/` with the reason beside it: nothing is dropped
silently, and one bad file does not keep the others from landing.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from orchestration.errors import RefusedDumpError
from orchestration.landing.store import Landed, land
from orchestration.settings import Settings

_QUIET_SECONDS = 15


@dataclass(frozen=True)
class InboxResult:
    """What became of the files of the inbox."""

    landed: list[Landed]
    refused: list[tuple[Path, str]]


def waiting(settings: Settings) -> list[Path]:
    """Files that wait in the inbox; hidden ones, manifests and half-copied ones do not count."""
    return [
        p
        for p in sorted(settings.inbox_dir.glob("*"))
        if p.is_file()
        and not p.name.startswith(".")
        and not p.name.endswith((".manifest.json", ".part", ".tmp"))
    ]


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def settled(settings: Settings) -> list[Path]:
    """Waiting files that nobody has written to for a while; a copy may still be under way."""
    latest = time.time() - _QUIET_SECONDS
    return [p for p in waiting(settings) if p.stat().st_mtime <= latest]


def _free_path(folder: Path, name: str) -> Path:
    """A path for `name` in the folder that replaces nothing: an earlier one may be other bytes."""
    path = folder / name
    number = 1
    while path.exists():
        number += 1
        path = folder / f"{number}-{name}"
    return path


def take_inbox(settings: Settings) -> InboxResult:
    """Land every waiting file."""
    result = InboxResult([], [])
    for path in waiting(settings):
        before = _state(path)
        try:
            result.landed.append(land(path, settings))
        except RefusedDumpError as error:
            refused_dir = settings.inbox_dir / "refused"
            refused_dir.mkdir(exist_ok=True)
            moved = path.rename(_free_path(refused_dir, path.name))
            moved.with_name(moved.name + ".error.txt").write_text(
                f"{error}\n", encoding="utf-8", errors="backslashreplace"
            )
            result.refused.append((moved, str(error)))
        else:
            # A file that grew meanwhile was still being copied: the rest is landed next time.
            if _state(path) == before:
                path.unlink()
    return result
