"""The landing zone: every dump once, under its hash, with where and when it comes from."""

import gzip
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration import pipeline
from orchestration.errors import CorruptLandingError, RefusedDumpError
from orchestration.files import sha256_bytes
from orchestration.ingestion.ingest import Ingested, ingest, ingest_all
from orchestration.landing.inbox import scan_inbox, take_inbox
from orchestration.landing.manifest import read_manifest
from orchestration.landing.store import (
    Landed,
    land,
    land_shipped,
    list_dumps,
    read_record,
    seal_unsealed,
    time_in_name,
)
from orchestration.publication.candidate import inputs_fingerprint
from orchestration.settings import (
    PROJECT_ROOT,
    SHIPPED_DUMPS,
    SHIPPED_LANDING_DIR,
    Settings,
)
from orchestration.sources import SOURCES, Dump, ParsedDump
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
        "history": [],
        "sidecar_sha256": record.sidecar()["sidecar_sha256"],
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
        assert str(error.value).startswith(
            f"{stored}: was landed with sha256 {SHA256} but now has "
        )
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
    with pytest.raises(CorruptLandingError, match="the folder that it is in"):
        list_dumps(settings)


# When was it made? meta, manifest, flag, file name, moment of landing, in this order.

NAME = "2026-08-22T00-05-21Z"
IN_NAME = datetime(2026, 8, 22, 0, 5, 21, tzinfo=UTC)
IN_DAY = datetime(2026, 8, 22, tzinfo=UTC)
EXPORT = builders.csv5(ROWS)
MANIFEST = builders.export_manifest(EXPORT)
IN_MANIFEST = datetime(2026, 9, 8, 1, 46, 15, 433000, tzinfo=UTC)
OF_OTHERS = builders.export_manifest(CSV + b"2026-01-03,a/b,5\n")
REAL_MANIFEST = (
    PROJECT_ROOT.parent
    / "shared/data/openrouter/api-examples/rankings-daily-2026-10-08.manifest.json"
)


@pytest.mark.parametrize(
    ("name", "content", "beside", "flag", "origin", "as_of"),
    [
        (f"{NAME}.json", builders.api_json(ROWS), MANIFEST, None, "meta", builders.AS_OF),
        (f"{NAME}.json", builders.api_json(ROWS), None, builders.AS_OF, "meta", builders.AS_OF),
        (f"{NAME}.csv", EXPORT, MANIFEST, None, "manifest", IN_MANIFEST),
        ("2026-09-08.csv", EXPORT, MANIFEST, None, "manifest", IN_MANIFEST),
        ("2026-09-08.csv.gz", EXPORT, MANIFEST, None, "manifest", IN_MANIFEST),
        ("any name.txt", EXPORT, MANIFEST, IN_MANIFEST, "manifest", IN_MANIFEST),
        (f"{NAME}.csv", CSV, OF_OTHERS, FLAG, "flag", FLAG),
        (f"{NAME}.csv", CSV, b"not a manifest", FLAG, "flag", FLAG),
        (f"{NAME}.csv", CSV, b"[" * 100_000, FLAG, "flag", FLAG),
        (f"{NAME}.csv", CSV, b"\xff", FLAG, "flag", FLAG),
        (f"{NAME}.csv", CSV, OF_OTHERS, None, "file_name", IN_NAME),
        ("2026-08-22.csv", CSV, None, None, "file_date", IN_DAY),
        ("rankings.csv", CSV, OF_OTHERS, None, "landing_time", NOW),
    ],
)
def test_as_of_comes_from_the_best_that_says_it(
    name: str,
    content: bytes,
    beside: bytes | None,
    flag: datetime | None,
    origin: str,
    as_of: datetime,
    settings: Settings,
    drop: Drop,
) -> None:
    if beside is not None:
        drop("latest.manifest.json", beside)
    landed = land(drop(name, content), settings, as_of=flag, now=NOW)
    assert (landed.record.as_of_origin, landed.record.as_of) == (origin, as_of)
    assert read_record((settings.landing_dir / landed.record.path).parent).as_of == as_of
    if origin == "landing_time":
        (notice,) = landed.notices
        assert "nothing states when it was made; as_of is the time of landing" in notice
    else:
        assert landed.notices == ()


