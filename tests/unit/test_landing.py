"""The landing zone: every dump once, under its hash, with where and when it comes from."""

import gzip
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestration.errors import CorruptLandingError, RefusedDumpError
from orchestration.files import sha256_bytes
from orchestration.landing.inbox import take_inbox, waiting
from orchestration.landing.store import (
    land,
    land_shipped,
    list_dumps,
    read_record,
    time_in_name,
)
from orchestration.settings import SHIPPED_LANDING_DIR, Settings
from tests import builders

Drop = Callable[[str, bytes], Path]
ROWS = builders.feed(builders.days("2026-01-01", 2))
CSV = builders.csv3(ROWS)
SHA256 = sha256_bytes(CSV)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
FLAG = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "content", "file", "layout"),
    [
        ("a.csv", CSV, "dump.csv", "csv/history"),
        ("b.csv.gz", builders.csv5(ROWS), "dump.csv.gz", "csv/keyless_export+gzip"),
        ("c.json", builders.api_json(ROWS), "dump.json", "json/api"),
    ],
)
def test_a_dump_lies_under_its_hash_byte_for_byte(
    name: str, content: bytes, file: str, layout: str, settings: Settings, drop: Drop
) -> None:
    path = drop(name, content)
    landed = land(path, settings, as_of=builders.AS_OF)
    stored = path.read_bytes()
    folder = settings.landing_dir / "openrouter_rankings" / sha256_bytes(stored)
    assert landed.is_new
    assert landed.record.layout == layout
    assert {p.name for p in folder.iterdir()} == {file, "sidecar.json"}
    assert (folder / file).read_bytes() == stored
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_the_sidecar_says_where_it_comes_from(settings: Settings, drop: Drop) -> None:
    path = drop("2026-08-22T00-05-21Z.csv", CSV)
    record = land(path, settings, now=NOW).record
    sidecar = json.loads(
        (settings.landing_dir / record.path).with_name("sidecar.json").read_text(encoding="utf-8")
    )
    assert sidecar == {
        "source": "openrouter_rankings",
        "layout": "csv/history",
        "sha256": SHA256,
        "bytes": len(CSV),
        "rows": len(ROWS),
        "file": "dump.csv",
        "original_name": "2026-08-22T00-05-21Z.csv",
        "url": "https://openrouter.ai/api/v1/datasets/rankings-daily",
        "pulled_at": "2026-08-22T00:05:21Z",
        "as_of": "2026-08-22T00:05:21Z",
        "as_of_origin": "file_name",
        "window_start": "2026-01-01",
        "window_end": "2026-01-02",
        "license": "CC BY 4.0",
        "citation": "Source: OpenRouter (openrouter.ai/rankings), as of 2026-08-22T00:05:21Z. "
        "Licensed under CC BY 4.0.",
        "note": "",
    }
    assert list_dumps(settings) == [record]


def test_the_window_is_the_dumps_own_where_it_says_one(settings: Settings, drop: Drop) -> None:
    content = builders.api_json(ROWS, start_date="2025-12-01", end_date="2026-01-31")
    record = land(drop("d.json", content), settings).record
    assert (str(record.window_start), str(record.window_end)) == ("2025-12-01", "2026-01-31")


def test_a_catalogue_has_no_window(settings: Settings, drop: Drop) -> None:
    record = land(drop("m.json", builders.catalogue({"a/b": ("0", "0")})), settings).record
    assert (record.source, record.window_start, record.window_end) == (
        "openrouter_models", None, None,
    )  # fmt: skip


def stamps(settings: Settings) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in settings.data_dir.rglob("*")}


def test_landing_again_is_a_no_op(settings: Settings, drop: Drop) -> None:
    path = drop("d.csv", CSV)
    first = land(path, settings, as_of=builders.AS_OF)
    before = stamps(settings)
    again = land(path, settings, as_of=builders.AS_OF)
    assert not again.is_new
    assert again.record == first.record
    assert stamps(settings) == before


def test_the_same_dump_under_two_names_is_one_dump_and_keeps_its_first_as_of(
    settings: Settings, drop: Drop
) -> None:
    first = land(drop("2026-08-21.csv", CSV), settings, now=NOW)
    second = land(drop("2026-08-22.csv", CSV), settings, now=NOW)
    assert not second.is_new
    assert list_dumps(settings) == [first.record]
    assert "was landed before with as_of 2026-08-21T00:00:00Z" in second.notices[0]


