"""Make small mistakes, one at a time, and run the tests that must notice them.

Those in Python are mutmut's (functions without decorators); those in SQL are the list in
`sql_mutants.py`. Everything happens in a copy below `.venv/mutants`; a second run goes on where
the first one was stopped, a sample is run anew.

    python -m tests.mutants [--sample N] [orchestration/landing | ... | sql]
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestration.settings import PROJECT_ROOT

TOOLS = Path(sys.prefix) / "mutants"
# What is mutated, and the tests that know it best: a full suite per mistake would take days.
ROOMS = {
    "orchestration/landing": ["tests/unit/test_landing.py", "tests/unit/test_files.py"],
    "orchestration/sources": ["tests/unit/test_bad_input.py", "tests/unit/test_sources.py"],
    "orchestration/gate": ["tests/gates"],
    "orchestration/publication": [
        "tests/unit/test_withheld.py",
        "tests/integration/test_write_order.py",
        "tests/integration/test_publication.py",
        "tests/integration/test_diff.py",
    ],
    "orchestration/report": [
        "tests/unit/test_charts.py",
        "tests/unit/test_markdown.py",
        "tests/integration/test_report.py",
    ],
}
SQL = "sql"
# The copy has no history.
NEEDS_GIT = [
    "tests/unit/test_landing.py::test_what_is_shipped_is_what_git_knows",
    "tests/unit/test_files.py::test_the_code_is_what_a_run_reads",
    "tests/unit/test_files.py::test_a_threshold_of_the_gate_does_not_change_what_a_candidate_holds",
]
CAUGHT = ("killed", "timeout", "segfault", "caught by type check")


def copy_of_the_project(folder: Path) -> list[str]:
    """Copy the files that git knows; returns what lies at the top."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT_ROOT, capture_output=True, encoding="utf-8", check=True,
    ).stdout.split("\0")  # fmt: skip
    names = [n for n in listed if n and (PROJECT_ROOT / n).exists()]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT_ROOT / name, folder / name)
    return sorted({Path(n).parts[0] for n in names})


def environment(folder: Path) -> dict[str, str]:
    """With the tool's packages, and with fixtures that are made once, by the code as it is."""
    fixtures = folder.with_name(f"{folder.name}-fixtures")
    fixtures.mkdir(exist_ok=True)
    return {**os.environ, "PYTHONPATH": str(TOOLS), "TOKENSHARE_FIXTURES": str(fixtures)}


class Room:
    """A room, or a module in one, in a copy of the project of its own."""

    def __init__(self, name: str) -> None:
        tests = next((t for room, t in ROOMS.items() if name.startswith(room)), None)
        if tests is None or not (PROJECT_ROOT / name).exists():
            known = ", ".join([*ROOMS, SQL])
            sys.exit(f"{name}: expected one of {known}, or a module in one of them")
        self.name = name
        self._folder = TOOLS / "work" / name.replace("/", "-")
        top = copy_of_the_project(self._folder)
        beside = [n for n in top if n not in ("orchestration", "tests", "pyproject.toml")]
        only = f"{name}/*" if (PROJECT_ROOT / name).is_dir() else name
        with (self._folder / "pyproject.toml").open("a", encoding="utf-8") as project:
            project.write(
                f"\n[tool.mutmut]\nsource_paths = ['orchestration']\nonly_mutate = ['{only}']\n"
                f"also_copy = {beside}\npytest_add_cli_args_test_selection = {tests}\n"
                f"pytest_add_cli_args = {[f'--deselect={test}' for test in NEEDS_GIT]}\n"
                "use_git_change_detection = false\n"
            )

    def _mutmut(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the tool and keep what it prints."""
        return subprocess.run(
            [sys.executable, "-m", "mutmut", *arguments],
            cwd=self._folder, env=environment(self._folder),
            capture_output=True, encoding="utf-8", check=False,
        )  # fmt: skip

    def outcomes(self) -> dict[str, str]:
        """What mutmut says of each mutant by its name: `killed`, `survived`, `not checked`, …"""
        lines = self._mutmut("results", "--all", "true").stdout.splitlines()
        return dict(line.strip().rsplit(": ", 1) for line in lines if ": " in line)

    def list_mutants(self) -> list[str]:
        """Make the mutants and find out which tests reach them, but try none."""
        # The tool cannot only list: it ends with an error once no name is like the one asked for.
        listed = self._mutmut("run", "none")
        if "nothing matches" not in listed.stderr:
            sys.exit(f"{self.name}: {listed.stdout}{listed.stderr}")
        return sorted(self.outcomes())

    def run(self, names: Sequence[str] = ()) -> None:
        """Try these mutants, or all; print the score and the survivors."""
        done = self._mutmut("run", "--max-children", str(os.cpu_count() or 1), *names)
        if done.returncode:
            sys.exit(f"{self.name}: {done.stdout}{done.stderr}")
        outcomes = self.outcomes()
        survivors = [n for n in names or outcomes if outcomes[n] not in CAUGHT]
        for name in survivors:
            diff = self._mutmut("show", name).stdout
            print(f"{outcomes[name]}: {place(name, diff)}\n{diff}", flush=True)
        tried = len(names or outcomes)
        print(f"{self.name}: {tried - len(survivors)} of {tried} caught", flush=True)


def place(name: str, diff: str) -> str:
    """File and line of a mutant, `orchestration/files.py:12`, from its name and its diff."""
    module, function = re.findall(r"^(.+)\.x[_ǁ](.+)__mutmut_\d+$", name)[0]
    path = Path(*module.split("."))
    path = path / "__init__.py" if (PROJECT_ROOT / path).is_dir() else path.with_suffix(".py")
    lines = (PROJECT_ROOT / path).read_text(encoding="utf-8").splitlines()
    start = next(
        i for i, line in enumerate(lines) if re.match(rf"\s*def {function.split('ǁ')[-1]}\(", line)
    )
    removed = next(d[1:] for d in diff.splitlines() if re.match("-(?!--)", d))
    at = next((i for i, line in enumerate(lines[start:], start) if line == removed), start)
    return f"{path}:{at + 1}"


def drawn(mutants: dict[str, list[str]], size: int) -> dict[str, list[str]]:
    """`size` of the mutants: the same each time, from every room as many as it has part of all."""
    shuffle = random.Random(1).sample
    pool = [(room, name) for room, names in mutants.items() for name in shuffle(names, len(names))]
    chosen = {i * len(pool) // size for i in range(min(size, len(pool)))}
    found: dict[str, list[str]] = {}
    for room, name in (pool[i] for i in sorted(chosen)):
        found.setdefault(room, []).append(name)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants of the rooms")
    parser.add_argument("only", nargs="?", default="", help="a room, a module in one, or sql")
    asked = parser.parse_args()
    only = asked.only.rstrip("/")
    if only != SQL:
        rooms = {name: Room(name) for name in ([only] if only else ROOMS)}
        sample = {}
        if asked.sample:
            mutants = {name: room.list_mutants() for name, room in rooms.items()}
            print(", ".join(f"{name}: {len(found)} mutants" for name, found in mutants.items()))
            sample = drawn(mutants, asked.sample)
        for name, room in rooms.items():
            if not asked.sample or name in sample:
                room.run(sample.get(name, ()))
    if only == SQL or not only:
        folder = TOOLS / "work" / SQL
        copy_of_the_project(folder)
        command = [sys.executable, "-m", "tests.mutants.sql_mutants"]
        subprocess.run(command, cwd=folder, check=True)


if __name__ == "__main__":
    main()