@pytest.mark.skipif(not REAL_MANIFEST.exists(), reason="the real manifest is not in the project")
def test_a_real_manifest_is_read_and_ours_has_its_shape() -> None:
    assert (
        read_manifest(REAL_MANIFEST).retrieved_at.isoformat() == "2026-10-08T01:46:15.433000+00:00"
    )

    def shape(value: object) -> object:
        return {k: shape(v) for k, v in value.items()} if isinstance(value, dict) else type(value)

    assert shape(json.loads(MANIFEST)) == shape(json.loads(REAL_MANIFEST.read_bytes()))


@pytest.mark.parametrize(
    ("name", "content", "origin"),
    [("d.json", builders.api_json(ROWS), "meta"), ("2026-09-08.csv", EXPORT, "manifest")],
)
def test_a_flag_that_contradicts_the_dump_is_refused(
    name: str, content: bytes, origin: str, settings: Settings, drop: Drop
) -> None:
    drop("2026-09-08.manifest.json", MANIFEST)
    with pytest.raises(
        RefusedDumpError,
        match=rf"--as-of is 2026-07-01T00:00:00Z, but its own {origin} states 2026-",
    ):
        land(drop(name, content), settings, as_of=FLAG)
    assert not settings.data_dir.exists()


def test_a_manifest_called_like_the_dump_must_name_its_bytes(
    settings: Settings, drop: Drop
) -> None:
    drop("2026-09-08.manifest.json", OF_OTHERS)
    with pytest.raises(RefusedDumpError) as refused:
        land(drop("2026-09-08.csv", EXPORT), settings)
    assert sha256_bytes(EXPORT) in str(refused.value)
    assert json.loads(OF_OTHERS)["files"]["csv"]["sha256"] in str(refused.value)


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (builders.export_manifest(EXPORT, row_count=15), "row_count is 15, but d.csv has 16"),
        (
            MANIFEST.replace(f'"bytes": {len(EXPORT)}'.encode(), b'"bytes": 5'),
            f"files.csv.bytes is 5, but d.csv has {len(EXPORT)}",
        ),
        (builders.export_manifest(EXPORT, "2027-01-01T00:00:00Z"), "is in the future"),
        (MANIFEST.replace(b"retrieved_at", b"as_of"), "retrieved_at: Field required"),
        (builders.export_manifest(EXPORT, retrieved_at="2026-09-08T01:46:15"), "retrieved_at: "),
        (builders.export_manifest(EXPORT, schema_version="v2"), "schema_version: "),
        (builders.export_manifest(EXPORT, dataset="benchmark-runs"), "dataset: "),
        (builders.export_manifest(EXPORT, files=[1, {}]), "files: "),
        (builders.export_manifest(EXPORT, row_count=float("nan")), "row_count: "),
        (MANIFEST.replace(b": 16,", b": " + b"9" * 5000 + b","), "number out of range"),
        (b"[1]", "the document: "),
        (b"7", "the document: "),
        (b"", "the document: "),
        (b"{" * 100_000, "the document: "),
        (b"x" * 2_000_000, "has more than 1,048,576 bytes"),
    ],
)
def test_a_manifest_that_cannot_be_believed_is_refused_with_its_field(
    manifest: bytes, said: str, settings: Settings, drop: Drop
) -> None:
    drop("d.manifest.json", manifest)
    with pytest.raises(RefusedDumpError) as refused:
        land(drop("d.csv", EXPORT), settings, now=NOW)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 400
    assert not settings.data_dir.exists()


def test_a_manifest_alone_and_the_json_twin_are_refused_by_their_names(
    settings: Settings, drop: Drop
) -> None:
    with pytest.raises(RefusedDumpError, match="is a manifest; land its dump instead"):
        land(drop("2026-09-08.manifest.json", MANIFEST), settings)
    # As a reader of the twin describes it; no real file was seen.
    twin = {"dataset": "rankings-daily", "snapshot_date": "2026-09-08", "columns": [], "rows": [{}]}
    for source in (None, "openrouter_rankings"):
        with pytest.raises(RefusedDumpError, match=r"is the JSON form.*'2026-09-08'.*land the CSV"):
            land(drop("2026-09-08.json", json.dumps(twin).encode()), settings, source)
    assert not settings.data_dir.exists()


@pytest.mark.parametrize("first", ["export", "pull"])
def test_an_export_and_a_pull_of_one_day_are_ordered_by_their_times(
    first: str, settings: Settings, drop: Drop
) -> None:
    drop("2026-09-08.manifest.json", MANIFEST)
    files = [drop("2026-09-08.csv", EXPORT), drop("2026-09-08T00-05-21Z.csv", CSV)]
    for path in files if first == "export" else reversed(files):
        land(path, settings, now=NOW)
    assert [r.as_of_origin for r in list_dumps(settings)] == ["file_name", "manifest"]


