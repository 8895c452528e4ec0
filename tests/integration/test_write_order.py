"""In which order a vintage is written, and what a power failure between any two writes leaves.

Candidates are those tables of a real one that `verify` asks for, published without rules and
without a report.
"""

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration import pipeline
from orchestration.cli_status import read_status
from orchestration.errors import GateRefusedError, VerificationError
from orchestration.files import to_json
from orchestration.publication.candidate import CANDIDATE_FILE, Candidate
from orchestration.publication.verify import verify
from orchestration.publication.vintage import Vintage, latest_vintage, publish
from orchestration.settings import Settings

TABLES = ("usage_daily", "identification_daily", "share_by_origin_weekly", "headline")
OLD, NEW = "a" * 64, "b" * 64
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# What an audit event is called here, and how many of its arguments are paths.
CHANGES = {
    "os.rename": ("rename", 2),
    "os.link": ("link", 2),
    "os.symlink": ("link", 2),
    "os.remove": ("remove", 1),
    "os.rmdir": ("remove", 1),
    "os.truncate": ("write", 1),
    "shutil.rmtree": ("remove", 1),
}

Event = tuple[str, ...]


class PowerFailureError(BaseException):
    """Not an Exception, so that nothing handles it."""


class Recorder:
    """What this process changes below `root`, in order; nothing from the event `fails_at` on.

    It knows of which files the content is not yet on the disk.
    """

    def __init__(self, root: Path, fails_at: int | None = None) -> None:
        self.root, self.fails_at = root, fails_at
        self.events: list[Event] = []
        self.unsynced: set[Path] = set()

    def note(self, what: str, *paths: Path) -> None:
        if not any(p.is_relative_to(self.root) for p in paths):
            return
        if self.fails_at is not None and len(self.events) >= self.fails_at:
            raise PowerFailureError
        self.events.append((what, *map(str, paths)))
        if what == "write":
            self.unsynced.add(paths[0])
        elif what == "fsync":
            self.unsynced.discard(paths[0])
        elif what == "rename":
            old, new = paths
            self.unsynced = {
                new / p.relative_to(old) if p.is_relative_to(old) else p for p in self.unsynced
            }

    def lose_what_was_not_flushed(self) -> None:
        for path in self.unsynced:
            if path.is_file():
                path.write_bytes(b"")


_recorder: Recorder | None = None


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hooks are for good: this one is silent unless somebody records."""
    if _recorder is None:
        return
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, str | bytes | os.PathLike) and flags & WRITING:
            _recorder.note("write", Path(os.fsdecode(path)))
    elif event in CHANGES:
        what, count = CHANGES[event]
        _recorder.note(what, *(Path(os.fsdecode(a)) for a in arguments[:count]))


sys.addaudithook(_hear)


@contextmanager
def recorded(root: Path, fails_at: int | None = None) -> Iterator[Recorder]:
    """Record what the block changes below `root`. No audit event tells of fsync."""
    global _recorder
    recorder, flush = Recorder(root, fails_at), os.fsync

    def fsync(descriptor: int) -> None:
        recorder.note("fsync", Path(f"/proc/self/fd/{descriptor}").readlink())
        flush(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        _recorder = recorder
        try:
            yield recorder
        finally:
            _recorder = None


@pytest.fixture(scope="module")
def parts(small_base: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the export writes: tables and database."""
    folder = tmp_path_factory.mktemp("parts")
    vintage = latest_vintage(small_base)
    assert vintage
    (folder / "tables").mkdir()
    with duckdb.connect(str(folder / "tokenshare.duckdb")) as connection:
        for name in TABLES:
            shutil.copy(vintage.path / "tables" / f"{name}.parquet", folder / "tables")
            connection.execute(f"create table {name} as from '{folder / 'tables' / name}.parquet'")
    return folder


