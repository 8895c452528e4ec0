"""The rules of the house that a machine can check."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.settings import PROJECT_ROOT, Settings
from tests.mutants.sql_mutants import MUTANTS

PACKAGE = PROJECT_ROOT / "orchestration"
EDGE = ("assets", "automation", "resources", "definitions.py")
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path, top_level_only: bool = False) -> set[str]:
    """First parts of the modules that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module}
    return {name.split(".")[0] for name in names}


def offenders(breaks: Callable[[Path], object]) -> list[str]:
    """The modules that break a rule, by path."""
    assert len(MODULES) > 50
    return [p.relative_to(PACKAGE).as_posix() for p in MODULES if breaks(p)]


# From the ground up: a room imports rooms that are listed before it.
ROOMS = [
    "errors", "settings", "files", "words", "contracts", "tables", "pages", "csv_files", "sources",
    "request_logs", "configuration", "landing", "ingestion", "claims", "gate", "report",
    "publication", "postgres", "transformation", "metrics", "registry", "diff", "run_log",
    "pulling", "pipeline", "replay", "demo", "alerts", "serving", "agents", "site", "terminal",
    "cli_registry", "cli_pull", "cli_reduce", "cli_serve", "cli_site", "cli_vintages", "cli_status",
    "cli_replay", "cli_demo", "cli", "resources", "assets", "automation", "definitions",
]  # fmt: skip