def test_a_better_date_replaces_a_worse_one_and_never_the_other_way_round(
    settings: Settings, drop: Drop
) -> None:
    path = drop("2026-09-08.csv", EXPORT)
    first = land(path, settings, now=NOW)
    assert first.record.as_of_origin == "file_date"
    manifest = drop("2026-09-08.manifest.json", MANIFEST)
    second = land(path, settings, now=NOW)
    assert (second.is_new, second.is_redated) == (False, True)
    assert "it is now 2026-09-08T01:46:15.433000Z (from manifest)" in second.notices[0]
    (record,) = list_dumps(settings)
    assert (record.as_of, record.as_of_origin) == (IN_MANIFEST, "manifest")
    assert "as of 2026-09-08T01:46:15.433000Z" in record.citation
    (earlier,) = record.history
    assert (earlier.as_of, earlier.as_of_origin) == (first.record.as_of, "file_date")
    manifest.unlink()
    third = land(path, settings, now=NOW)
    assert (third.is_new, third.is_redated, third.record) == (False, False, record)
    assert list_dumps(settings) == [record]
    with pytest.raises(RefusedDumpError, match="from its manifest, which is more reliable"):
        land(path, settings, as_of=FLAG, now=NOW)


def test_a_second_flag_corrects_the_first(settings: Settings, drop: Drop) -> None:
    path = drop("d.csv", CSV)
    land(path, settings, as_of=FLAG, now=NOW)
    assert land(path, settings, as_of=builders.AS_OF, now=NOW).record.as_of == builders.AS_OF
    assert [r.as_of for r in list_dumps(settings)] == [builders.AS_OF]


def test_a_correction_replaces_what_the_manifest_states_and_leaves_a_trace(
    settings: Settings, drop: Drop
) -> None:
    path = drop("2026-09-08.csv", EXPORT)
    drop("2026-09-08.manifest.json", MANIFEST)
    with pytest.raises(RefusedDumpError, match="is not landed, so there is nothing to correct"):
        land(path, settings, as_of=FLAG, now=NOW, correction="the clock was wrong")
    first = land(path, settings, now=NOW)
    with pytest.raises(RefusedDumpError, match="its own manifest states"):
        land(path, settings, as_of=FLAG, now=NOW)
    # The landed copy will do: who corrects it may not have the file any more.
    copy = settings.landing_dir / first.record.path
    second = land(copy, settings, as_of=FLAG, now=NOW, correction="the clock was wrong")
    assert (second.is_new, second.is_redated) == (False, True)
    (record,) = list_dumps(settings)
    assert (record.as_of, record.as_of_origin) == (FLAG, "correction")
    assert record.original_name == "2026-09-08.csv"
    (earlier,) = record.history
    assert (earlier.as_of, earlier.as_of_origin) == (IN_MANIFEST, "manifest")
    assert (earlier.replaced_at, earlier.reason) == (NOW, "the clock was wrong")
    assert inputs_fingerprint([record], settings) != inputs_fingerprint([first.record], settings)
    # Nothing else than another correction moves it again.
    assert land(path, settings, now=NOW).record == record
    assert not land(copy, settings, as_of=FLAG, now=NOW, correction="again").is_redated
    with pytest.raises(RefusedDumpError, match="from its correction, which is more reliable"):
        land(copy, settings, as_of=builders.AS_OF, now=NOW)
    land(copy, settings, as_of=builders.AS_OF, now=NOW, correction="that was wrong too")
    (record,) = list_dumps(settings)
    assert [e.reason for e in record.history] == ["the clock was wrong", "that was wrong too"]
    with pytest.raises(RefusedDumpError, match="is in the future"):
        land(copy, settings, as_of=NOW + timedelta(days=1), now=NOW, correction="typo")


def test_rows_are_judged_anew_by_a_better_date(settings: Settings, drop: Drop) -> None:
    path = drop("2026-01-02.csv", CSV)
    land(path, settings)
    assert ingest(list_dumps(settings)[0], settings).quarantined_rows == len(ROWS) // 2
    landed = land(path, settings, as_of=builders.AS_OF)
    assert landed.quarantined_rows == 0
    (ingested,) = ingest_all(list_dumps(settings), settings)
    assert (ingested.good_rows, ingested.quarantined_rows) == (len(ROWS), 0)
    files = ingested.rows_path.parent.iterdir()
    assert set(files) == {ingested.rows_path, ingested.quarantine_path}