def candidate_of(
    parts: Path, settings: Settings, inputs_sha256: str, name: str = "made"
) -> Candidate:
    """A complete candidate."""
    folder = settings.candidates_dir / name
    shutil.copytree(parts, folder)
    (folder / CANDIDATE_FILE).write_bytes(to_json({"inputs_sha256": inputs_sha256}))
    reading = {"view": "then", "as_of": "9999-12-31"}
    return Candidate(folder, inputs_sha256, (), ("Source: a test.",), reading)


def published(
    candidate: Candidate,
    settings: Settings,
    gate: Callable[..., Sequence[Any]] = lambda *_: (),
    now: datetime | None = None,
) -> Vintage:
    """Publish a few tables only, which keeps the file fast: under a version of its own, of which
    `verify` asks no rule whose tables are not there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orchestration.publication.vintage.DATA_INTERFACE_VERSION", "0.1.0")
        return publish(candidate, settings, now, gate=gate, report=lambda *_: None)


@pytest.fixture(scope="module")
def before(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation with one vintage. Read only."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("before") / "data")
    published(candidate_of(parts, settings, OLD), settings)
    return settings


@pytest.fixture
def installation(before: Settings, tmp_path: Path) -> Settings:
    shutil.copytree(before.data_dir, tmp_path / "data", symlinks=True)
    return Settings(data_dir=tmp_path / "data")


def test_a_vintage_is_on_the_disk_before_it_has_a_name_and_named_before_it_is_pointed_to(
    parts: Path, installation: Settings
) -> None:
    candidate = candidate_of(parts, installation, NEW)
    pointer, vintages = installation.latest_path, installation.vintages_dir
    with recorded(installation.data_dir) as recorder:
        made = published(candidate, installation)
    events = recorder.events
    assert recorder.unsynced == set()

    def renamed_to(path: Path) -> int:
        (position,) = (n for n, e in enumerate(events) if e[0] == "rename" and e[2] == str(path))
        return position

    marker = installation.data_dir / ".publishing.json"
    marked, named, pointed, linked = map(
        renamed_to, (marker, made.path, pointer, installation.published_dir / "latest")
    )
    assert events[named] == ("rename", str(candidate.path), str(made.path))
    assert marked < named < pointed < linked
    for path in made.path.rglob("*"):
        flushed = ("fsync", str(candidate.path / path.relative_to(made.path)))
        assert flushed in events[:named], path
    # Each name is on the disk before the next step relies on it.
    assert ("fsync", str(installation.data_dir)) in events[marked:named]
    assert ("fsync", str(vintages)) in events[named:pointed]
    removed = events.index(("remove", str(marker)))
    for moved in (pointed, linked):
        assert ("fsync", str(installation.published_dir)) in events[moved:removed]
    # Nothing that has its name is written to.
    written = [Path(e[1]) for e in events if e[0] == "write"]
    assert not [p for p in written if p.is_relative_to(vintages) or p in (pointer, marker)]
    assert not [p for p in written if p.is_relative_to(candidate.tables_dir)], "the gate saw them"


def test_a_power_failure_at_any_moment_leaves_a_whole_vintage_and_the_next_run_heals(
    parts: Path, before: Settings, tmp_path: Path
) -> None:
    named_before = latest_vintage(before)
    assert named_before
    seen = set()
    for fails_at in range(1000):
        settings = Settings(data_dir=tmp_path / str(fails_at))
        shutil.copytree(before.data_dir, settings.data_dir, symlinks=True)
        candidate = candidate_of(parts, settings, NEW)
        with recorded(settings.data_dir, fails_at) as recorder:
            try:
                verify(published(candidate, settings).path)
                break
            except PowerFailureError:
                pass
        recorder.lose_what_was_not_flushed()
        left = latest_vintage(settings)
        assert left, fails_at
        verify(left.path, deep=False)
        seen.add(left.vintage_id == named_before.vintage_id)

        said = pipeline.tidy_up(settings)
        published(candidate_of(parts, settings, NEW, "again"), settings)
        healed = latest_vintage(settings)
        assert healed, fails_at
        assert healed.manifest["inputs_sha256"] == NEW, (fails_at, said)
        assert healed.manifest["previous_vintage"] == named_before.vintage_id
        assert len(list(settings.vintages_dir.iterdir())) == 2, fails_at
        for path in (healed.path, settings.vintages_dir / named_before.vintage_id):
            verify(path, deep=False)
        left_over = [*settings.data_dir.rglob(".building-*"), *settings.candidates_dir.iterdir()]
        assert not left_over, fails_at
        assert not (settings.data_dir / ".publishing.json").exists(), fails_at
        shutil.rmtree(settings.data_dir)
    assert fails_at > 20
    assert seen == {True, False}


def test_a_newer_vintage_that_is_damaged_is_skipped(
    parts: Path, installation: Settings, tmp_path: Path
) -> None:
    """Its run was killed before latest.json. The marker and the manifest are right, a table is not:
    neither does the next run point to it, nor does it take it for what is published already."""
    rehearsal = Settings(data_dir=tmp_path / "rehearsal")
    shutil.copytree(installation.data_dir, rehearsal.data_dir, symlinks=True)
    with recorded(rehearsal.data_dir) as recorder:
        published(candidate_of(parts, rehearsal, NEW), rehearsal)
    (pointed,) = (
        n for n, e in enumerate(recorder.events)
        if e[0] == "rename" and e[2] == str(rehearsal.latest_path)
    )  # fmt: skip
    before = installation.latest_path.read_bytes()
    old = latest_vintage(installation)
    assert old
    with recorded(installation.data_dir, pointed), pytest.raises(PowerFailureError):
        published(candidate_of(parts, installation, NEW), installation)
    (damaged,) = (p for p in installation.vintages_dir.iterdir() if p != old.path)
    (damaged / "tables" / "headline.parquet").write_bytes(b"x")

    said = pipeline.tidy_up(installation)
    assert "tables/headline.parquet: has 1 bytes" in said[0]
    assert installation.latest_path.read_bytes() == before
    made = published(candidate_of(parts, installation, NEW, "again"), installation)
    assert made.is_new
    assert made.manifest["previous_vintage"] == old.vintage_id
    assert made.vintage_id > damaged.name
    verify(made.path)


def cut(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:20])


@pytest.mark.parametrize(
    ("damage", "said", "code"),
    [
        (lambda old, new: cut(new.parents[1] / "latest.json"), "latest.json: not readable", 6),
        (lambda old, new: cut(new / "manifest.json"), "manifest.json: missing or not readable", 6),
        (lambda old, new: cut(new / "tables" / "headline.parquet"), "headline.parquet: has 20", 0),
        (lambda old, new: shutil.rmtree(new), "manifest.json: missing or not readable", 6),
        (lambda old, new: shutil.rmtree(old), "", 0),
        (lambda old, new: (cut(old / "manifest.json"), shutil.rmtree(new)), "is not there", 6),
    ],
    ids=["pointer", "manifest", "table", "deleted", "older deleted", "nothing whole is left"],
)
def test_the_next_run_compares_with_the_newest_whole_vintage(
    parts: Path,
    installation: Settings,
    damage: Callable[[Path, Path], object],
    said: str,
    code: int,
) -> None:
    old = latest_vintage(installation)
    assert old
    new = published(candidate_of(parts, installation, NEW), installation)
    before = installation.latest_path.read_bytes()
    damage(old.path, new.path)
    damaged = installation.latest_path.read_bytes()
    # `status` hashes no table: `verify` does.
    codes = [problem["exit_code"] for problem in read_status(installation)["problems"]]
    assert (6 in codes) == (code == 6), codes

    notices = pipeline.tidy_up(installation)
    assert said in "".join(notices[:1])
    if not new.path.exists() and (old.path / "manifest.json").stat().st_size == 20:
        assert notices[0].startswith("nothing can be published")
        assert installation.latest_path.read_bytes() == damaged
        with pytest.raises(VerificationError, match="is not there"):
            published(candidate_of(parts, installation, "c" * 64), installation)
        return
    left = latest_vintage(installation)
    assert left
    is_new = said.startswith("latest") or not old.path.exists()
    assert left.vintage_id == (new if is_new else old).vintage_id
    assert (installation.latest_path.read_bytes() == before) == is_new
    # What cannot be read any more is published again, beside what is left of it.
    again = published(candidate_of(parts, installation, NEW, "again"), installation)
    assert again.is_new == (not is_new)
    if again.is_new:
        assert again.manifest["previous_vintage"] == old.vintage_id
        # The same only if the folder is gone and both are of the same second.
        assert again.vintage_id >= new.vintage_id
    verify(again.path)


def test_a_damaged_pointer_does_not_undo_a_rollback(parts: Path, installation: Settings) -> None:
    old = latest_vintage(installation)
    assert old
    later = datetime.now(UTC) - timedelta(hours=1)
    published(candidate_of(parts, installation, NEW), installation, now=later)
    pipeline.roll_back_to(old.vintage_id, "wrong counts", installation)
    before = installation.latest_path.read_bytes()
    cut(installation.latest_path)
    assert old.vintage_id in pipeline.tidy_up(installation)[0]
    assert installation.latest_path.read_bytes() == before


def test_a_disk_that_cannot_be_read_is_not_a_damaged_vintage(
    parts: Path, installation: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Going back would publish what is not new."""
    published(candidate_of(parts, installation, NEW), installation)
    before = installation.latest_path.read_bytes()

    def fail(path: Path) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fail)
        assert pipeline.tidy_up(installation)[0].startswith("nothing can be published")
    assert installation.latest_path.read_bytes() == before
    assert pipeline.tidy_up(installation) == []


