"""Errors that a user can act on, each with the exit code that the CLI returns for it.

The functions here make text from outside safe to show in a message.
"""

import errno
import re
import reprlib
import sys
from collections.abc import Iterable
from typing import Any

# What DuckDB writes, in several of its exceptions, if the disk, the memory or a file is the cause,
# and what Java does.
_RESOURCE_ERRORS = re.compile(
    r"IO Error|Out of Memory Error|No space left|File too large|Could not (write|read|create|sync)"
    r"|OutOfMemoryError"
)
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,59}", re.ASCII)

_FULL = "Make room and run again; what is published is as it was."
_NOT_WRITABLE = (
    "Whoever runs this must be able to write there: check the owner of the folder, and whether the "
    "disk is mounted read-only. What is published is as it was."
)
_WHAT_TO_DO = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EACCES: _NOT_WRITABLE,
    errno.EPERM: _NOT_WRITABLE,
    errno.EROFS: _NOT_WRITABLE,
}


def safe_text(text: object, limit: int = 200) -> str:
    """Text from outside, made safe for a message: one line, cut to `limit`, control characters
    escaped."""
    cut = str(text)[: limit + 1]
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut[:limit]
    )
    return shown + ("…" if len(cut) > limit else "")


def quoted(value: object, length: int = 80) -> str:
    """A value from outside in quotes, made safe for a message: cut to `length` and escaped."""
    if isinstance(value, str):
        return repr(value[:length]) + ("…" if len(value) > length else "")
    return safe_text(reprlib.repr(value), length)


def with_notes(error: BaseException, text: str = "") -> str:
    """The text of an error, or `text` in its place, and a line for each of its notes."""
    return "\n".join([text or str(error), *getattr(error, "__notes__", [])])


def plain_names(names: Iterable[str]) -> str:
    """Names of columns from outside, for a message: those that are plain words, and how many are
    not. In a file without a header, a cell of its first line may be a piece of a prompt."""
    listed = list(names)
    plain = [name for name in listed if _PLAIN_NAME.fullmatch(name)]
    others = len(listed) - len(plain)
    shown = [", ".join(plain[:40])] if plain else []
    if others:
        shown.append(f"{others} that are no plain names")
    return " and ".join(shown) or "none"


class TokenshareError(Exception):
    """Base of every expected failure. Its message must say what to do."""

    exit_code = 1


class ResourceError(TokenshareError):
    """The disk, the memory, Spark or another process prevented a step; a retry may succeed."""


class RefusedDumpError(TokenshareError):
    """A file is not what it claims to be; nothing of it was stored."""

    exit_code = 3


class CorruptLandingError(TokenshareError):
    """A landed dump no longer has the content that its name states."""

    exit_code = 4


class GateRefusedError(TokenshareError):
    """The gate stopped a candidate; the published state did not change.

    `results` has the result of every rule that ran (see `gate.run.RuleResult`).
    """

    exit_code = 5

    def __init__(self, message: str, results: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.results = results


class SourceWithheldError(TokenshareError):
    """A vintage is published without all or part of a source that the gate would have refused."""

    exit_code = 10


class VerificationError(TokenshareError):
    """A vintage does not agree with its manifest."""

    exit_code = 6


class OtherLinkError(TokenshareError):
    """Something that no publication has made is where the link to the newest vintage belongs."""


class RunLockedError(TokenshareError):
    """Another run holds the writer's lock."""

    exit_code = 7


class TransformError(TokenshareError):
    """A model did not build or breaks its contract, a data test found bad rows, or token counts are
    too large to be summed."""

    exit_code = 8


class RegistryFindingsError(TokenshareError):
    """`registry check` found problems that must be fixed."""

    exit_code = 9


class PullError(TokenshareError):
    """What was asked for could not be pulled, or not all of what was new. What was landed before is
    as it was."""

    exit_code = 11


class ServeError(TokenshareError):
    """The tables could not be loaded into PostgreSQL, which has what it had before. The vintage is
    published."""

    exit_code = 14


def resource_problem(text: str) -> ResourceError | None:
    """A ResourceError if the text of an error says that the machine is the cause, else None.

    `text` is DuckDB's own message, or one of dbt's that quotes it.
    """
    if "Could not set lock on file" in text:
        return ResourceError(
            "another process has opened the working database, which only a run may open; close "
            "that process and run again. To read tables, open the tokenshare.duckdb of a vintage. "
            f"DuckDB reports: {text}"
        )
    if not _RESOURCE_ERRORS.search(text):
        return None
    is_full = re.search("No space left|File too large", text)
    return ResourceError(f"DuckDB: {text.strip()}" + (f" {_FULL}" if is_full else ""))


def as_user_error(error: BaseException) -> TokenshareError | None:
    """The error to show to a user if the failure comes from outside, or None if it is a bug.

    Errors of the system and of DuckDB about a full disk, missing permissions, too little memory
    or a locked file keep their own message.
    """
    if isinstance(error, TokenshareError):
        return error
    if isinstance(error, OSError):
        advice = _WHAT_TO_DO.get(error.errno or 0, "")
        return ResourceError(f"{error}" + (f". {advice}" if advice else ""))
    if isinstance(error, MemoryError):
        return ResourceError(f"the memory is full: {error}")
    # duckdb is not imported for this: if it is not loaded, it did not raise the error.
    duckdb = sys.modules.get("duckdb")
    if duckdb is not None and isinstance(error, duckdb.Error):
        return resource_problem(str(error))
    return None