def test_a_sidecar_changed_by_hand_is_a_loud_error(settings: Settings, drop: Drop) -> None:
    path = drop("d.csv", CSV)
    folder = (settings.landing_dir / land(path, settings, as_of=builders.AS_OF).record.path).parent
    sidecar = folder / "sidecar.json"
    sidecar.write_bytes(sidecar.read_bytes().replace(b"2026-03-01T01", b"2026-03-02T01", 1))
    for again in (lambda: list_dumps(settings), lambda: land(path, settings, as_of=builders.AS_OF)):
        with pytest.raises(
            CorruptLandingError, match=r"sidecar\.json: was written with sha256 .* by hand"
        ):
            again()


def test_a_sidecar_of_before_the_seals_is_taken_and_sealed(settings: Settings, drop: Drop) -> None:
    record = land(drop("d.csv", CSV), settings, as_of=builders.AS_OF).record
    sidecar = settings.landing_dir / record.source / record.sha256 / "sidecar.json"
    document = {
        k: v
        for k, v in json.loads(sidecar.read_bytes()).items()
        if k not in ("sidecar_sha256", "history")
    }
    sidecar.write_text(json.dumps(document), encoding="utf-8")
    assert list_dumps(settings) == [record]
    (notice,) = seal_unsealed(settings)
    assert f"{sidecar}: had no seal" in notice
    assert seal_unsealed(settings) == []
    assert json.loads(sidecar.read_bytes()) == record.sidecar()


def test_the_same_bytes_are_not_landed_under_two_sources(settings: Settings, drop: Drop) -> None:
    both = json.loads(builders.catalogue({"a/b": ("0", "0")}))
    both["data"][0] |= {"slug": "a", "headquarters": "US"}
    path = drop("2026-08-22.json", json.dumps(both).encode())
    land(path, settings, "openrouter_models")
    with pytest.raises(
        RefusedDumpError, match="the same bytes are already landed as openrouter_models"
    ):
        land(path, settings, "openrouter_providers")
    assert len(list_dumps(settings)) == 1


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
        with pytest.raises(RefusedDumpError, match=r"^d\.csv: as_of .*\(from flag\) is in the f"):
            land(path, settings, as_of=NOW + ahead, now=NOW)
        assert not settings.data_dir.exists()


def test_an_archive_may_be_as_new_as_a_clock_that_is_a_little_ahead(
    settings: Settings, drop: Drop
) -> None:
    """Its answers say 12:05:48."""
    path = drop("apps.csv", builders.app_archive([{}]))
    behind = datetime(2026, 7, 1, 11, 30, tzinfo=UTC)
    assert land(path, settings, now=behind).good_rows == 1


def test_an_unknown_source_name_is_refused(settings: Settings, drop: Drop) -> None:
    with pytest.raises(RefusedDumpError, match="source 'openai' is not a source; expected one of"):
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
    assert land(path, settings, as_of=builders.AS_OF).record.original_name == r"r\udcff.csv"
    assert list_dumps(settings)[0].original_name == r"r\udcff.csv"


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


