"""Vintages: which are kept, which one is the latest, and what of it is written down."""

import fcntl
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration import pipeline
from orchestration.errors import RunLockedError, TokenshareError, VerificationError
from orchestration.files import reading
from orchestration.publication.manifest import read_latest, seal_manifest, set_latest
from orchestration.publication.retention import (
    leader,
    made_for,
    own_vintages,
    pins,
    plan,
    prune,
    read_history,
    roll_back,
    set_pin,
)
from orchestration.settings import PRIMARY_SOURCE, Settings
from tests.unit.test_cli import call, environment

__all__ = ["environment"]
Output = pytest.CaptureFixture[str]
FIRST = datetime(2026, 1, 1, 2, 45, tzinfo=UTC)
BEFORE: dict[str, Any] = {"source": "usage", "sha256": "a", "as_of": "2026-01-01"}


def vintage(settings: Settings, made: datetime, is_latest: bool = True, **fields: Any) -> str:
    """A vintage with a manifest and one file, and its id."""
    vintage_id = f"{made:%Y%m%dT%H%M%SZ}-0000{made:%m%d}"
    folder = settings.vintages_dir / vintage_id
    folder.mkdir(parents=True)
    document = {
        "vintage_id": vintage_id, "previous_vintage": None, "inputs": [], "outputs": [],
        "gate": [], "headline": [], "citations": [], **fields,
    }  # fmt: skip
    (folder / "manifest.json").write_bytes(seal_manifest(document))
    (folder / "table").write_bytes(b"x" * 1000)
    if is_latest:
        set_latest(settings.published_dir, json.loads((folder / "manifest.json").read_bytes()))
    return vintage_id


def names(settings: Settings) -> list[str]:
    return [path.name for path in own_vintages(settings)]


def latest(settings: Settings) -> str:
    found = read_latest(settings.published_dir)
    assert found is not None
    return str(found[1]["vintage_id"])


def test_two_years_of_nights_stay_within_the_documented_bound(settings: Settings) -> None:
    """All of the last 30 days, one a week for a year, one a month for ever."""
    most = {1: 0, 2: 0}  # by year; docs/operations.md says so
    for night in range(731):
        watched = 355 < night < 366 or night > 715
        vintage(settings, FIRST + timedelta(days=night), is_latest=watched)
        if watched:
            prune(settings, FIRST + timedelta(days=night))
            year = 1 if night < 366 else 2
            most[year] = max(most[year], len(names(settings)))
    assert most == {1: 89, 2: 99}
    made = [datetime.strptime(name[:8], "%Y%m%d").replace(tzinfo=UTC) for name in names(settings)]
    newest = made[0]
    assert made[:31] == [newest - timedelta(days=n) for n in range(31)]
    assert {f"{m:%Y-%m}" for m in made} == {
        f"{FIRST + timedelta(days=n):%Y-%m}" for n in range(731)
    }
    weeks = {f"{newest - timedelta(days=n):%G-%V}" for n in range(360)}
    assert weeks <= {f"{m:%G-%V}" for m in made}
    old = [m for m in made if newest - m > timedelta(days=366)]
    assert all((m + timedelta(days=1)).day == 1 for m in old)
    entries = read_history(settings)
    assert {e.action for e in entries} == {"prune"}
    assert sum(len(e.vintages) for e in entries) == 731 - len(made)


def test_what_is_latest_newer_pinned_damaged_or_foreign_is_never_pruned(
    settings: Settings,
) -> None:
    made = [vintage(settings, FIRST + timedelta(hours=n)) for n in range(6)]
    later = FIRST + timedelta(days=1000)
    set_pin(made[0][:13], "quoted", settings, pinned=True)
    (settings.vintages_dir / made[1] / "manifest.json").write_bytes(b"{}")
    (settings.vintages_dir / "notes").mkdir()
    (settings.vintages_dir / "20260101T000000Z-00000000").symlink_to("/tmp")
    found = read_latest(settings.published_dir)
    assert found is not None
    third = settings.vintages_dir / made[3]
    set_latest(settings.published_dir, json.loads((third / "manifest.json").read_bytes()))
    why = {kept.vintage_id: kept.why for kept in plan(settings, later)}
    assert why[made[5]] == (f"newer than {made[3]}", "month 2026-01")
    assert why[made[3]] == ("latest",)
    assert why[made[0]] == ("pinned: quoted",)
    dry = prune(settings, later, dry_run=True)
    assert (dry.vintage_ids, len(names(settings))) == ((made[2],), 6)
    done = prune(settings, later)
    assert done.vintage_ids == (made[2],)
    assert done.bytes == dry.bytes > 1000
    assert "is damaged, so it is not pruned" in done.notices[0]
    assert names(settings) == [made[n] for n in (5, 4, 3, 1, 0)]
    assert len(list(settings.vintages_dir.iterdir())) == 7
    assert prune(settings, later).vintage_ids == ()
    set_pin(made[0], "the article is gone", settings, pinned=False)
    assert prune(settings, later).vintage_ids == (made[0],)
    assert [e.action for e in read_history(settings)] == ["pin", "prune", "unpin", "prune"]


