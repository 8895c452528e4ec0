"""What every command of the CLI shares: consoles, tables, encoding, help, exit codes, the
`--data-dir` option, and how failures and interrupts are reported.

This is not in `cli.py` because sub-apps import it and `cli.py` may itself run as `__main__`.
"""

import io
import locale
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from orchestration import run_log
from orchestration.errors import TokenshareError, as_user_error, safe_text, with_notes
from orchestration.files import format_time, to_json
from orchestration.settings import Settings

EXIT_CODES = """Exit codes:
  0    done, also if there was nothing new
  1    another failure
  2    wrong usage
  3    a dump was refused
  4    a landed dump has changed
  5    the gate refused
  6    verification failed: a vintage is not what was published
  7    another run holds the lock
  8    dbt failed
  9    the registry needs work (`registry check`)
  10   published, but a source is withheld
  11   the rankings could not be pulled
  12   stale (`status`)
  13   the last run failed (`status`)
  14   published, but PostgreSQL was not loaded (`serve-to`)
  130  interrupted (Ctrl-C)
  143  terminated (SIGTERM)"""

# A message may quote a file; nobody reads longer lines.
_LINE_LENGTH = 2000

console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
# No markup and no emoji: names come from files, and `:free` is a variant.
output = Console(highlight=False, markup=False, emoji=False)
# Nobody prints wider tables; in a pipe, a row is one line.
_ANY_WIDTH = 100_000
_GAP = "  "
NO_BREAK = "\N{NO-BREAK SPACE}"
_SPACES = re.compile(rf"[^\S{NO_BREAK}]+")

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Folder below which everything is written.",
        show_default="TOKENSHARE_DATA_DIR or data/",
    ),
]

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document; docs/operations.md has its keys.")
]

VintageName = Annotated[
    str,
    typer.Option(
        "--vintage", help="A vintage: its id, the start of its id, its folder, or `latest`."
    ),
]

SourceUrl = Annotated[
    str | None,
    typer.Option(
        "--source-url",
        help="Pull from this server, which has the paths of openrouter.ai and vercel.com.",
        show_default="TOKENSHARE_SOURCE_URL or the real ones",
    ),
]


