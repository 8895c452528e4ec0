"""What a person sees in a real terminal of 80 and 40 columns: no line is broken inside a word."""

import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from orchestration.publication.retention import own_vintages
from orchestration.settings import Settings
from tests import builders
from tests.conftest import later_dumps
from tests.integration.test_pull import history, night, no_key

__all__ = ["history", "no_key"]
PROGRAM = str(Path(sys.executable).with_name("tokenshare"))
SPINNER = re.compile("[\u2800-\u28ff] ")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def environment(settings: Settings) -> dict[str, str]:
    named = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    return {**named, "TERM": "xterm", "TOKENSHARE_DATA_DIR": str(settings.data_dir)}


def in_terminal(arguments: list[str], settings: Settings, width: int) -> tuple[int, list[str]]:
    """The exit code, and the lines that the program writes to a terminal of this width."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, width))
    with subprocess.Popen(
        [PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment(settings)
    ) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                written += os.read(ours, 65536)
            except OSError:  # the program has ended
                break
    os.close(ours)
    lines = CONTROL.sub("", written.decode()).split("\n")
    # What a spinner wrote is written over.
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in lines]
    return process.returncode, [line for line in lines if not SPINNER.match(line)]


def broken(lines: list[str], width: int) -> list[str]:
    """The lines that the terminal breaks, unless they are a word that no line can hold."""
    return [line for line in lines if len(line) > width and " " in line.strip()]


# Each with a part of what it says, so that it is seen to say something.
COMMANDS = {
    "land {dump}": "already landed",
    "land {dump} --as-of 2020-01-01T00:00Z": "error",
    "verify": "manifest sha256",
    "verify {data}": "is not the folder of a vintage",
    "run": "nothing new: ",
    "vintages pin {a} --reason quoted": "pinned 2",
    "vintages rollback 1999 --reason x": "'1999' is not a vintage",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_message_is_broken_inside_a_word(
    command: str, restated: Settings, tmp_path: Path
) -> None:
    name, content = next(iter(later_dumps().items()))
    arguments = command.format(
        dump=builders.write(tmp_path, name, content), data=restated.data_dir,
        a=own_vintages(restated)[-1].name,
    ).split()  # fmt: skip
    said = {}
    for width in (1000, 80, 40):
        _, lines = in_terminal(arguments, restated, width)
        assert not broken(lines, width)
        said[width] = " ".join(" ".join(lines).split())
        assert COMMANDS[command] in said[width]
    # Nothing is lost, and no word is in two pieces.
    words = {width: re.sub(r"\d+\.\d s", "", text).split() for width, text in said.items()}
    assert words[80] == words[40] == words[1000]


def test_what_is_not_a_terminal_gets_each_message_on_one_line(restated: Settings) -> None:
    done = subprocess.run(
        [PROGRAM, "verify", restated.data_dir], capture_output=True, check=False,
        env={**environment(restated), "COLUMNS": "40"},
    )  # fmt: skip
    assert done.stderr.startswith(b"error ")
    assert done.stderr.count(b"\n") == 1


def test_no_line_of_a_pull_and_its_run_is_broken_inside_a_word(
    history: Settings, tmp_path: Path
) -> None:
    with night(history, tmp_path) as (_, settings):
        for arguments in (["pull", "--source-url", str(settings.source_url)], ["run"]):
            code, lines = in_terminal(arguments, settings, 40)
            assert code in (0, 11), lines
            text = " ".join(lines)
            assert "landed: openrouter_rankings" in text or "published vintage 2" in text, lines
            assert not broken(lines, 40)
