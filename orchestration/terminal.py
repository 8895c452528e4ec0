"""What every command of the CLI shares: consoles, the exit codes and the `--data-dir` option.

Apart from `cli.py` so that sub-apps can import it: `cli.py` itself may run as `__main__`.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from orchestration.errors import TokenshareError
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


def give_room() -> None:
    """Piped tables get 120 columns: 80, rich's guess, would break every slug in two."""
    if not sys.stdout.isatty():
        os.environ.setdefault("COLUMNS", "120")


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