class ShownProgress:
    """Prints a line per step with the time that it took, and a spinner if there is a terminal."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._step: str | None = None
        self._status = console.status("starting")

    def __call__(self, step: str) -> None:
        self._finish()
        self._step, self._since = step, time.monotonic()
        self._status.update(f"{step} …")

    def __enter__(self) -> "ShownProgress":
        self._status.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self._finish()
        self._status.__exit__(None, None, None)

    def _finish(self) -> None:
        if self._step:
            said = f"  {self._step}: {time.monotonic() - self._since:.1f}{NO_BREAK}s"
            _print_lines(console, Text("", "dim"), said)
            self._step = None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started


def use_utf8() -> None:
    """Restart in Python's UTF-8 mode if the locale uses another encoding, such as GBK or ASCII.

    Files and paths are then UTF-8 in every library. Output keeps the terminal's encoding; a
    character that it lacks becomes a question mark, so that no message ends in a traceback.
    """
    if not sys.flags.utf8_mode and locale.getencoding().upper() != "UTF-8":
        os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding)
        os.environ["PYTHONUTF8"] = "1"  # for child processes; the flag also works with -E
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606  # itself
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def epilog(*examples: str, note: str = "") -> str:
    """The end of a help page: one example per line, a note, and where the exit codes are."""
    lines = "\n".join(f"  {escape(example)}" for example in examples)
    parts = [f"Example{'s' if len(examples) > 1 else ''}:\n{lines}", note]
    return "\n\n".join([*filter(None, parts), "Exit codes: `tokenshare --help`."])


def use_whole_lines_in_pipes() -> None:
    """Let a line be as long as its row if nobody's terminal is there to wrap it, and no COLUMNS
    asks for a width."""
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        output.width = _ANY_WIDTH


def _wrapped(text: str, width: int) -> list[str]:
    """The words of a text in lines of at most `width` cells; a longer word has a line of its own
    and is never cut. A no-break space joins words."""
    lines: list[str] = []
    for word in filter(None, _SPACES.split(text)):
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


def unbroken(text: object) -> str:
    """A path or a name with spaces, which is not to be wrapped."""
    return str(text).replace(" ", NO_BREAK)


def print_text(text: str, indent: int = 0, style: str = "") -> None:
    """Print each line of a text, wrapped between words, which NO_BREAK joins."""
    for paragraph in text.split("\n"):
        for line in _wrapped(paragraph, output.width - indent):
            shown = " " * indent + line.replace(NO_BREAK, " ") if line else ""
            output.print(Text(shown, style), soft_wrap=True)


def print_labeled(label: str, text: str, width: int) -> None:
    """Print a label of `width` cells and a text beside it, wrapped between words."""
    for line in _wrapped(text, output.width - width - len(_GAP)):
        output.print(Text(f"{label:<{width}}", "bold").append(f"{_GAP}{line}", ""), soft_wrap=True)
        label = ""


def _print_lines(where: Console, label: Text, text: str) -> None:
    """Print a label and a text. A terminal would break a long line anywhere, so it gets lines that
    end between words, which NO_BREAK joins; elsewhere each line stays as long as it is."""
    for number, paragraph in enumerate(text.split("\n")):
        said = f"{label.plain} {paragraph}" if number == 0 and label.plain else paragraph
        indent = " " * (len(said) - len(said.lstrip(" ")))
        lines = [said]
        if where.is_terminal:
            lines = [indent + line for line in _wrapped(said, where.width - len(indent))]
        for at, line in enumerate(lines):
            shown = Text(line.replace(NO_BREAK, " "), "" if label.plain else label.style)
            if number == at == 0:
                shown.stylize(label.style, 0, len(label.plain))
            where.print(shown, soft_wrap=True)


def print_message(text: str) -> None:
    """Print what was done to stdout, wrapped between words in a terminal only."""
    _print_lines(output, Text(""), text)


def print_labeled_error(label: str, text: str) -> None:
    """Print what failed to stderr, after a red label."""
    _print_lines(console, Text(label, "red"), text)


def print_notices(notices: Iterable[str]) -> None:
    """Print notices to stderr."""
    for notice in notices:
        _print_lines(console, Text("note", "yellow"), notice)


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    title: str = "",
    caption: str = "",
) -> None:
    """Print rows under their columns, without lines around them, and cut no word.

    A column whose name starts with > is aligned right. If the terminal is too narrow, cells wrap
    between words, which NO_BREAK joins. If the longest words are still too wide, the widest columns
    of text go to a line of their own above the others; if that does not help, each cell gets a
    line. Styles of a cell are those of the whole cell.
    """
    is_right = [column.startswith(">") for column in columns]
    header = [Text(column.removeprefix(">"), "bold") for column in columns]
    cells = [
        [Text(_SPACES.sub(" ", str(c)), c.style if isinstance(c, Text) else "") for c in row]
        for row in rows
    ]
    if title:
        print_text(title, style="bold")
    for line in _layout(header, cells, is_right, output.width):
        line.rstrip()
        line.plain = line.plain.replace(NO_BREAK, " ")
        output.print(line, soft_wrap=True)
    if caption:
        print_text(caption, style="dim")


_Row = Sequence[Text]


def _layout(
    header: _Row, rows: Sequence[_Row], is_right: Sequence[bool], width: int
) -> Iterator[Text]:
    """The lines of a table; see `print_table`."""
    numbers = list(range(len(header)))
    above: list[int] = []

    def head(row: _Row) -> Text:
        return Text(_GAP).join([row[n] for n in above])

    # Numbers with their bounds stay in one line; all else may wrap between words.
    needs = {
        n: max(
            cell_len(part)
            for row in (header, *rows)
            for part in _wrapped(row[n].plain, width if is_right[n] and row is not header else 1)
        )
        for n in numbers
    }
    while True:
        indent = _GAP if above else ""
        room = width - len(indent) - len(_GAP) * (len(numbers) - 1)
        if sum(needs[n] for n in numbers) <= room:
            break
        texts = [n for n in numbers if not is_right[n]] if len(numbers) > 1 else []
        if texts:
            widest = max(texts, key=lambda n: needs[n])
            numbers.remove(widest)
            above = sorted([*above, widest])
        if not texts or max((head(row).cell_len for row in rows), default=0) > width:
            yield from _listed(header, rows, width)
            return
    wanted = [max(cell_len(row[n].plain) for row in (header, *rows)) for n in numbers]
    widths = _widths(wanted, [needs[n] for n in numbers], room)
    for row in (header, *rows):
        if above:
            yield head(row)
        parts = [_wrapped(row[n].plain, w) for n, w in zip(numbers, widths, strict=True)]
        for at in range(max(map(len, parts))):
            line = Text(indent)
            for n, w, lines in zip(numbers, widths, parts, strict=True):
                text = lines[at] if at < len(lines) else ""
                space = " " * (w - cell_len(text))
                line.append(space if is_right[n] else "").append(text, row[n].style)
                line.append(("" if is_right[n] else space) + _GAP)
            yield line


def _widths(wanted: Sequence[int], needed: Sequence[int], room: int) -> list[int]:
    """A width for each column: what it wants, or else as much as all others that want more."""
    for limit in range(max(wanted), 0, -1):
        widths = [min(w, max(n, limit)) for w, n in zip(wanted, needed, strict=True)]
        if sum(widths) <= room:
            return widths
    return list(needed)


def _listed(header: _Row, rows: Sequence[_Row], width: int) -> Iterator[Text]:
    """A line for each cell, beginning with the name of its column."""
    label = max(cell_len(name.plain) for name in header)
    for row in rows:
        for n, (name, cell) in enumerate(zip(header, row, strict=True)):
            before = (Text("- ") if n == 0 else Text(_GAP)).append(f"{name.plain:<{label}}", "bold")
            for line in _wrapped(cell.plain, width - label - 2 * len(_GAP)):
                yield before.append(_GAP).append(line, cell.style)
                before = Text(" " * (label + len(_GAP)))


def print_landed(landed: object) -> None:
    from orchestration.landing.store import Landed

    assert isinstance(landed, Landed)
    record = landed.record
    fields = landed.quarantined_fields
    known = "landed before, as_of updated" if landed.is_redated else "already landed, nothing to do"
    what = "landed" if landed.is_new else known
    print_message(
        f"{unbroken(record.original_name)}: {what}: {record.source}, {record.layout}, as of "
        f"{format_time(record.as_of)} (from {record.as_of_origin}), {landed.good_rows} rows, "
        f"{landed.quarantined_rows} quarantined, "
        + (f"{fields} field(s) of good rows quarantined, " if fields else "")
        + f"sha256 {record.sha256[:12]}…"
    )
    print_notices(landed.notices)


def print_json(document: Any) -> None:
    """Print JSON to stdout, in UTF-8 under any locale, without rich, which would wrap it."""
    typer.echo(to_json(document), nl=False)


@contextmanager
def exit_on_interrupt() -> Iterator[None]:
    """End the process with one line and exit code 130 or 143 on Ctrl-C and SIGTERM.

    The process ends at once, without unwinding: dbt swallows exceptions and waits for its queries,
    and a run may be killed at any moment (see `publication.vintage`).
    """

    def end(number: int, frame: FrameType | None) -> None:
        what = "interrupted" if number == signal.SIGINT else "terminated (SIGTERM)"
        show_cursor = "\x1b[?25h" if os.isatty(2) else ""
        run_log.end_interrupted(128 + number)
        with suppress(Exception):
            sys.stdout.flush()
        with suppress(OSError):
            # Not through the console: this thread may be in the middle of writing to it.
            os.write(
                2,
                f"{show_cursor}\nerror {what}: the published state is intact, and the next run "
                "cleans up\n".encode(),
            )
        os._exit(128 + number)

    # Python's resource tracker would warn of dbt's leftover semaphores, which it removes anyway.
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            # A signal that is ignored on purpose (nohup, a background job) stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def print_failure(error: Exception) -> int:
    """Print what went wrong, without a traceback, and return the exit code.

    With TOKENSHARE_DEBUG=1 the traceback is printed as well.
    """
    if os.environ.get("TOKENSHARE_DEBUG"):
        traceback.print_exception(error)
    known = as_user_error(error)
    if known is None:
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = (
            f"this is a bug in tokenshare: {type(error).__name__}: {error} "
            f"({Path(place.filename).name}, line {place.lineno}). Please report it, with the "
            "output of the same command under TOKENSHARE_DEBUG=1"
        )
    else:
        text = str(known)
    # Notes, added by `add_note`, tell what else went wrong.
    lines = with_notes(error, text).splitlines()
    _print_lines(
        console,
        Text("error", "bold red"),
        "\n".join(safe_text(line, _LINE_LENGTH) for line in lines),
    )
    return (known or TokenshareError()).exit_code


def settings_of(data_dir: Path | None, **given: object) -> Settings:
    """Read the settings from the environment; a flag that was given comes first.

    Raises TokenshareError that names every wrong variable, without its value.
    """
    chosen = {"data_dir": data_dir, **given}
    try:
        return Settings(**{k: v for k, v in chosen.items() if v is not None})  # type: ignore[arg-type]  # validated by pydantic
    except ValidationError as error:
        problems = "; ".join(
            f"TOKENSHARE_{'_'.join(map(str, e['loc'])).upper().removeprefix('TOKENSHARE_')}: "
            f"{e['msg']}"
            for e in error.errors(include_input=False)
        )
        raise TokenshareError(f"the settings are wrong: {problems}") from error