def test_dumps_are_listed_oldest_as_of_first(settings: Settings, drop: Drop) -> None:
    days = ["2026-08-23", "2026-08-21", "2026-08-22"]
    for n, day in enumerate(days):
        rows = builders.csv3(builders.feed(builders.days("2026-01-01", n + 1)))
        land(drop(f"{day}.csv", rows), settings, now=NOW)
    assert [r.as_of.date().isoformat() for r in list_dumps(settings)] == sorted(days)


@pytest.mark.parametrize("damage", ["changed", "cut", "removed"])
def test_a_landed_dump_that_changed_is_a_loud_error(
    damage: str, settings: Settings, drop: Drop
) -> None:
    path = drop("d.csv", CSV)
    stored = settings.landing_dir / land(path, settings, as_of=builders.AS_OF).record.path
    if damage == "removed":
        stored.unlink()
    else:
        stored.write_bytes(CSV[:-1] + (b"" if damage == "cut" else b" "))
    for again in (lambda: list_dumps(settings), lambda: land(path, settings, as_of=builders.AS_OF)):
        with pytest.raises(CorruptLandingError, match="Landed dumps never change") as error:
            again()
        assert str(error.value).startswith(f"{stored}: landed as {SHA256} but now has ")
        assert error.value.exit_code == 4


@pytest.mark.parametrize("text", [None, "", "{", "{}", "[]", "\udcff"])
def test_a_missing_or_broken_sidecar_is_a_loud_error(
    text: str | None, settings: Settings, drop: Drop
) -> None:
    path = drop("d.csv", CSV)
    folder = (settings.landing_dir / land(path, settings, as_of=builders.AS_OF).record.path).parent
    sidecar = folder / "sidecar.json"
    if text is None:
        sidecar.unlink()
    else:
        sidecar.write_bytes(text.encode("utf-8", "surrogateescape"))
    for again in (
        lambda: list_dumps(settings),
        lambda: land(path, settings, as_of=builders.AS_OF),
        lambda: read_record(folder),
    ):
        with pytest.raises(CorruptLandingError, match=f"{sidecar}: missing or not readable"):
            again()


def test_a_dump_in_a_folder_of_another_name_is_a_loud_error(settings: Settings, drop: Drop) -> None:
    record = land(drop("d.csv", CSV), settings, as_of=builders.AS_OF).record
    folder = (settings.landing_dir / record.path).parent
    folder.rename(folder.with_name("0" * 64))
    with pytest.raises(CorruptLandingError, match="not the folder that it lies in"):
        list_dumps(settings)


# When was it made? meta, manifest, flag, file name, moment of landing, in this order.

NAME = "2026-08-22T00-05-21Z"
IN_NAME = datetime(2026, 8, 22, 0, 5, 21, tzinfo=UTC)
IN_MANIFEST = datetime(2026, 8, 21, 1, 46, tzinfo=UTC)


def manifest(sha256: str = SHA256) -> bytes:
    return json.dumps(
        {"as_of": "2026-08-21T01:46:00Z", "file": {"path": "x.csv", "sha256": sha256}}
    ).encode()


@pytest.mark.parametrize(
    ("name", "content", "beside", "flag", "origin", "as_of"),
    [
        (f"{NAME}.json", builders.api_json(ROWS), manifest(), FLAG, "meta", builders.AS_OF),
        (f"{NAME}.csv", CSV, manifest(), FLAG, "manifest", IN_MANIFEST),
        (f"{NAME}.csv", CSV, manifest("0" * 64), FLAG, "flag", FLAG),
        (f"{NAME}.csv", CSV, b"not a manifest", FLAG, "flag", FLAG),
        (f"{NAME}.csv", CSV, b"[" * 100_000, FLAG, "flag", FLAG),
        (f"{NAME}.csv", CSV, b"\xff", FLAG, "flag", FLAG),
        (f"{NAME}.csv", CSV, manifest("0" * 64), None, "file_name", IN_NAME),
        ("rankings.csv", CSV, manifest("0" * 64), None, "landing_time", NOW),
    ],
)
def test_as_of_comes_from_the_best_that_says_it(
    name: str,
    content: bytes,
    beside: bytes,
    flag: datetime | None,
    origin: str,
    as_of: datetime,
    settings: Settings,
    drop: Drop,
) -> None:
    drop("latest.manifest.json", beside)
    landed = land(drop(name, content), settings, as_of=flag, now=NOW)
    assert (landed.record.as_of_origin, landed.record.as_of) == (origin, as_of)
    assert read_record((settings.landing_dir / landed.record.path).parent).as_of == as_of
    if origin in ("meta", "manifest"):
        (notice,) = landed.notices
        assert f"--as-of 2026-07-01T00:00:00Z is not used, its own {origin} says" in notice
    elif origin == "landing_time":
        (notice,) = landed.notices
        assert "nothing says when it was made; as_of is the moment of landing" in notice
    else:
        assert landed.notices == ()


