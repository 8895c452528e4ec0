"""Writing files so that a crash at any moment leaves the old state or the new one."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

BUILDING_PREFIX = ".building-"
_JSON_BYTES = 64 * 1024 * 1024
# Folders that this process is building, each with the file descriptor of its lock.
_building: dict[Path, int] = {}


def sha256_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@cache
def fingerprint(paths: tuple[Path, ...], without: tuple[str, ...] = ()) -> str:
    """One hash over the names and contents of files and of all files in folders.

    It tells whether the code has changed. A file is left out if the end of its path matches a
    pattern of `without`, such as `a/*.md`.
    """
    digest = hashlib.sha256()
    for path in paths:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        for file in files:
            name = file.relative_to(path.parent)
            if file.suffix == ".pyc" or any(name.match(pattern) for pattern in without):
                continue
            digest.update(f"{name.as_posix()}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name this file or folder in an OSError that names none, as those of a full disk do not."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


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
    with naming(temporary), temporary.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
        temporary.replace(path)
    fsync(path.parent)


def new_building_folder(parent: Path, name: str) -> Path:
    """Make an empty folder beside its final place, to be renamed when it is complete.

    It is locked until it is renamed or this process ends, so that no other process removes it as a
    leftover. The system frees the lock of a killed process, even if its process id is reused.
    """
    folder = parent / f"{BUILDING_PREFIX}{name}"
    shutil.rmtree(folder, ignore_errors=True)
    _unlock(folder)
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Between the two calls above, another process may have removed it as a leftover.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), folder.stat()):
                _building[folder] = descriptor
                return folder
        os.close(descriptor)


def _unlock(folder: Path) -> None:
    if (descriptor := _building.pop(folder, None)) is not None:
        os.close(descriptor)


def move_into_place(building: Path, final: Path) -> None:
    """Flush every file of a finished folder to disk and move it to `final` in one rename."""
    for path in sorted(building.rglob("*")):
        fsync(path)
    fsync(building)
    building.rename(final)
    _unlock(building)
    fsync(final.parent)


def remove_leftovers(parents: Iterable[Path]) -> None:
    """Delete what killed runs were building. What a living process is building is locked, and
    stays."""
    for parent in parents:
        for path in parent.glob(f"{BUILDING_PREFIX}*"):
            with suppress(OSError):
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink(missing_ok=True)
                finally:
                    os.close(descriptor)


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Keep `delete_folder` from deleting this folder while it is read. Does nothing if the file
    system has no locks, or the folder is not there."""
    descriptor = None
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def delete_folder(folder: Path) -> bool:
    """Delete a finished folder, which disappears in one step. Returns False, and leaves it, if
    somebody is `reading` it.

    If this is interrupted, `remove_leftovers` deletes the rest. A process that has opened a file in
    it keeps that file until it closes it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        gone = folder.with_name(f"{BUILDING_PREFIX}deleted-{folder.name}")
        folder.rename(gone)
        fsync(folder.parent)
        shutil.rmtree(gone, ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def append_line(descriptor: int, document: dict[str, Any]) -> None:
    """Append a document as one line of JSON to a file that is open with O_RDWR and O_APPEND.

    What a kill has left of the line before it is cut off. Raises OSError if the disk is full.
    """
    size = end = os.fstat(descriptor).st_size
    while end and os.pread(descriptor, 1, end - 1) != b"\n":
        end -= 1
    if end != size:
        os.ftruncate(descriptor, end)
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, default=str)
    line = (text + "\n").encode(errors="backslashreplace")
    if os.write(descriptor, line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)


def to_json(document: Any) -> bytes:
    """JSON as this project writes it: sorted keys, two spaces of indent, a final newline."""
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, default=str)
    # A byte of a name that is not UTF-8 becomes an escape, which is valid JSON.
    return (text + "\n").encode(errors="backslashreplace")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. The file may come from anybody.

    Raises OSError if the file cannot be read. Raises ValueError if it is not a regular file, is
    too long, is not UTF-8 or not JSON, is nested too deeply, or is not an object.
    """
    if not path.is_file():
        raise ValueError("is not a file" if path.exists() else "is not there")
    if (size := path.stat().st_size) > _JSON_BYTES:
        raise ValueError(f"has {size} bytes, expected at most {_JSON_BYTES}")
    try:
        document = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError(f"contains a {type(document).__name__}, expected an object")
    return document


def format_time(moment: datetime) -> str:
    """A time in UTC as ISO-8601 text that ends with Z."""
    text = moment.astimezone(UTC).isoformat(
        timespec="microseconds" if moment.microsecond else "seconds"
    )
    return text.replace("+00:00", "Z")
