"""Writing files so that a crash at any moment leaves the old state or the new one."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

BUILDING_PREFIX = ".building-"


def sha256_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@cache
def fingerprint(paths: tuple[Path, ...]) -> str:
    """One hash over names and contents of files; folders are walked. For "did the code change?"."""
    digest = hashlib.sha256()
    for path in paths:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        for file in files:
            if "__pycache__" in file.parts or file.suffix == ".pyc":
                continue
            digest.update(f"{file.relative_to(path.parent).as_posix()}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def fsync(path: Path) -> None:
    """Flush a file or folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` in one step; readers see the old bytes or the new ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{BUILDING_PREFIX}{os.getpid()}-{path.name}")
    temporary.write_bytes(content)
    fsync(temporary)
    temporary.replace(path)
    fsync(path.parent)


def fresh_folder(parent: Path, name: str) -> Path:
    """An empty folder beside its final place, to be renamed when it is complete."""
    folder = parent / f"{BUILDING_PREFIX}{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def settle_folder(building: Path, final: Path) -> None:
    """Flush every file of a finished folder and give it its name in one rename."""
    for path in sorted(building.rglob("*")):
        fsync(path)
    fsync(building)
    building.rename(final)
    fsync(final.parent)


def _builder_lives(path: Path) -> bool:
    """Is the process whose number the name holds still there? Landing needs no writer's lock."""
    match = re.match(rf"{re.escape(BUILDING_PREFIX)}(\d+)-", path.name)
    if match is None:
        return False
    try:
        os.kill(int(match[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def remove_leftovers(parents: Iterable[Path]) -> None:
    """Delete what a killed run was still building. Call only under the writer's lock."""
    for parent in parents:
        for path in parent.glob(f"{BUILDING_PREFIX}*"):
            if _builder_lives(path):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def to_json(document: Any) -> bytes:
    """The one JSON form that we write: sorted keys, two spaces, a final newline."""
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, default=str)
    return (text + "\n").encode()


def format_time(moment: datetime) -> str:
    """UTC, ISO-8601, with Z."""
    text = moment.astimezone(UTC).isoformat(
        timespec="microseconds" if moment.microsecond else "seconds"
    )
    return text.replace("+00:00", "Z")