def test_a_manifest_that_says_it_below_meta_counts_too(settings: Settings, drop: Drop) -> None:
    said = {"meta": {"as_of": "2026-08-21T01:46:00Z"}, "sha256": SHA256}
    drop("latest.manifest.json", json.dumps(said).encode())
    record = land(drop("d.csv", CSV), settings, now=NOW).record
    assert (record.as_of_origin, record.as_of) == ("manifest", IN_MANIFEST)


def test_a_manifest_with_nonsense_for_as_of_is_refused(settings: Settings, drop: Drop) -> None:
    said = {"as_of": "yesterday", "sha256": SHA256}
    drop("latest.manifest.json", json.dumps(said).encode())
    with pytest.raises(RefusedDumpError, match=r"latest\.manifest\.json: as_of: 'yesterday'"):
        land(drop("d.csv", CSV), settings)


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("2026-08-22T00-05-21Z.csv.gz", datetime(2026, 8, 22, 0, 5, 21, tzinfo=UTC)),
        ("2026-06-22T13-00-37+08-00.csv.gz", datetime(2026, 6, 22, 5, 0, 37, tzinfo=UTC)),
        ("2026-06-22T20-00-37-08-00.json", datetime(2026, 6, 23, 4, 0, 37, tzinfo=UTC)),
        ("2026-08-22.csv", datetime(2026, 8, 22, tzinfo=UTC)),
        ("2026-08-22.json.gz", datetime(2026, 8, 22, tzinfo=UTC)),
        ("2026-02-30.csv", None),
        ("2026-08-22T25-00-00Z.csv", None),
        ("2026-08-22T00-05-21.csv", None),
        ("0001-01-01T00-00-00+14-00.csv", None),
        ("rankings-2026-08-22.csv", None),
        ("2026-08-22", None),
        ("latest.csv", None),
    ],
)
def test_the_time_in_a_file_name(name: str, time: datetime | None) -> None:
    assert time_in_name(name) == time


@pytest.mark.parametrize("ahead", [timedelta(minutes=30), timedelta(hours=2)])
def test_as_of_in_the_future_is_refused(ahead: timedelta, settings: Settings, drop: Drop) -> None:
    path = drop("d.csv", CSV)
    if ahead < timedelta(hours=1):  # clocks differ a little
        assert land(path, settings, as_of=NOW + ahead, now=NOW).is_new
    else:
        with pytest.raises(RefusedDumpError, match=r"^d\.csv: as_of .*\(from flag\) lies in the f"):
            land(path, settings, as_of=NOW + ahead, now=NOW)
        assert not settings.data_dir.exists()


def test_an_unknown_source_name_is_refused(settings: Settings, drop: Drop) -> None:
    with pytest.raises(RefusedDumpError, match="source 'openai' is not known; expected one of"):
        land(drop("d.csv", CSV), settings, "openai")
    assert not settings.data_dir.exists()


def test_what_a_killed_landing_left_does_not_matter(settings: Settings, drop: Drop) -> None:
    left = settings.landing_dir / "openrouter_rankings" / f".building-1-{SHA256}"
    left.mkdir(parents=True)
    (left / "dump.csv").write_bytes(CSV[:10])
    assert list_dumps(settings) == []
    landed = land(drop("d.csv", CSV), settings, as_of=builders.AS_OF)
    assert landed.is_new
    assert list_dumps(settings) == [landed.record]


