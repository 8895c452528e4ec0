"""`published/latest`: one path for the newest vintage, for who cannot read `latest.json`."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from orchestration import pipeline
from orchestration.cli import app
from orchestration.errors import OtherLinkError
from orchestration.publication.candidate import Candidate
from orchestration.publication.manifest import find_vintage, set_latest
from orchestration.publication.retention import read_history
from orchestration.publication.vintage import Vintage, latest_vintage
from orchestration.settings import Settings
from tests.integration.test_write_order import (
    NEW,
    PowerFailureError,
    before,
    candidate_of,
    installation,
    parts,
    published,
    recorded,
)

__all__ = ["before", "installation", "parts"]
READER = Path(sys.prefix) / "readers" / "duckdb-newest-1"


def link_of(settings: Settings) -> Path:
    return settings.published_dir / "latest"


def leads_to(settings: Settings) -> str:
    """Where the link leads, which must be a path inside of the folder."""
    return str(link_of(settings).readlink())


def latest_id(settings: Settings) -> str:
    latest = latest_vintage(settings)
    assert latest is not None
    return latest.vintage_id


# Opens the database, says what it reads, and does so again for each line that it gets: `old` by
# the connection that is open all the time, `new` by one that is opened for this.
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import duckdb
def ask(connection, table):
    return connection.execute(f"select count(*), sum(v) from {table}").fetchone()
old = duckdb.connect(sys.argv[2], read_only=True)
print(duckdb.__version__, ask(old, "first"), flush=True)
for line in sys.stdin:
    with duckdb.connect(sys.argv[2], read_only=True) as new:
        print(ask(old, "first"), ask(old, "second"), ask(new, "second"), flush=True)
"""


def with_database(candidate: Candidate, value: int) -> Candidate:
    """The candidate with a database that every release of DuckDB can read, two tables of so many
    rows of this value that they are not all read at once."""
    path = candidate.path / "tokenshare.duckdb"
    path.unlink()
    with duckdb.connect() as connection:
        connection.execute(f"attach '{path}' as made (storage_version 'v1.0.0')")
        for name in ("first", "second"):
            connection.execute(
                f"create table made.{name} as select {value} + (i % 2) * 0 as v, hash(i) as other "
                "from range(300000) t(i)"
            )
    return candidate


def test_who_has_the_old_file_open_is_undisturbed_and_who_opens_the_path_sees_the_new_one(
    parts: Path, installation: Settings
) -> None:
    """In another process, with the DuckDB that BI drivers ship; the old vintage is even deleted."""
    assert READER.is_dir(), f"{READER} is missing; `make readers` installs it"
    old = published(with_database(candidate_of(parts, installation, "c" * 64), 1), installation)
    database = link_of(installation) / "tokenshare.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, READER, database],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
    ) as reader:  # fmt: skip
        assert reader.stdin
        assert reader.stdout

        def asked() -> str:
            assert reader.stdin
            assert reader.stdout
            reader.stdin.write("\n")
            reader.stdin.flush()
            return reader.stdout.readline().strip()

        assert reader.stdout.readline().split(maxsplit=1) == ["1.5.5", "(300000, 300000)\n"]
        one, two = "(300000, 300000)", "(300000, 600000)"
        assert asked() == f"{one} {one} {one}"
        new = published(
            with_database(candidate_of(parts, installation, NEW, "second"), 2), installation
        )
        assert leads_to(installation) == f"vintages/{new.vintage_id}"
        shutil.rmtree(old.path)
        assert asked() == f"{one} {one} {two}"
        reader.stdin.close()


