"""What every command of the CLI shares: consoles, encoding, exit codes, the `--data-dir` option.

Apart from `cli.py` so that sub-apps can import it: `cli.py` itself may run as `__main__`.
"""

import io
import locale
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console

from orchestration.errors import TokenshareError
from orchestration.files import to_json
from orchestration.settings import Settings

EXIT_CODES = """
Exit codes: 0 done (also where there was nothing new) · 1 other failure · 2 wrong usage ·
3 a dump was refused · 4 a landed dump has changed · 5 the gate refused · 6 verification failed ·
7 another run holds the lock · 8 dbt failed · 9 the registry needs work (`registry check`).
"""

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


def give_room() -> None:
    """Piped tables get 120 columns: 80, rich's guess, would break every slug in two."""
    if not sys.stdout.isatty():
        os.environ.setdefault("COLUMNS", "120")


def print_json(document: Any) -> None:
    """JSON on stdout: in UTF-8 under any locale, and not through rich, which would wrap it."""
    typer.echo(to_json(document), nl=False)


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
