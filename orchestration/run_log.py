"""What became of every run: one small file per run in `data/runs/`, whatever started it.

A file has one JSON object per line, which only ever grows: the first line when the run starts, one
more when it ends. What a later line states replaces what an earlier one states. The process that
runs holds a lock on the file, which the system frees if it is killed: a run without an end whose
file nobody has locked was killed.

`pipeline.run` and `pipeline.publish_newest` record themselves (`recorded`). Dagster calls their
parts asset by asset, so its assets call `begin`, and the sensors that see the end of a run call
`end`.
"""

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, SecretStr, ValidationError

from orchestration.errors import TokenshareError, as_user_error, safe_text, with_notes
from orchestration.files import append_line, format_time, naming
from orchestration.settings import Settings

# `program` is code that calls the functions of `pipeline` itself.
Entrance = Literal["command_line", "schedule", "sensor", "ui", "program"]
Outcome = Literal["published", "nothing_new", "done", "failed", "canceled"]
State = Literal["running", "killed", "published", "nothing_new", "done", "failed", "canceled"]

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_SUFFIX = ".jsonl"
_ERROR_LENGTH = 4000
# Between two steps of a Dagster run that uses a process per step, nobody holds the lock.
_BETWEEN_STEPS_SECONDS = 120
# The files of the runs of this process, each with the descriptor that holds its lock.
_held: dict[Path, int] = {}


class Run(BaseModel):
    """One run. `what` is the command: run, publish, pull or replay.

    `exit_code` is what the command line ends with, and None while the run has no end. It is not 0
    if a vintage is published but a source is withheld (10) or a file of the inbox was refused (3):
    then `error` says so. `vintage_id` is the vintage that `latest.json` named at the end.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_id: str
    what: str
    entrance: Entrance
    started: AwareDatetime
    ended: AwareDatetime | None = None
    outcome: Outcome | None = None
    exit_code: int | None = None
    error: str = ""
    vintage_id: str | None = None
    state: State

    @property
    def is_bad(self) -> bool:
        """Did the run end in a way that somebody has to look at?"""
        return self.state == "killed" or self.exit_code not in (None, 0)


@dataclass
class Ending:
    """How a run ended, filled in by the run while it is recorded.

    `problem` is what is wrong although the run went through: a withheld source, a refused file.
    """

    outcome: Outcome = "done"
    vintage_id: str | None = None
    problem: TokenshareError | None = None


def _path(settings: Settings, run_id: str) -> Path:
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError(f"{run_id!r} is not an id of a run")
    return settings.runs_dir / f"{run_id}{_SUFFIX}"


def new_run_id(now: datetime | None = None) -> str:
    """An id that sorts by time and that no other process makes."""
    return f"{now or datetime.now(UTC):%Y%m%dT%H%M%S%fZ}-{os.getpid()}"


def without_secrets(text: str, settings: Settings) -> str:
    """A text in which the value of every secret setting is replaced by stars."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr) and value.get_secret_value():
            text = text.replace(value.get_secret_value(), "***")
    return text


def begin(
    settings: Settings,
    what: str,
    entrance: Entrance,
    run_id: str | None = None,
    started: datetime | None = None,
) -> str:
    """Record that a run has started, and hold the lock of its file until it ends or this process
    does. Returns the id of the run.

    If the run is recorded already, only the lock is taken: every step of a Dagster run may call
    this. The oldest files beyond `keep_runs` are deleted.

    Raises OSError if the file cannot be written, and ValueError if `run_id` cannot be the name of a
    file.
    """
    run_id = run_id or new_run_id()
    path = _path(settings, run_id)
    settings.runs_dir.mkdir(parents=True, exist_ok=True)
    if path not in _held:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        with suppress(BlockingIOError):  # another step of the same run holds it
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _held[path] = descriptor
    if _read(path) is None:
        first = {
            "run_id": run_id,
            "what": what,
            "entrance": entrance,
            "started": format_time(started or datetime.now(UTC)),
        }
        try:
            with naming(path):
                append_line(_held[path], first)
        except OSError:
            os.close(_held.pop(path))
            path.unlink(missing_ok=True)
            raise
        _prune(settings)
    else:
        os.utime(path)
    return run_id


