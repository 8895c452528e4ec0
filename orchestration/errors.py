"""Errors that a user can act on, each with the exit code that the CLI returns for it.

Also how a message repeats what it found outside: `quoted` and `plain`.
"""

import reprlib
from typing import Any


def plain(text: str, length: int = 120) -> str:
    """Text from outside as a message may say it: cut, and `?` for what cannot be printed.

    That is control characters, line ends, marks that turn the direction of writing and the bytes
    of file names that are not UTF-8.
    """
    cut = text if len(text) <= length else text[:length] + "…"
    return "".join(c if c.isprintable() else "?" for c in cut)


def quoted(value: object, length: int = 80) -> str:
    """A value from outside in quotes, as a message may say it: cut, and with escapes only."""
    if isinstance(value, str):
        return repr(value[:length]) + ("…" if len(value) > length else "")
    return plain(reprlib.repr(value), length)


class TokenshareError(Exception):
    """Base of every expected failure. The message alone must tell what to do."""

    exit_code = 1


class RefusedDumpError(TokenshareError):
    """A file is not what it claims to be; nothing of it was stored."""

    exit_code = 3


class CorruptLandingError(TokenshareError):
    """A landed dump no longer has the content that its name states."""

    exit_code = 4


class GateRefusedError(TokenshareError):
    """The gate stopped a candidate; the published state did not change.

    `verdicts` are those of every rule that was asked (see `quality.gate.Verdict`).
    """

    exit_code = 5

    def __init__(self, message: str, verdicts: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.verdicts = verdicts


class VerificationError(TokenshareError):
    """A vintage is not what its manifest says."""

    exit_code = 6


class RunLockedError(TokenshareError):
    """Another run holds the writer's lock."""

    exit_code = 7


class TransformError(TokenshareError):
    """dbt failed: a model did not build, a data test found bad rows, or counts cannot be added."""

    exit_code = 8


class RegistryFindingsError(TokenshareError):
    """`registry check` found what the registry must not leave as it is."""

    exit_code = 9
