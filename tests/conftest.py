"""Fixtures. The shipped history is run once per session; tests copy what they change."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from orchestration import pipeline
from orchestration.landing.store import land
from orchestration.publication.vintage import Vintage, latest_vintage
from orchestration.settings import Settings
from tests import builders

# xdist's workers have one, which the CLI's consoles would keep for good when they are made.
os.environ.pop("COLUMNS", None)
# Tests write into the inbox and run at once; those of the quiet time ask for one.
os.environ["TOKENSHARE_INBOX_QUIET_SECONDS"] = "0"


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CLI gives piped tables room by COLUMNS, which would stay for the tests after it."""
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An empty installation."""
    return Settings(data_dir=tmp_path / "data", lock_timeout_seconds=5)


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> tuple[Settings, Vintage]:
    """The shipped history, run and published once for all of xdist's workers. Read only."""
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "shipped"
    settings = Settings(data_dir=folder)
    with FileLock(folder.with_suffix(".lock")):  # the first worker runs it, the others wait
        return settings, latest_vintage(settings) or pipeline.run(settings).vintage


@pytest.fixture(scope="session")
def small_base(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A published vintage of a small feed of 42 days. Read only; see `small`."""
    folder = tmp_path_factory.mktemp("small")
    settings = Settings(data_dir=folder / "data")
    rows = builders.feed(builders.days("2026-01-01", 42))
    land(builders.write(folder, "feed.csv", builders.csv3(rows)), settings, as_of=builders.AS_OF)
    pipeline.run(settings)
    return settings


@pytest.fixture
def small(small_base: Settings, tmp_path: Path) -> Settings:
    """A copy of `small_base` to change."""
    shutil.copytree(small_base.data_dir, tmp_path / "data")
    return Settings(data_dir=tmp_path / "data", lock_timeout_seconds=5)


@pytest.fixture
def drop(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Write a dump into a folder of its own."""
    folder = tmp_path / "dumps"
    folder.mkdir()
    return lambda name, content: builders.write(folder, name, content)
