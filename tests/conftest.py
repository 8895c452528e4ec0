"""Fixtures. What is expensive is made once for all workers; tests copy what they change."""

import hashlib
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

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
# Runs of a small feed land nothing but that feed; those of the shipped history ask for it.
os.environ["TOKENSHARE_SHIPPED_HISTORY"] = "false"


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CLI gives piped tables room by COLUMNS, which would stay for the tests after it."""
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An empty installation."""
    return Settings(data_dir=tmp_path / "data", lock_timeout_seconds=5)


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Once:
    """`once(name, make)` gives the folder of this name, which `make` filled once for all of
    xdist's workers. Read only."""
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent
    # What `make mutants` made with the code as it is, for the tests of every mutant.
    shared = Path(os.environ.get("TOKENSHARE_FIXTURES", shared))

    def folder_of(name: str, make: Callable[[Path], object]) -> Path:
        folder, made = shared / name, shared / f"{name}.made"
        with FileLock(shared / f"{name}.lock"):  # the first worker makes it, the others wait
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                made.touch()
        return folder

    return folder_of


def vintage_of(settings: Settings) -> Vintage:
    """The latest vintage, which must be there."""
    vintage = latest_vintage(settings)
    assert vintage is not None
    return vintage


@pytest.fixture(scope="session")
def shipped(once: Once) -> tuple[Settings, Vintage]:
    """The shipped history, run and published. Read only."""

    def asking(folder: Path) -> Settings:
        return Settings(data_dir=folder, shipped_history=True)

    settings = asking(once("shipped", lambda folder: pipeline.run(asking(folder))))
    return settings, vintage_of(settings)


def _run_a_small_feed(folder: Path) -> None:
    settings = Settings(data_dir=folder)
    feed = builders.csv3(builders.feed(builders.days("2026-01-01", 42)))
    dump = builders.write(folder, "feed.csv", feed)
    land(dump, settings, as_of=builders.AS_OF)
    dump.unlink()
    pipeline.run(settings)


@pytest.fixture(scope="session")
def small_base(once: Once) -> Settings:
    """A published vintage of a small feed of 42 days. Read only; see `small`."""
    return Settings(data_dir=once("small", _run_a_small_feed))


LATER = datetime(2026, 3, 2, 1, 46, tzinfo=UTC)
NEWEST, GPT = "2026-02-11", "openai/gpt-4o"


def later_dumps() -> dict[str, bytes]:
    """What `restated_base` lands, by file name: gpt-4o has 10 million tokens more on one day, and
    there is a day more; then a list of apps, and task classes of which one is not mapped."""
    rows = [
        (day, slug, str(int(tokens) + 10_000_000) if (day, slug) == (NEWEST, GPT) else tokens)
        for day, slug, tokens in builders.feed(builders.days("2026-01-01", 43))
    ]
    shares = {"deepseek/deepseek-chat-v3": 0.5, "openai/gpt-4o": 0.25, "nobody-knows/m": 0.125}
    tags = {
        "code:general_impl": {"usage_share": 0.5, "token_share": 0.501},
        "poems": {"usage_share": 0.5, "token_share": 0.5},
    }
    models = {"code:general_impl": {model: (0.25, share) for model, share in shares.items()}}
    return {
        f"{LATER:%Y-%m-%dT%H-%M-%SZ}.csv": builders.csv3(rows),
        "apps.json": builders.app_rankings({7: 300, 8: 100}),
        "tasks.json": builders.task_classifications(tags, models),
    }


@pytest.fixture(scope="session")
def restated_base(once: Once, small_base: Settings) -> Settings:
    """`small_base` and a second vintage with `later_dumps`. Read only; see `restated`."""

    def run_again(folder: Path) -> None:
        shutil.copytree(small_base.data_dir, folder, dirs_exist_ok=True, symlinks=True)
        settings = Settings(data_dir=folder)
        for name, content in later_dumps().items():
            dump = builders.write(folder, name, content)
            land(dump, settings)
            dump.unlink()
        pipeline.run(settings)

    return Settings(data_dir=once("restated", run_again))


@pytest.fixture
def restated(restated_base: Settings, tmp_path: Path) -> Settings:
    """A copy of `restated_base` to change."""
    shutil.copytree(restated_base.data_dir, tmp_path / "data", symlinks=True)
    return Settings(data_dir=tmp_path / "data", lock_timeout_seconds=5)


@pytest.fixture
def small(small_base: Settings, tmp_path: Path) -> Settings:
    """A copy of `small_base` to change."""
    shutil.copytree(small_base.data_dir, tmp_path / "data", symlinks=True)
    return Settings(data_dir=tmp_path / "data", lock_timeout_seconds=5)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the landed dumps that are hashed from now on, each as often as it is."""
    found: list[str] = []
    file_digest = hashlib.file_digest

    def counting(stream: IO[bytes], name: str) -> Any:
        if Path(stream.name).name.startswith("dump."):
            found.append(stream.name)
        return file_digest(stream, name)  # type: ignore[arg-type]  # what typeshed asks of it

    monkeypatch.setattr(hashlib, "file_digest", counting)
    return found


@pytest.fixture
def drop(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Write a dump into a folder of its own."""
    folder = tmp_path / "dumps"
    folder.mkdir()
    return lambda name, content: builders.write(folder, name, content)