def test_a_power_failure_leaves_the_link_on_a_whole_vintage_and_the_next_run_mends_it(
    parts: Path, before: Settings, tmp_path: Path
) -> None:
    """From the pointer on; test_write_order.py does the rest."""
    old = latest_id(before)
    lagged = 0
    for fails_at in range(1000):
        settings = Settings(data_dir=tmp_path / str(fails_at))
        shutil.copytree(before.data_dir, settings.data_dir, symlinks=True)
        candidate = candidate_of(parts, settings, NEW)
        with recorded(settings.data_dir, fails_at):
            try:
                published(candidate, settings)
                break
            except PowerFailureError:
                pass
        assert leads_to(settings) in (f"vintages/{old}", f"vintages/{latest_id(settings)}")
        assert (link_of(settings) / "manifest.json").exists(), fails_at
        lagged += leads_to(settings) != f"vintages/{latest_id(settings)}"
        pipeline.tidy_up(settings)
        assert leads_to(settings) == f"vintages/{latest_id(settings)}", fails_at
        assert not list(settings.published_dir.glob(".building-*")), fails_at
        shutil.rmtree(settings.data_dir)
    assert lagged >= 2, "before the link is made, and before it is moved into its place"
    assert leads_to(settings) == f"vintages/{latest_id(settings)}" != f"vintages/{old}"


def test_the_link_goes_back_and_forward_with_the_pointer_and_a_prune_leaves_it(
    parts: Path, installation: Settings
) -> None:
    old = latest_id(installation)
    new = published(candidate_of(parts, installation, NEW), installation)
    assert leads_to(installation) == f"vintages/{new.vintage_id}"
    for name in (old, new.vintage_id, old):
        pipeline.roll_back_to(name, "test", installation)
        assert leads_to(installation) == f"vintages/{name}" == f"vintages/{latest_id(installation)}"
    pipeline.prune_vintages(installation)
    assert leads_to(installation) == f"vintages/{old}"
    # A damaged vintage is left by the run itself, and the link with it.
    pipeline.roll_back_to(new.vintage_id, "test", installation)
    table = new.path / "tables" / "headline.parquet"
    table.chmod(0o644)
    table.write_bytes(b"x")
    pipeline.tidy_up(installation)
    assert leads_to(installation) == f"vintages/{old}" == f"vintages/{latest_id(installation)}"


@pytest.mark.parametrize("wrong", ["gone", "another", "nowhere"])
def test_a_link_that_is_gone_or_wrong_is_mended_by_the_next_run(
    parts: Path, installation: Settings, wrong: str
) -> None:
    old = latest_id(installation)
    new = published(candidate_of(parts, installation, NEW), installation)
    link_of(installation).unlink()
    if wrong != "gone":
        name = old if wrong == "another" else "20200101T000000Z-00000000"
        link_of(installation).symlink_to(f"vintages/{name}")
    assert pipeline.tidy_up(installation) == []
    assert leads_to(installation) == f"vintages/{new.vintage_id}"


def put_folder(link: Path) -> None:
    link.mkdir()
    (link / "notes").write_text("mine", encoding="utf-8")


OTHERS = {
    "is a folder": put_folder,
    "is a file": lambda link: link.write_text("mine", encoding="utf-8"),
    "is a link to '/somewhere'": lambda link: link.symlink_to("/somewhere"),
    "is a link to 'vintages/../../x'": lambda link: link.symlink_to("vintages/../../x"),
}


def content(path: Path) -> list[tuple[str, str]]:
    """What is at this path and below it."""

    def of(path: Path) -> str:
        if path.is_symlink():
            return str(path.readlink())
        return "" if path.is_dir() else path.read_text(encoding="utf-8")

    found = [path, *sorted(path.rglob("*"))] if path.is_dir() else [path]
    return [(p.name, of(p)) for p in found]