def test_a_vintage_that_is_being_read_is_left_and_open_files_stay_readable(
    settings: Settings,
) -> None:
    old = vintage(settings, FIRST)
    vintage(settings, FIRST + timedelta(days=1))
    later = FIRST + timedelta(days=400)
    folder = settings.vintages_dir / old
    with reading(folder):
        assert "is being read" in prune(settings, later).notices[0]
        assert folder.exists()
    with (folder / "table").open("rb") as reader:
        assert prune(settings, later).vintage_ids == (old,)
        assert not folder.exists()
        assert reader.read() == b"x" * 1000
    with reading(folder):  # not there: the reader will say so
        pass


def test_nothing_is_pruned_if_it_is_not_known_what_must_be_kept(settings: Settings) -> None:
    old = vintage(settings, FIRST)
    vintage(settings, FIRST + timedelta(days=1))
    later = FIRST + timedelta(days=400)
    set_pin(old, "quoted", settings, pinned=True)
    log = settings.published_dir / "history.jsonl"
    good = log.read_bytes()
    log.write_bytes(good + b'{"at": "2026-0')  # the last line of a killed process
    assert pins(settings) == {old: "quoted"}
    set_pin("latest", "also", settings, pinned=True)
    assert len(pins(settings)) == 2
    log.write_bytes(b'{"at": "2026-01-01T00:00:00Z", "action": "pim"}\n' + good)
    with pytest.raises(TokenshareError, match=r"history\.jsonl, line 1: action: .*found .*pim"):
        prune(settings, later)
    log.write_bytes(good)
    settings.latest_path.write_bytes(b"{}")
    with pytest.raises(VerificationError, match="rollback ID --reason"):
        prune(settings, later)
    assert all("names no vintage" in k.why[0] for k in plan(settings, even_if_damaged=True))
    settings.latest_path.unlink()
    assert prune(settings, later).vintage_ids == ()
    assert len(names(settings)) == 2


def test_a_rollback_needs_a_reason_a_whole_vintage_and_another_one(settings: Settings) -> None:
    old = vintage(settings, FIRST)
    new = vintage(settings, FIRST + timedelta(days=1))
    with pytest.raises(TokenshareError, match="is the latest vintage already"):
        roll_back("latest", "x", settings)
    with pytest.raises(TokenshareError, match="is the start of 2 names of a vintage"):
        roll_back("2026", "x", settings)
    with pytest.raises(VerificationError, match="table: not in the manifest"):
        roll_back(old, "x", settings)  # this one has no real tables; test_publication has some
    assert latest(settings) == new
    assert read_history(settings) == []
    with pytest.raises(TokenshareError, match="the reason is empty"):
        set_pin(old, " ", settings, pinned=True)
    with pytest.raises(TokenshareError, match="is not pinned"):
        set_pin(old, "x", settings, pinned=False)


def test_everything_that_writes_waits_for_the_writer(settings: Settings) -> None:
    old = vintage(settings, FIRST)
    impatient = settings.model_copy(update={"lock_timeout_seconds": 0.0})
    with pipeline.writer_lock(settings):
        for write in (
            lambda: pipeline.prune_vintages(impatient),
            lambda: pipeline.pin_vintage(old, "x", impatient, pinned=True),
            lambda: pipeline.roll_back_to(old, "x", impatient),
        ):
            with pytest.raises(RunLockedError):
                write()
        pipeline.prune_vintages(impatient, dry_run=True)