def end(
    settings: Settings,
    run_id: str,
    outcome: Outcome,
    *,
    exit_code: int = 0,
    error: str = "",
    vintage_id: str | None = None,
    ended: datetime | None = None,
) -> None:
    """Record how a run ended, and free the lock of its file.

    May be called from another process than `begin`, and again: then the later end counts, but a
    vintage that an earlier one named stays unless this one names another. Does nothing if the run
    was never recorded.

    Raises OSError if the file cannot be written.
    """
    path = _path(settings, run_id)
    last: dict[str, Any] = {
        "ended": format_time(ended or datetime.now(UTC)),
        "outcome": outcome,
        "exit_code": exit_code,
        "error": _message(error, settings),
    }
    if vintage_id is not None:
        last["vintage_id"] = vintage_id
    descriptor = _held.pop(path, None)
    try:
        if descriptor is None:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        with naming(path):
            append_line(descriptor, last)
    except FileNotFoundError:
        return
    finally:
        if descriptor is not None:
            os.close(descriptor)


def end_with_error(settings: Settings, run_id: str, error: BaseException) -> None:
    """Record that a run ended with this error: its message, its notes and its exit code."""
    if not isinstance(error, Exception):
        end(settings, run_id, "canceled", exit_code=130, error=type(error).__name__)
        return
    known = as_user_error(error)
    text = str(known) if known else f"{type(error).__name__}: {error}"
    end(
        settings,
        run_id,
        "failed",
        exit_code=(known or TokenshareError()).exit_code,
        error=with_notes(error, text),
    )


def end_interrupted(exit_code: int) -> None:
    """Record that every run of this process was interrupted by a signal. Never raises."""
    for path, descriptor in list(_held.items()):
        with suppress(Exception):
            run = _read(path)
            if run is not None and run.ended is None:
                now = format_time(datetime.now(UTC))
                append_line(
                    descriptor,
                    {"ended": now, "outcome": "canceled", "exit_code": exit_code, "error": ""},
                )


@contextmanager
def recorded(settings: Settings, what: str, entrance: Entrance) -> Iterator[Ending]:
    """Record a run from its start to its end, also if it ends with an error, which is raised again.

    The caller fills in the Ending that is returned. Raises ResourceError if the end of a run that
    went through cannot be written; the error of one that did not gets a note instead.
    """
    run_id = begin(settings, what, entrance)
    ending = Ending()
    try:
        yield ending
    except BaseException as error:
        try:
            end_with_error(settings, run_id, error)
        except OSError as unwritten:
            error.add_note(f"note: the run log cannot be written: {unwritten}")
        raise
    problem = ending.problem
    end(
        settings,
        run_id,
        ending.outcome,
        exit_code=problem.exit_code if problem else 0,
        error=str(problem or ""),
        vintage_id=ending.vintage_id,
    )


def _message(text: str, settings: Settings) -> str:
    """The text of an error, free of secrets and control characters, and cut to a sane length."""
    lines = without_secrets(text, settings)[:_ERROR_LENGTH].splitlines()
    return "\n".join(safe_text(line, _ERROR_LENGTH) for line in lines)


def _is_held(path: Path) -> bool:
    """Does a living process hold the lock of this file?"""
    if path in _held:
        return True
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False


def _state(path: Path, document: dict[str, Any]) -> str:
    if document.get("ended"):
        return str(document["outcome"])
    if _is_held(path):
        return "running"
    in_dagster = document.get("entrance") not in ("command_line", "program")
    if in_dagster and time.time() - path.stat().st_mtime < _BETWEEN_STEPS_SECONDS:
        return "running"
    return "killed"


def _read(path: Path) -> Run | None:
    """The run of a file, or None if the file does not have a whole first line. Later lines that
    are cut are left out."""
    document: dict[str, Any] = {}
    try:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                stated = json.loads(line)
                if isinstance(stated, dict):
                    document |= stated
        return Run.model_validate({**document, "state": _state(path, document)})
    except (OSError, KeyError, ValidationError):
        return None


def read_runs(settings: Settings) -> list[Run]:
    """All recorded runs, the newest last: in the order of their ends, those without an end by
    their start. Those of the future, when the clock was wrong, come first."""
    found = [_read(path) for path in settings.runs_dir.glob(f"*{_SUFFIX}")]
    present = datetime.now(UTC) + timedelta(hours=1)

    def when(run: Run) -> tuple[bool, datetime]:
        moment = run.ended or run.started
        return moment <= present, moment

    return sorted((run for run in found if run), key=when)


def _prune(settings: Settings) -> None:
    """Delete the oldest files beyond `keep_runs`, except those of runs that are at work."""
    written = []
    for path in settings.runs_dir.glob(f"*{_SUFFIX}"):
        with suppress(FileNotFoundError):  # another run deletes the same ones
            written.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(written)[: -settings.keep_runs]:
        if not _is_held(path):
            path.unlink(missing_ok=True)
