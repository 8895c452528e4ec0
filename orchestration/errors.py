"""Errors that a user can act on, each with the exit code that the CLI returns for it.

And how they are said: what comes from outside is data, also in a message.
"""

import re
import reprlib
import sys
from typing import Any

# DuckDB's words, under several of its exceptions, if the disk, the memory or a file fails it.
_MACHINE = re.compile(
    r"IO Error|Out of Memory Error|No space left|File too large|Could not (write|read|create|sync)"
)


def plain(text: object, limit: int = 200) -> str:
    """Text from outside as a message may show it: on one line, cut, without control characters."""
    cut = str(text)[: limit + 1]
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut[:limit]
    )
    return shown + ("…" if len(cut) > limit else "")


def quoted(value: object, length: int = 80) -> str:
    """A value from outside in quotes, as a message may say it: cut, and with escapes only."""
    if isinstance(value, str):
        return repr(value[:length]) + ("…" if len(value) > length else "")
    return plain(reprlib.repr(value), length)


class TokenshareError(Exception):
    """Base of every expected failure. The message alone must tell what to do."""

    exit_code = 1


class ResourceError(TokenshareError):
    """The disk, the memory or another process stands in the way; it may pass."""


class RefusedDumpError(TokenshareError):
    """A file is not what it claims to be; nothing of it was stored."""

    exit_code = 3


class CorruptLandingError(TokenshareError):
    """A landed dump no longer has the content that its name states."""

    exit_code = 4


class GateRefusedError(TokenshareError):
    """The gate stopped a candidate; the published state did not change.

    `results` are those of every rule that was asked (see `gate.run.RuleResult`).
    """

    exit_code = 5

    def __init__(self, message: str, results: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.results = results


class SourceWithheldError(TokenshareError):
    """A vintage is published, but not all of a source: the gate would have refused it."""

    exit_code = 10


class VerificationError(TokenshareError):
    """A vintage is not what its manifest says."""

    exit_code = 6


class RunLockedError(TokenshareError):
    """Another run holds the writer's lock."""

    exit_code = 7


class TransformError(TokenshareError):
    """A model did not build or does not keep its contract, a data test found bad rows, or counts
    cannot be added."""

    exit_code = 8


class RegistryFindingsError(TokenshareError):
    """`registry check` found what the registry must not leave as it is."""

    exit_code = 9


def resource_problem(text: str) -> ResourceError | None:
    """What DuckDB says, whoever passes it on, if the machine is the reason; else None."""
    if "Could not set lock on file" in text:
        return ResourceError(
            "another process has opened the working database, which only a run may do; close it "
            f"and run again. Readers open the tokenshare.duckdb of a vintage. DuckDB says: {text}"
        )
    return ResourceError(f"DuckDB: {text}") if _MACHINE.search(text) else None


def expected(error: BaseException) -> TokenshareError | None:
    """What a failure says to a person where it comes from outside, or None where it is a bug.

    The system and DuckDB report a full disk, missing rights, too little memory and a file that
    another process holds; their own words say it best.
    """
    if isinstance(error, TokenshareError):
        return error
    if isinstance(error, OSError):
        return ResourceError(str(error))
    if isinstance(error, MemoryError):
        return ResourceError(f"the memory is full: {error}")
    # Not imported for this: where it is not loaded, it did not fail.
    duckdb = sys.modules.get("duckdb")
    if duckdb is not None and isinstance(error, duckdb.Error):
        return resource_problem(str(error))
    return None
