"""Whatever the locale, wherever the clone and its data lie: the same result, written there only."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.contracts.odcs import tables
from orchestration.publication.verify import verify
from orchestration.publication.vintage import latest_vintage
from orchestration.settings import PROJECT_ROOT, Settings
from tests import builders
from tests.conftest import later_dumps

NAME = 'it\'s a "folder" ä 数据'
LOCALEDEF = shutil.which("localedef")
SCRIPT = Path(sys.executable).with_name("tokenshare")
# C needs nothing; the others are compiled from Debian's sources (package `locales`).
LOCALES = {"C": "ascii", "zh_CN.GBK": "gbk", "de_DE.ISO-8859-1": "iso-8859-1"}


@pytest.fixture(scope="module")
def compiled_locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of locales that no system has by default; empty if it cannot compile them."""
    folder = tmp_path_factory.mktemp("locales")
    for name in LOCALES:
        language, _, charmap = name.partition(".")
        if charmap and LOCALEDEF:
            subprocess.run(
                [LOCALEDEF, "-i", language, "-f", charmap, folder / name],
                capture_output=True, check=False,
            )  # fmt: skip
    return folder


def under(locale: str, locales: Path, *arguments: str | Path) -> tuple[int, str]:
    """Exit code and what the real script says, in the locale's own encoding."""
    if "." in locale and not (locales / locale).exists():
        pytest.skip(f"needs localedef and the sources of {locale} (package `locales`)")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHON"))}
    done = subprocess.run(
        [SCRIPT, *arguments], capture_output=True, check=False,
        env={**clean, "LC_ALL": locale, "LOCPATH": str(locales), "COLUMNS": "100",
             # Else Python takes UTF-8 for C by itself.
             "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )  # fmt: skip
    return done.returncode, (done.stdout + done.stderr).decode(LOCALES[locale])


@pytest.mark.parametrize("locale", LOCALES)
def test_what_a_locale_cannot_write_is_no_reason_to_fail(
    locale: str, compiled_locales: Path, small_base: Settings
) -> None:
    """The table holds `·`, which ASCII lacks and GBK writes in two bytes of its own."""
    code, said = under(locale, compiled_locales, "show", "--data-dir", small_base.data_dir)
    assert code == 0, said
    assert "universe: all rows, including `other`" in said
    assert ("·" in said) == (locale != "C")


def test_a_run_under_another_locale_into_a_folder_of_any_name_makes_the_same_bytes(
    compiled_locales: Path, small_base: Settings, restated_base: Settings, tmp_path: Path
) -> None:
    """As the run in this process that made the second vintage of `restated_base`."""
    locale = "zh_CN.GBK" if (compiled_locales / "zh_CN.GBK").exists() else "C"
    data = tmp_path / NAME
    for folder in ("landing", "published"):  # the raw files and the manifest of dbt are made anew
        shutil.copytree(small_base.data_dir / folder, data / folder, symlinks=True)
    (data / "inbox").mkdir()
    for name, content in later_dumps().items():
        builders.write(data / "inbox", name, content)
    code, said = under(locale, compiled_locales, "run", "--data-dir", data)
    assert code == 0, said
    made, here = latest_vintage(Settings(data_dir=data)), latest_vintage(restated_base)
    assert made
    assert here
    assert f"published vintage {made.vintage_id}" in said
    verify(made.path)
    for name in tables("published"):
        file = f"tables/{name}.parquet"
        assert (made.path / file).read_bytes() == (here.path / file).read_bytes(), name
    assert "Who gets used?" in made.report.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == [NAME]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracked files in a folder of their own, with this environment as if it was set up."""
    folder = tmp_path_factory.mktemp("clones") / NAME
    listed = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=PROJECT_ROOT, capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (PROJECT_ROOT / name).exists():  # else deleted, not yet committed
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT_ROOT / name, folder / name)
    (folder / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    (folder / ".venv" / ".installed").touch()
    return folder


def make(clone: Path, *arguments: str, **environment: str) -> str:
    clean = {k: v for k, v in os.environ.items() if k not in ("TOKENSHARE_DATA_DIR", "MAKEFLAGS")}
    done = subprocess.run(
        ["make", *arguments], cwd=clone, env={**clean, **environment}, capture_output=True,
        encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("data", [None, "my data", "absolute"])
def test_make_ui_keeps_its_instance_where_the_data_are(
    clone: Path, tmp_path: Path, data: str | None
) -> None:
    """The recipe as it is, with a Dagster that only says how it was started, and nothing served."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, does in (("dg", 'echo "home=$DAGSTER_HOME arguments=$*"'), ("tokenshare", "true")):
        (tools / name).write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        (tools / name).chmod(0o755)
    where = tmp_path / NAME if data == "absolute" else clone / (data or "data")
    given = {"TOKENSHARE_DATA_DIR": str(where) if data == "absolute" else data} if data else {}
    beside = set(clone.parent.iterdir())
    said = make(clone, "ui", f"BIN={tools}", PORT="3999", **given)
    assert f"home={where}/dagster arguments=dev --host 127.0.0.1 --port 3999" in said
    assert (where / "dagster" / "dagster.yaml").exists()
    assert set(clone.parent.iterdir()) == beside


def test_make_writes_inside_the_clone(clone: Path) -> None:
    made = [clone / "data" / name for name in ("warehouse", "candidates", "dagster")]
    for folder in made:
        folder.mkdir(parents=True, exist_ok=True)
    make(clone, "clean")
    assert not any(folder.exists() for folder in made)
    assert (clone / "data" / "landing").exists()
    assert "run" in make(clone, "help")