def test_a_clock_that_was_set_back_does_not_make_an_older_vintage(
    parts: Path, installation: Settings
) -> None:
    old = latest_vintage(installation)
    assert old
    wrong = datetime(2020, 1, 1, tzinfo=UTC)
    made = published(candidate_of(parts, installation, NEW), installation, now=wrong)
    assert made.vintage_id > old.vintage_id
    assert made.manifest["created_at"] == "2020-01-01T00:00:00Z"
    ahead = datetime(2099, 1, 1, tzinfo=UTC)
    future = published(candidate_of(parts, installation, "c" * 64), installation, now=ahead)
    after = published(candidate_of(parts, installation, "d" * 64), installation)
    assert old.vintage_id < made.vintage_id < future.vintage_id < after.vintage_id
    for vintage in (made, future, after):
        verify(vintage.path, deep=False)


@pytest.mark.parametrize(
    "alter",
    [
        lambda folder: (folder / "tables" / "usage_daily.parquet").write_bytes(b"x"),
        lambda folder: (folder / "tables" / "usage_daily.parquet").unlink(),
        lambda folder: (folder / "tables" / "more.parquet").write_bytes(b"x"),
        lambda folder: (folder / "tokenshare.duckdb").write_bytes(b"x"),
    ],
    ids=["changed", "removed", "added", "database"],
)
def test_a_candidate_that_changes_while_the_gate_runs_is_refused(
    parts: Path, installation: Settings, alter: Callable[[Path], object]
) -> None:
    before = installation.latest_path.read_bytes()
    candidate = candidate_of(parts, installation, NEW)

    def gate(tables: Path, *_: object) -> tuple[()]:
        alter(tables.parent)
        return ()

    with pytest.raises(GateRefusedError, match="changed while the gate ran"):
        published(candidate, installation, gate)
    assert installation.latest_path.read_bytes() == before
    assert len(list(installation.vintages_dir.iterdir())) == 1