def test_a_name_that_is_not_unicode_lands_under_a_readable_one(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "r\udcff.csv"
    path.write_bytes(CSV)
    assert land(path, settings, as_of=builders.AS_OF).record.original_name == "r?.csv"
    assert list_dumps(settings)[0].original_name == "r?.csv"


# The inbox.


def test_good_files_leave_the_inbox_and_refused_ones_say_why(settings: Settings) -> None:
    settings.inbox_dir.mkdir(parents=True)
    builders.write(settings.inbox_dir, "2026-08-22.csv.gz", CSV)
    builders.write(settings.inbox_dir, "page.json", b"<html>502</html>")
    builders.write(settings.inbox_dir, "2026-08-23.json", builders.catalogue({"a/b": ("0", "0")}))
    result = take_inbox(settings)
    assert {x.record.source for x in result.landed} == {"openrouter_rankings", "openrouter_models"}
    assert {r.sha256 for r in list_dumps(settings)} == {x.record.sha256 for x in result.landed}
    ((moved, message),) = result.refused
    assert [p.name for p in settings.inbox_dir.iterdir()] == ["refused"]
    assert moved == settings.inbox_dir / "refused" / "page.json"
    assert moved.read_bytes() == b"<html>502</html>"
    assert moved.with_name("page.json.error.txt").read_text(encoding="utf-8") == f"{message}\n"
    assert "HTML" in message
    assert take_inbox(settings).landed == []


def test_a_second_refused_file_does_not_replace_the_first(settings: Settings) -> None:
    settings.inbox_dir.mkdir(parents=True)
    moved = []
    for content in (b"<html>1</html>", b"<html>2</html>", b"<html>3</html>"):
        builders.write(settings.inbox_dir, "latest.csv", content)
        moved += [path for path, _ in take_inbox(settings).refused]
    assert [p.read_bytes()[6:7] for p in moved] == [b"1", b"2", b"3"]
    assert len(list((settings.inbox_dir / "refused").glob("*.error.txt"))) == 3


def test_files_that_are_not_dumps_or_not_whole_wait(settings: Settings) -> None:
    assert waiting(settings) == []
    settings.inbox_dir.mkdir(parents=True)
    for name in (".hidden.csv", "a.csv.part", "b.csv.tmp", "latest.manifest.json"):
        builders.write(settings.inbox_dir, name, b"half a")
    dump = builders.write(settings.inbox_dir, "c.csv", CSV)
    assert waiting(settings) == [dump]


def test_the_inbox_reads_the_manifest_beside_a_dump(settings: Settings) -> None:
    settings.inbox_dir.mkdir(parents=True)
    builders.write(settings.inbox_dir, "latest.manifest.json", manifest())
    builders.write(settings.inbox_dir, "c.csv", CSV)
    (landed,) = take_inbox(settings).landed
    assert landed.record.as_of_origin == "manifest"


def test_a_changed_landed_dump_keeps_its_copy_in_the_inbox(settings: Settings, drop: Drop) -> None:
    record = land(drop("d.csv", CSV), settings, as_of=builders.AS_OF).record
    (settings.landing_dir / record.path).write_bytes(b"changed")
    settings.inbox_dir.mkdir()
    copy = builders.write(settings.inbox_dir, "d.csv", CSV)
    with pytest.raises(CorruptLandingError):
        take_inbox(settings)
    assert copy.read_bytes() == CSV


# The shipped history.


def test_the_shipped_history_lands_in_an_empty_landing_zone(settings: Settings) -> None:
    shipped = land_shipped(settings)
    assert shipped
    for record in shipped:
        theirs = SHIPPED_LANDING_DIR / record.path
        assert (settings.landing_dir / record.path).read_bytes() == theirs.read_bytes()
    before = stamps(settings)
    assert land_shipped(settings) == shipped
    assert stamps(settings) == before


def test_the_shipped_history_stays_out_of_a_landing_zone_in_use(
    settings: Settings, drop: Drop
) -> None:
    mine = land(drop("d.csv", CSV), settings, as_of=builders.AS_OF).record
    assert land_shipped(settings) == [mine]


def test_a_changed_shipped_dump_is_not_replaced_silently(settings: Settings) -> None:
    (record, *_) = land_shipped(settings)
    (settings.landing_dir / record.path).write_bytes(gzip.compress(CSV))
    with pytest.raises(CorruptLandingError, match=record.sha256):
        land_shipped(settings)


def test_a_removed_folder_leaves_the_dump_out(settings: Settings, drop: Drop) -> None:
    record = land(drop("d.csv", CSV), settings, as_of=builders.AS_OF).record
    shutil.rmtree((settings.landing_dir / record.path).parent)
    assert list_dumps(settings) == []
    assert land(drop("d.csv", CSV), settings, as_of=builders.AS_OF).is_new
