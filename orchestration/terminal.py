"""What every command of the CLI shares: consoles, encoding, exit codes and the `--data-dir` option;
and how failures and interrupts are said.

Apart from `cli.py` so that sub-apps can import it: `cli.py` itself may run as `__main__`.
"""

import io
import locale
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from orchestration.errors import TokenshareError, expected, plain
from orchestration.files import to_json
from orchestration.settings import Settings

EXIT_CODES = """
Exit codes: 0 done (also where there was nothing new) · 1 other failure · 2 wrong usage ·
3 a dump was refused · 4 a landed dump has changed · 5 the gate refused · 6 verification failed ·
7 another run holds the lock · 8 dbt failed · 9 the registry needs work (`registry check`) ·
10 published, but a source is withheld · 130 interrupted (Ctrl-C) · 143 terminated.
"""

# A message may quote a file; longer lines say nothing more to a person.
_LINE_LENGTH = 2000

console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
# No markup and no emoji: names come from files, and `:free` is a variant.
output = Console(highlight=False, markup=False, emoji=False)

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Folder below which everything is written.",
        show_default="TOKENSHARE_DATA_DIR or data/",
    ),
]


def use_utf8() -> None:
    """Start again in Python's UTF-8 mode under a locale such as GBK or C.

    Files and paths are then UTF-8 in every library, too. What is printed keeps the terminal's
    encoding, with a question mark for what that lacks: a message never ends in a traceback.
    """
    if not sys.flags.utf8_mode and locale.getencoding().upper() != "UTF-8":
        os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding)
        os.environ["PYTHONUTF8"] = "1"  # for its children; the flag holds even with -E
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606  # itself
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def widen_piped_tables() -> None:
    """Piped tables get 120 columns: 80, rich's guess, would break every slug in two."""
    if not sys.stdout.isatty():
        os.environ.setdefault("COLUMNS", "120")


def print_json(document: Any) -> None:
    """JSON on stdout: in UTF-8 under any locale, and not through rich, which would wrap it."""
    typer.echo(to_json(document), nl=False)


@contextmanager
def interrupts_said() -> Iterator[None]:
    """End the process at once, with one line and exit code 130 or 143, on Ctrl-C and SIGTERM.

    At once, without unwinding: dbt swallows exceptions and waits for its queries, and a run is
    made to be killed at any moment (see `publication.vintage`).
    """

    def end(number: int, frame: FrameType | None) -> None:
        what = "interrupted" if number == signal.SIGINT else "terminated (SIGTERM)"
        show_cursor = "\x1b[?25h" if os.isatty(2) else ""
        with suppress(Exception):
            sys.stdout.flush()
        with suppress(OSError):
            # Not through the console, which this thread may just be writing to.
            os.write(
                2,
                f"{show_cursor}\nerror {what}: what is published is whole, and the next run "
                "tidies up\n".encode(),
            )
        os._exit(128 + number)

    # Python's helper process would add that dbt's semaphores are left over; it removes them.
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            # Ignored on purpose (nohup, a job in the background) stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say_failure(error: Exception) -> int:
    """Say what went wrong, without a traceback; returns the exit code.

    TOKENSHARE_DEBUG=1 shows the traceback as well.
    """
    if os.environ.get("TOKENSHARE_DEBUG"):
        traceback.print_exception(error)
    known = expected(error)
    if known is None:
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = (
            f"this is a bug in tokenshare: {type(error).__name__}: {error} "
            f"({Path(place.filename).name}, line {place.lineno}). Please report it, with what "
            "TOKENSHARE_DEBUG=1 says"
        )
    else:
        text = str(known)
    # Notes are what else went wrong on the way, as `add_note` keeps it.
    lines = "\n".join([text, *getattr(error, "__notes__", [])]).splitlines()
    console.print(
        "[bold red]error[/]", Text("\n".join(plain(line, _LINE_LENGTH) for line in lines))
    )
    return (known or TokenshareError()).exit_code


def settings_of(data_dir: Path | None, **given: object) -> Settings:
    """Settings from the environment, and from flags where they were given.

    Raises TokenshareError naming every variable that is wrong, without its value.
    """
    chosen = {"data_dir": data_dir, **given}
    try:
        return Settings(**{k: v for k, v in chosen.items() if v is not None})  # type: ignore[arg-type]  # validated by pydantic
    except ValidationError as error:
        problems = "; ".join(
            f"TOKENSHARE_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()
        )
        raise TokenshareError(f"the settings are wrong: {problems}") from error