def test_what_nobody_foresaw_in_a_file_is_said(
    settings: Settings, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(*_: object) -> None:
        raise KeyError("an unknown key")

    monkeypatch.setattr("orchestration.landing.store._parse_and_check", judge)
    with pytest.raises(RefusedDumpError, match=r"^d\.csv: cannot be read: KeyError: 'an unkn"):
        land(drop("d.csv", CSV), settings)


def test_a_refused_file_that_cannot_be_moved_is_left_and_named(settings: Settings) -> None:
    settings.inbox_dir.mkdir(parents=True)
    page = builders.write(settings.inbox_dir, "page.json", b"<html>502</html>")
    builders.write(settings.inbox_dir, "refused", b"a file in place of the folder")
    result = take_inbox(settings)
    ((path, message),) = result.refused
    assert path == page and page.exists()
    assert result.left == {page: f"it is refused but cannot be moved (File exists): {message}"}


def inbox_of(settings: Settings, seconds: float) -> Settings:
    """The same installation with another quiet time, and its inbox made."""
    settings.inbox_dir.mkdir(parents=True, exist_ok=True)
    return settings.model_copy(update={"inbox_quiet_seconds": seconds})


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def test_what_is_not_a_file_at_rest_is_left_and_named(settings: Settings) -> None:
    assert scan_inbox(settings).ready == []
    quiet = inbox_of(settings, 60)
    folder = settings.inbox_dir
    for name in (".hidden.csv", "a.csv.part", "b.csv.tmp", "latest.manifest.json", "new.csv"):
        builders.write(folder, name, b"half a")
    (folder / "folder").mkdir()
    (folder / "refused").mkdir()
    (folder / "link.csv").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe.csv")
    dump = builders.write(folder, "c.csv", CSV)
    age(dump, 61)
    found = scan_inbox(quiet)
    assert found.ready == [dump]
    assert {p.name: re.split(r";| \d+ s", why)[0] for p, why in found.left.items()} == {
        "a.csv.part": "its name is that of an incomplete download",
        "b.csv.tmp": "its name is that of an incomplete download",
        "folder": "it is a folder",
        "latest.manifest.json": "it is a manifest and waits for its dump",
        "link.csv": "it is a link",
        "new.csv": "it was written to",
        "pipe.csv": "it is a pipe, a socket or a device",
    }
    # A file waits for the manifest that is called like it.
    age(builders.write(folder, "new.manifest.json", b"half a"), 0)
    age(folder / "new.csv", 61)
    assert folder / "new.csv" in scan_inbox(quiet).left


def test_a_file_that_was_moved_here_counts_at_once(settings: Settings, drop: Drop) -> None:
    quiet = inbox_of(settings, 60)
    path = drop("2026-08-22.csv", CSV)
    age(path, 100)
    path.rename(settings.inbox_dir / path.name)
    (landed,) = take_inbox(quiet).landed
    assert landed.record.sha256 == SHA256


def test_a_file_dated_in_the_future_settles_by_the_systems_own_time(settings: Settings) -> None:
    quiet = inbox_of(settings, 0.05)
    path = builders.write(settings.inbox_dir, "2026-08-22.csv", CSV)
    age(path, -3600)
    time.sleep(0.06)
    assert scan_inbox(quiet).ready == [path]


def test_a_copy_that_stalls_is_not_landed_cut(settings: Settings) -> None:
    quiet = inbox_of(settings, 0.3)
    path = settings.inbox_dir / "2026-08-22.csv"
    half = CSV[: CSV.index(b"2026-01-02")]  # cut at a day's border
    with path.open("wb") as copy:
        copy.write(half)
        copy.flush()
        age(path, 60)
        result = take_inbox(quiet)
        assert result.landed == []
        assert "a process has it open for writing" in result.notices[0]
        assert path.read_bytes() == half
        copy.write(CSV[len(half) :])
    age(path, 60)
    (landed,) = take_inbox(quiet).landed
    assert landed.record.sha256 == SHA256


def test_a_file_that_was_just_written_is_waited_for(settings: Settings) -> None:
    quiet = inbox_of(settings, 0.4)
    builders.write(settings.inbox_dir, "2026-08-22.csv", CSV)
    said: list[str] = []
    (landed,) = take_inbox(quiet, said.append).landed
    assert landed.is_new
    assert said == ["waiting up to 0 s for files in the inbox to be complete"]


def test_a_file_is_taken_as_soon_as_its_quiet_time_is_over(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = builders.write(inbox_of(settings, 60).inbox_dir, "2026-08-22.csv", CSV)
    monkeypatch.setattr("orchestration.landing.inbox._idle_seconds", lambda path: 60.0)
    assert scan_inbox(inbox_of(settings, 60)).ready == [path]


def test_a_file_that_never_comes_to_rest_is_named_and_left(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = inbox_of(settings, 0.3)
    builders.write(settings.inbox_dir, "2026-08-22.csv", CSV)
    # As if somebody wrote to it all the time.
    monkeypatch.setattr("orchestration.landing.inbox._idle_seconds", lambda path: 0.0)
    result = take_inbox(quiet)
    assert result.landed == []
    assert result.notices == [
        "inbox: 2026-08-22.csv: is left: it was written to 0 s ago; it is landed once nobody has "
        "written to it for 0.3 s (TOKENSHARE_INBOX_QUIET_SECONDS)"
    ]


def test_what_changes_while_it_is_read_is_neither_landed_nor_removed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox_of(settings, 0)
    path = builders.write(settings.inbox_dir, "2026-08-22.csv", CSV)
    more = b"2026-01-02,a/b,5\n"

    def land_slowly(*given: Any) -> Landed:
        landed = land(*given)
        with path.open("ab") as copy:
            copy.write(more)
        return landed

    monkeypatch.setattr("orchestration.landing.inbox.land", land_slowly)
    result = take_inbox(settings)
    assert (result.landed, list_dumps(settings)) == ([], [])
    assert result.left == {path: "it changed while it was read"}
    assert path.read_bytes() == CSV + more


def test_a_manifest_goes_with_its_file_and_not_before(settings: Settings) -> None:
    inbox_of(settings, 0)
    manifest = builders.write(settings.inbox_dir, "latest.manifest.json", MANIFEST)
    assert take_inbox(settings).left == {manifest: scan_inbox(settings).left[manifest]}
    builders.write(settings.inbox_dir, "c.csv.gz", EXPORT)
    result = take_inbox(settings)
    assert [x.record.as_of_origin for x in result.landed] == ["manifest"]
    assert result.left == {}
    assert list(settings.inbox_dir.iterdir()) == []


NAMES = [
    "a" * 251 + ".csv",
    "é" * 125 + ".json",
    "x.csv.error.txt",
    "n\nl\x1b[31m.csv",
    "u\udcff.csv",
]


def test_a_refused_file_keeps_its_reason_whatever_its_name(settings: Settings) -> None:
    inbox_of(settings, 0)
    for _ in range(2):
        for name in NAMES:
            (settings.inbox_dir / name).write_bytes(b"<html>1</html>")
        (settings.inbox_dir / "x.csv").write_bytes(b"<html>2</html>")
        result = take_inbox(settings)
        assert len(result.refused) == len(NAMES) + 1
        for path, message in result.refused:
            assert path.read_bytes() in (b"<html>1</html>", b"<html>2</html>")
            assert message.isprintable()
    files = list((settings.inbox_dir / "refused").iterdir())
    reasons = [p for p in files if b"is an HTML or XML page" in p.read_bytes()]
    assert (len(files), len(reasons)) == (4 * (len(NAMES) + 1), 2 * (len(NAMES) + 1))


def test_no_bad_file_keeps_the_others_from_landing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox_of(settings, 0)
    builders.write(settings.inbox_dir, "2026-08-22.csv", CSV)
    builders.write(settings.inbox_dir, "0.csv", b"date,model_permaslug,total_tokens\n")
    builders.write(settings.inbox_dir, "1.json", builders.api_json(ROWS))
    ranked = builders.app_rankings({7: 5}).replace(b'"rank": 1', b'"rank": "' + b"9" * 5000 + b'"')
    builders.write(settings.inbox_dir, "2.json", ranked)
    whole = json.loads(builders.api_json(ROWS))["data"]
    monkeypatch.setattr(  # what nobody has foreseen
        "orchestration.sources.openrouter_rankings._parse_json", lambda dump: whole["no list"]
    )
    result = take_inbox(settings)
    assert [x.record.sha256 for x in result.landed] == [SHA256]
    assert ["rows" in m or "believed" in m or "TypeError" in m for _, m in result.refused] == (
        [True] * 3
    )


def test_a_changed_landed_dump_keeps_its_copy_in_the_inbox(settings: Settings, drop: Drop) -> None:
    record = land(drop("d.csv", CSV), settings, as_of=builders.AS_OF).record
    (settings.landing_dir / record.path).write_bytes(b"changed")
    settings.inbox_dir.mkdir()
    copy = builders.write(settings.inbox_dir, "d.csv", CSV)
    with pytest.raises(CorruptLandingError):
        take_inbox(settings)
    assert copy.read_bytes() == CSV


# What landing has read and hashed is neither read nor hashed again.


def test_a_dump_is_parsed_once(
    settings: Settings, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    rankings = SOURCES["openrouter_rankings"]
    parsed = []

    def parse(dump: Dump) -> ParsedDump:
        parsed.append(dump.name)
        return rankings.parse(dump)

    monkeypatch.setitem(SOURCES, rankings.name, replace(rankings, parse=parse))
    path = drop("2026-01-02.csv", CSV)  # one of its two days is not over
    land(path, settings)
    (landed,) = ingest_all(list_dumps(settings), settings)
    assert landed.good_rows == landed.quarantined_rows == len(ROWS) // 2
    assert parsed == ["2026-01-02.csv"]
    # Another as_of judges other rows, and another reader reads other ones.
    land(path, settings, as_of=builders.AS_OF)
    (better,) = ingest_all(list_dumps(settings), settings)
    assert (better.good_rows, better.quarantined_rows) == (len(ROWS), 0)
    assert len(parsed) == 2
    monkeypatch.setattr("orchestration.sources.kept.fingerprint", lambda _: "another reader")
    (again,) = ingest_all(list_dumps(settings), settings)
    assert len(parsed) == 3
    assert not better.rows_path.exists()
    assert pq.read_table(again.rows_path).num_rows == len(ROWS)


def test_what_landing_keeps_is_what_ingestion_would_read(settings: Settings, drop: Drop) -> None:
    archive = builders.app_archive([{}, {"app_id": "2", "rank": "0"}, {"app_id": "x"}])
    for name, content in {
        "2026-01-02.csv": CSV,
        "apps.csv": archive,
        "2026-08-23.json": builders.catalogue({"a/b": ("0.1", "-3"), "a/c": ("0", "0")}),
    }.items():
        land(drop(name, content), settings)

    def read() -> list[tuple[pa.Table, pa.Table]]:
        return [
            (pq.read_table(i.rows_path), pq.read_table(i.quarantine_path))
            for i in ingest_all(list_dumps(settings), settings)
        ]

    kept = read()
    shutil.rmtree(settings.warehouse_dir)
    assert read() == kept
    assert sum(bad.num_rows for _, bad in kept) > 2


@pytest.mark.parametrize(
    ("source", "file", "damage"),
    [
        (source, file, damage)
        for source in ("openrouter_rankings", "usage_events")
        for file in ("rows_path", "quarantine_path")
        for damage in ("gone", "cut", "text", "other bytes", "other columns")
        # Of these rows only the number is read before dbt reads them.
        if (source, file, damage) != ("openrouter_rankings", "rows_path", "other columns")
    ],
)
def test_what_is_kept_of_a_dump_is_made_again_if_it_is_missing_or_damaged(
    settings: Settings, drop: Drop, source: str, file: str, damage: str
) -> None:
    requests = [
        {"request_id": f"{n}", "started_at": "2026-01-01T00:00:00Z", "model": "a/b"}
        | {"prompt_tokens": tokens, "completion_tokens": 1}
        for n, tokens in enumerate((1, 2, "many"))
    ]
    path = {
        "openrouter_rankings": drop("2026-01-02.csv", CSV),  # one of its two days is not over
        "usage_events": drop("r.jsonl", "".join(json.dumps(r) + "\n" for r in requests).encode()),
    }[source]
    land(path, settings, source_name=source)

    def kept() -> tuple[Ingested, pa.Table, pa.Table]:
        (found,) = ingest_all(list_dumps(settings), settings)
        return found, pq.read_table(found.rows_path), pq.read_table(found.quarantine_path)

    before = kept()
    assert before[0].good_rows and before[2].num_rows
    damaged = getattr(before[0], file)
    content = damaged.read_bytes()
    if damage == "gone":
        damaged.unlink()
    elif damage == "other columns":
        pq.write_table(pa.table({"other": [1]}), damaged)
    else:
        # The length of the footer is before the last four bytes.
        changed = content[:-8] + b"\xff\xff\xff\x7f" + content[-4:]
        damaged.write_bytes({"cut": content[:-1], "text": b"text"}.get(damage, changed))
    assert kept() == before


def test_a_run_hashes_each_landed_dump_once(
    settings: Settings, drop: Drop, hashed: list[str]
) -> None:
    records = [
        land(drop("d.csv", CSV), settings, as_of=builders.AS_OF).record,
        land(drop("2026-08-23.json", builders.catalogue({"a/b": ("0", "0")})), settings).record,
    ]
    hashed.clear()
    listed, _ = pipeline.land_waiting(settings)
    ingest_all(listed, settings)
    assert sorted(hashed) == sorted(str(settings.landing_dir / r.path) for r in records)


def test_a_dump_that_changed_is_not_ingested(settings: Settings, drop: Drop) -> None:
    record = land(drop("d.csv", CSV), settings, as_of=builders.AS_OF).record
    shutil.rmtree(settings.warehouse_dir)
    (settings.landing_dir / record.path).write_bytes(CSV + b"2026-01-03,a/b,5\n")
    with pytest.raises(CorruptLandingError, match=record.sha256):
        ingest(record, settings)


# The shipped history.


@pytest.fixture
def fresh(settings: Settings) -> Settings:
    """An empty installation that lands what is shipped, as by default."""
    return settings.model_copy(update={"shipped_history": True})


def test_what_is_shipped_is_what_git_knows() -> None:
    """Not what somebody landed beside it with the default data folder."""
    listed = subprocess.run(
        ["git", "ls-files", "data/landing"],
        cwd=PROJECT_ROOT, capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    tracked = {(PROJECT_ROOT / line).parent for line in listed.stdout.splitlines()}
    assert tracked == set(SHIPPED_DUMPS)


def test_the_shipped_history_lands_in_an_empty_landing_zone(fresh: Settings) -> None:
    land_shipped(fresh)
    shipped = list_dumps(fresh)
    assert shipped
    for record in shipped:
        theirs = SHIPPED_LANDING_DIR / record.path
        assert (fresh.landing_dir / record.path).read_bytes() == theirs.read_bytes()
    before = stamps(fresh)
    land_shipped(fresh)
    assert stamps(fresh) == before


@pytest.mark.parametrize(
    "content", [builders.catalogue({"a/b": ("0", "0")}), builders.app_rankings({7: 1})]
)
def test_a_dump_of_another_source_does_not_keep_the_shipped_history_out(
    fresh: Settings, drop: Drop, content: bytes
) -> None:
    mine = land(drop("2026-08-23.json", content), fresh).record
    records, _ = pipeline.land_waiting(fresh)
    others = {p.name for p in SHIPPED_DUMPS if p.parent.name != mine.source}
    assert {r.sha256 for r in records} == {mine.sha256, *others}


def test_shipped_dumps_land_source_by_source(
    fresh: Settings, drop: Drop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dump of my own keeps the shipped ones of its source out, not those of another usage."""
    others = Settings(data_dir=tmp_path / "shipped")
    apps = [land(drop(f"{n}.json", builders.app_rankings({n: 1})), others).record for n in (1, 2)]
    land(drop("theirs.csv", CSV), others, as_of=builders.AS_OF)
    shipped = tuple(others.landing_dir.glob("*/*"))
    monkeypatch.setattr("orchestration.landing.store.SHIPPED_DUMPS", shipped)
    mine = land(drop("mine.csv", CSV[:-1]), fresh, as_of=builders.AS_OF).record
    land_shipped(fresh)
    assert {r.sha256 for r in list_dumps(fresh)} == {mine.sha256, *(r.sha256 for r in apps)}
    # As if the first landing had been killed between two dumps.
    shutil.rmtree(fresh.landing_dir / apps[0].source / apps[0].sha256)
    land_shipped(fresh)
    assert len(list_dumps(fresh)) == 3


def test_the_shipped_history_stays_out_of_a_landing_zone_in_use(
    fresh: Settings, drop: Drop
) -> None:
    mine = land(drop("d.csv", CSV), fresh, as_of=builders.AS_OF).record
    land_shipped(fresh)
    assert [r for r in list_dumps(fresh) if r.source == mine.source] == [mine]


def test_what_is_shipped_is_landed_unless_nobody_wants_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENSHARE_SHIPPED_HISTORY", "false")
    records, _ = pipeline.land_waiting(Settings(data_dir=settings.data_dir))
    assert records == []
    monkeypatch.delenv("TOKENSHARE_SHIPPED_HISTORY")
    records, _ = pipeline.land_waiting(Settings(data_dir=settings.data_dir))
    assert len(records) == len(SHIPPED_DUMPS)


def test_a_changed_shipped_dump_is_not_replaced_silently(fresh: Settings) -> None:
    (record, *_), _ = pipeline.land_waiting(fresh)
    (fresh.landing_dir / record.path).write_bytes(gzip.compress(CSV))
    with pytest.raises(CorruptLandingError, match=record.sha256):
        pipeline.land_waiting(fresh)


def test_a_removed_folder_leaves_the_dump_out(settings: Settings, drop: Drop) -> None:
    record = land(drop("d.csv", CSV), settings, as_of=builders.AS_OF).record
    shutil.rmtree((settings.landing_dir / record.path).parent)
    assert list_dumps(settings) == []
    assert land(drop("d.csv", CSV), settings, as_of=builders.AS_OF).is_new