def rooms_imported(path: Path) -> set[str]:
    """The rooms of the house that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    froms = [n for n in nodes if isinstance(n, ast.ImportFrom)]
    assert not [n for n in froms if n.level], f"{path}: imports are absolute"
    names = {f"{n.module}.{a.name}" for n in froms for a in n.names}
    names |= {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    return {n.split(".")[1] for n in names if n.startswith("orchestration.")} & set(ROOMS)


def test_a_room_imports_only_rooms_below_it() -> None:
    climbs = set()
    for path in MODULES:
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room != "__init__":
            above = ROOMS[ROOMS.index(room) + 1 :]
            climbs |= {(room, other) for other in rooms_imported(path) if other in above}
    assert climbs == set()


def test_only_the_edge_imports_dagster() -> None:
    def breaks(path: Path) -> bool:
        at_the_edge = path.relative_to(PACKAGE).parts[0] in EDGE
        return not at_the_edge and bool({"dagster", "dagster_dbt"} & imported(path))

    assert offenders(breaks) == []


def test_slow_imports_are_made_on_use() -> None:
    """Great Expectations costs 7 s, dbt 3 s: no module may pay that for being imported."""
    slow = {"great_expectations", "dbt"}
    assert offenders(lambda p: slow & imported(p, top_level_only=True)) == []


def test_every_module_says_what_belongs_there() -> None:
    assert (
        offenders(lambda p: not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))) == []
    )


def text_without_encoding(path: Path) -> list[str]:
    """Calls that would read or write text in the locale's encoding. Ruff's PLW1514 finds those
    whose object it can infer; this one takes every method of that name."""
    found = []
    for call in (n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if
                 isinstance(n, ast.Call)):  # fmt: skip
        named = {k.arg: ast.unparse(k.value) for k in call.keywords}
        function = ast.unparse(call.func)
        name = function.split(".")[-1]
        modes = [ast.unparse(a).strip("'") for a in call.args] + [named.get("mode", "").strip("'")]
        mode = next((m for m in modes if m and set(m) <= set("rwxabt+")), "")
        is_text = (
            name in ("read_text", "write_text")
            or (name == "open" and function == "gzip.open" and "t" in mode)
            or (name == "open" and function not in ("gzip.open", "os.open") and "b" not in mode)
            or {"text", "universal_newlines"} & named.keys()
        )
        if is_text and "encoding" not in named:
            found.append(f"{path.relative_to(PROJECT_ROOT)}:{call.lineno}: {function}")
    return found


def test_every_text_file_is_utf_8_whatever_the_locale() -> None:
    files = [p for d in ("orchestration", "tests", "tools") for p in
             (PROJECT_ROOT / d).rglob("*.py")]  # fmt: skip
    assert len(files) > 100
    assert [call for path in files for call in text_without_encoding(path)] == []


# The files whose words are checked. Add a pattern once its files have no forbidden phrase left.
WRITTEN = [
    *(f"{folder}/**/*.py" for folder in ("orchestration", "tools", "tests")),
    *(f"{folder}/**/*.sql" for folder in ("orchestration", "dbt_project/m*", "dbt_project/tests")),
    *(f"{folder}/**/*.y*ml" for folder in ("data_contracts", "dbt_project/m*")),
    *("orchestration/**/*.j2", "configuration/*.yml", "dbt_project/seeds/*.yml"),
    *("*.md", "configuration/**/*.md", "docs/[!d]*.md"),
]  # Not docs/decisions.md, which is history.
# Phrases that are always a mistake in this house, each with what to write instead.
FORBIDDEN = {
    r"\b(?<!there )is no (?!longer\b|more\b|such\b)": "is not a(n)",
    r"\braises? [\w., ]*Error,? where\b": "Raises … if",
    r"\bnone where\b": "None if",
    r"\bgives (its|what|how|the path)\b": "returns",
    r"\b(stands|speaks)\b": "is, states, or the name of the thing",
    r"\b(lies|lie) (in|below|beside|outside)\b": "is in, is below",
    r"\bsaid aloud\b": "shown to the user",
    r"\bthe vintage before\b(?! it\b)": "the previous vintage",
    r"\bper cent\b": "percent",
    r"\bheaviest first\b": "largest first",
}


def test_no_file_has_a_forbidden_phrase() -> None:
    files = sorted(
        {p for pattern in WRITTEN for p in PROJECT_ROOT.glob(pattern)} - {Path(__file__)}
    )
    assert len(files) > 350
    found = [
        f"{path.relative_to(PROJECT_ROOT)}:{number}: {match[0]!r}; write: {instead}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for phrase, instead in FORBIDDEN.items()
        if (match := re.search(phrase, line, re.IGNORECASE))
    ]
    assert found == [], "\n".join(found)


def test_every_mistake_in_sql_still_fits_its_file() -> None:
    """Those that `make mutants` makes, one at a time."""
    gone = [
        m
        for m in MUTANTS
        if (PROJECT_ROOT / m.path).read_text(encoding="utf-8").count(m.before) != 1
    ]
    assert gone == []


def test_the_cli_starts_without_the_heavy_libraries() -> None:
    code = (
        "import sys, orchestration.cli\n"
        "print([m for m in ('dagster', 'dbt', 'great_expectations', 'pandas', 'vl_convert') "
        "if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert found.stdout.strip() == "[]"


def test_the_lock_pins_with_hashes_and_names_no_host() -> None:
    lock = (PROJECT_ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = [line for line in lock.splitlines() if "==" in line and not line.startswith("#")]
    assert len(pinned) > 100
    assert lock.count("--hash=sha256:") >= len(pinned)
    assert "://" not in lock


def test_no_tracked_file_is_above_two_mebibytes() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    sizes = {
        name: (PROJECT_ROOT / name).stat().st_size
        for name in listed.stdout.split("\0")
        if name and (PROJECT_ROOT / name).exists()
    }
    assert not {n: s for n, s in sizes.items() if s > 2 * 1024 * 1024}


@pytest.mark.parametrize(
    ("heading", "most", "names"),
    [
        ("Add a source", 10, {"<source>": "vercel_leaderboard", "<table>": "gateway_shares*"}),
        ("Add a metric", 8, {"<table>": "share_by_origin_license"}),
    ],
)
def test_a_recipe_names_few_files_that_are_there(
    heading: str, most: int, names: dict[str, str]
) -> None:
    text = (PROJECT_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    paths = re.findall(r"^\| \d+ \| `([^`]+)` \|", recipe, re.MULTILINE)
    assert 5 < len(paths) <= most
    for path in paths:
        pattern = re.sub("<[a-z]+>", lambda found: names.get(found[0], "*"), path)
        assert list(PROJECT_ROOT.glob(pattern)), path


def test_the_plan_of_the_house_names_its_rooms_in_order_and_files_that_are_there() -> None:
    plan = (PROJECT_ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \|", plan.split("\n## ")[1], re.MULTILINE)
    assert re.findall(r"[a-z_]+", " ".join(rooms)) == ROOMS
    places = "orchestration|dbt_project|data_contracts|configuration|tools|tests"
    paths = re.findall(rf"`((?:{places})/[^`]*)`", plan)
    assert len(paths) > 15
    assert [p for p in paths if not list(PROJECT_ROOT.glob(p.rstrip("/")))] == []


def test_every_decision_has_a_date_and_a_status_and_names_its_successor() -> None:
    text = (PROJECT_ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    titles = re.findall(r"^### (.+)$", text, re.MULTILINE)
    status = r"Date: \d{4}-\d\d-\d\d\. Status: (?:accepted|superseded by \"(.+)\")\."
    found = re.findall(rf"^### .+\n{status}$", text, re.MULTILINE)
    assert len(found) == len(titles) > 100
    assert {name for name in found if name} <= set(titles)


def test_one_variable_moves_everything_that_a_run_writes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TOKENSHARE_DATA_DIR", str(tmp_path / "elsewhere"))
    settings = Settings()
    places = [
        settings.landing_dir, settings.inbox_dir, settings.warehouse_dir, settings.database_path,
        settings.dbt_target_dir, settings.candidates_dir, settings.published_dir,
        settings.runs_dir,
    ]  # fmt: skip
    assert all(p.is_relative_to(tmp_path / "elsewhere") for p in places)
