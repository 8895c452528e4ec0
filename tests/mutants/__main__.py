"""Make small mistakes, one at a time, and run the tests that must notice them.

Those in Python are mutmut's (functions without decorators); those in SQL are the list in
`sql_mutants.py`. Everything happens in a copy below `.venv/mutants`; a second run goes on where
the first one was stopped.

    python -m tests.mutants [orchestration/landing | ... | sql]
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from orchestration.settings import PROJECT_ROOT
from tests.mutants import sql_mutants

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


def mutate_python(room: str, tests: list[str]) -> None:
    """Every mutant of the modules of a room; prints the score and the survivors."""
    folder = TOOLS / "work" / room.replace("/", "-")
    top = copy_of_the_project(folder)
    beside = [name for name in top if name not in ("orchestration", "tests", "pyproject.toml")]
    only = f"{room}/*" if (PROJECT_ROOT / room).is_dir() else room
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as project:
        project.write(
            f"\n[tool.mutmut]\nsource_paths = ['orchestration']\nonly_mutate = ['{only}']\n"
            f"also_copy = {beside}\npytest_add_cli_args_test_selection = {tests}\n"
            "use_git_change_detection = false\n"
        )

    def mutmut(*arguments: str) -> None:
        command = [sys.executable, "-m", "mutmut", *arguments]
        subprocess.run(command, cwd=folder, env=environment(folder), check=True)

    mutmut("run", "--max-children", str(os.cpu_count() or 1))
    print(f"{room}: what no test noticed")
    mutmut("results")


def main(asked: str = "") -> None:
    known = [*ROOMS, SQL]
    for room in [asked.rstrip("/")] if asked else known:
        if room == SQL:
            folder = TOOLS / "work" / SQL
            copy_of_the_project(folder)
            sql_mutants.run(folder, environment(folder))
        else:
            tests = next((t for r, t in ROOMS.items() if room.startswith(r)), None)
            if tests is None or not (PROJECT_ROOT / room).exists():
                sys.exit(f"{room}: expected one of {', '.join(known)}, or a module in one of them")
            mutate_python(room, tests)


if __name__ == "__main__":
    main(*sys.argv[1:2])