def test_a_clock_that_is_years_ahead_prunes_nothing_that_is_young(settings: Settings) -> None:
    """The rankings say what time it is: their dumps state when they were made."""
    made = [vintage(settings, FIRST + timedelta(hours=n)) for n in range(3)]
    dump = {"source": PRIMARY_SOURCE, "as_of": "2026-01-02T01:46:00Z", "as_of_origin": "manifest"}
    guess = {**dump, "as_of": "2036-01-02T01:46:00Z", "as_of_origin": "landing_time"}
    made.append(vintage(settings, FIRST + timedelta(days=1), inputs=[dump, guess]))
    wrong = FIRST + timedelta(days=3650)
    assert prune(settings, wrong).vintage_ids == ()
    assert names(settings) == made[::-1]
    newest = {**dump, "as_of": "2026-03-02T01:46:00Z"}
    vintage(settings, FIRST + timedelta(days=60), inputs=[newest])
    assert prune(settings, wrong).vintage_ids == (made[2], made[1], made[0])


def test_a_prune_that_is_killed_leaves_nothing_half(settings: Settings) -> None:
    old = vintage(settings, FIRST)
    vintage(settings, FIRST + timedelta(days=1))
    gone = settings.vintages_dir / f".building-deleted-{old}"
    (settings.vintages_dir / old).rename(gone)
    assert len(names(settings)) == 1
    pipeline.tidy_up(settings)
    assert not gone.exists()


def test_a_vintage_says_what_it_was_made_for(settings: Settings) -> None:
    first = vintage(settings, FIRST, inputs=[BEFORE], code={"sha256": "1"})
    manifest = {
        "previous_vintage": first,
        "inputs": [{**BEFORE, "sidecar_sha256": "other"}, {**BEFORE, "sha256": "b"}],
        "withheld": [{"source": "apps", "dumps": [{"sha256": "c", "sidecar_sha256": "d"}]}],
        "code": {"sha256": "2"},
    }
    assert made_for(manifest, settings) == "1 new apps, 1 new usage, 1 redated usage, other code"
    same = {"previous_vintage": first, "inputs": [BEFORE], "code": {"sha256": "1"}}
    assert made_for(same, settings) == "another setting"
    assert made_for({"previous_vintage": None}, settings) == "first vintage"
    gone = "20250101T000000Z-00000000"
    assert made_for({"previous_vintage": gone}, settings) == f"after {gone}, which is not here"
    assert leader({"headline": []}) == {}


def test_the_commands_list_pin_and_prune(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    settings = Settings()
    share = {"registry_view": "then", "origin": "CN", "period_start": "2026-01-05", "share": 0.5}
    old = vintage(settings, FIRST)
    vintage(settings, FIRST + timedelta(hours=1), headline=[share])
    assert call(monkeypatch, "vintages", "pin", old[:16], "--reason", "quoted") == 0
    assert call(monkeypatch, "vintages", "list") == 0
    said = capsys.readouterr().out
    assert "CN 50.0%" in said
    assert "pinned: quoted" in said
    assert "2 vintage(s)" in said
    assert call(monkeypatch, "vintages", "unpin", old, "--reason", "no more") == 0
    assert call(monkeypatch, "vintages", "prune") == 0
    assert f"would delete {old}" in capsys.readouterr().out
    assert call(monkeypatch, "vintages", "prune", "--yes") == 0
    assert "1 vintage(s), 0.0 MB deleted" in capsys.readouterr().out
    assert call(monkeypatch, "vintages", "list", "--json") == 0
    (one,) = json.loads(capsys.readouterr().out)["vintages"]
    assert (one["leader"]["share"], one["made_for"]) == (0.5, "first vintage")
    assert call(monkeypatch, "vintages", "rollback", "x", "--reason", "y") == 1
    assert call(monkeypatch, "vintages", "pin", old) == 2
    (settings.vintages_dir / one["vintage_id"] / "manifest.json").write_bytes(b"{}")
    assert call(monkeypatch, "vintages", "list") == 0
    assert "damaged" in capsys.readouterr().out


def test_a_folder_that_another_process_reads_is_locked(tmp_path: Path) -> None:
    with reading(tmp_path):
        descriptor = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