@pytest.mark.parametrize("what", OTHERS)
def test_what_somebody_else_has_put_there_is_named_and_left_and_nothing_is_published(
    parts: Path, installation: Settings, what: str
) -> None:
    old, link = latest_id(installation), link_of(installation)
    new = published(candidate_of(parts, installation, NEW), installation)
    link.unlink()
    OTHERS[what](link)
    pointer, theirs = installation.latest_path.read_bytes(), content(link)
    (notice,) = pipeline.tidy_up(installation)  # pulling and landing go on
    assert notice.startswith(f"{link}: {what}, where ")
    with pytest.raises(OtherLinkError, match="nothing is published"):
        published(candidate_of(parts, installation, "d" * 64, "third"), installation)
    with pytest.raises(OtherLinkError):
        pipeline.roll_back_to(old, "test", installation)
    with pytest.raises(OtherLinkError):
        set_latest(installation.published_dir, new.manifest)
    assert content(link) == theirs
    assert installation.latest_path.read_bytes() == pointer
    assert read_history(installation) == []
    assert len(list(installation.vintages_dir.iterdir())) == 2
    # The candidate is kept: once the place is free it is published.
    assert (installation.candidates_dir / "third").is_dir()
    link.rename(installation.data_dir / "theirs")
    assert pipeline.tidy_up(installation) == []
    assert leads_to(installation) == f"vintages/{new.vintage_id}"


def test_a_run_that_was_killed_before_the_pointer_is_finished_once_the_place_is_free(
    parts: Path, installation: Settings, tmp_path: Path
) -> None:
    rehearsal = Settings(data_dir=tmp_path / "rehearsal")
    shutil.copytree(installation.data_dir, rehearsal.data_dir, symlinks=True)
    with recorded(rehearsal.data_dir) as recorder:
        published(candidate_of(parts, rehearsal, NEW), rehearsal)
    (pointed,) = (
        n for n, e in enumerate(recorder.events)
        if e[0] == "rename" and e[2] == str(rehearsal.latest_path)
    )  # fmt: skip
    with recorded(installation.data_dir, pointed), pytest.raises(PowerFailureError):
        published(candidate_of(parts, installation, NEW), installation)
    old, link = latest_id(installation), link_of(installation)
    link.unlink()
    link.mkdir()
    (notice,) = pipeline.tidy_up(installation)
    assert "is a folder" in notice
    assert latest_id(installation) == old
    link.rmdir()
    (notice,) = pipeline.tidy_up(installation)
    assert "of an interrupted run is complete" in notice
    assert leads_to(installation) == f"vintages/{latest_id(installation)}" != f"vintages/{old}"


def test_a_file_system_without_links_gets_a_notice_and_a_vintage(
    parts: Path, installation: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Linux says on FAT."""
    old = latest_id(installation)

    def refuse(*arguments: object, **named: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    with monkeypatch.context() as patch:
        patch.setattr(os, "symlink", refuse)
        made: Vintage = published(candidate_of(parts, installation, NEW), installation)
        (notice,) = made.notices
        assert notice.startswith(f"{link_of(installation)}: cannot be made to lead to vintage ")
        assert "Operation not permitted" in notice
        assert pipeline.tidy_up(installation) == [notice]
    assert latest_id(installation) == made.vintage_id != old
    assert pipeline.tidy_up(installation) == []
    assert leads_to(installation) == f"vintages/{made.vintage_id}"


def test_commands_take_the_link_as_the_one_vintage_to_which_it_leads(
    restated: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a link that moves while a command reads does not make it read two."""
    newest = latest_id(restated)
    link = link_of(restated)
    assert find_vintage(str(link), restated) == restated.vintages_dir.resolve() / newest
    monkeypatch.chdir(restated.published_dir)
    for arguments in (["verify", "latest"], ["verify", str(link)], ["verify", "./latest"]):
        result = CliRunner().invoke(app, [*arguments, "--data-dir", str(restated.data_dir)])
        assert result.exit_code == 0, result.output
        assert f"verified vintage {newest}" in result.output
    # Without --data-dir the name is not a folder that happens to be here.
    nothing = CliRunner().invoke(app, ["show", "--data-dir", str(restated.data_dir / "other")])
    assert "nothing is published yet" in str(nothing.exception)
    link.unlink()
    link.symlink_to("vintages/20200101T000000Z-00000000")
    gone = CliRunner().invoke(app, ["verify", str(link), "--data-dir", str(restated.data_dir)])
    assert "this path does not exist" in str(gone.exception)
