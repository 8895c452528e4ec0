"""Store a dump once, under its sha256, with a sidecar that states where it came from.

`landing/<source>/<sha256>/dump.<ext>` and `sidecar.json` appear together, by one rename. The dump
never changes. The sidecar contains its own hash (its seal). It is replaced only if a better origin
than before states when the dump was made, or if a person corrects that time; the earlier `as_of`
stays in its `history`.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import AwareDatetime, BaseModel, ConfigDict

from orchestration.errors import CorruptLandingError, RefusedDumpError, quoted, safe_text
from orchestration.files import (
    BUILDING_PREFIX,
    format_time,
    fsync,
    move_into_place,
    new_building_folder,
    sha256_bytes,
    sha256_file,
    to_json,
    write_atomically,
)
from orchestration.landing.manifest import SUFFIX, check_manifest, find_manifest
from orchestration.request_logs import ALL_SOURCES, Head, RequestLog, find_log
from orchestration.request_logs import kept as log_rows
from orchestration.settings import SHIPPED_DUMPS, SHIPPED_LANDING_DIR, Settings
from orchestration.sources import Dump, ParsedDump, Source, find_source, parse
from orchestration.sources.base import Limits, parse_time
from orchestration.sources.checks import CLOCK_TOLERANCE, count_scopes, split_rows
from orchestration.sources.kept import kept

SIDECAR = "sidecar.json"
REASON = "reason.txt"
_SEAL = "sidecar_sha256"
_TIME_IN_NAME = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})"
    r"(?:T(?P<h>\d{2})-(?P<m>\d{2})-(?P<s>\d{2})(?P<zone>Z|[+-]\d{2}-\d{2}))?"
    r"(?:\.[a-z]+)+"
)

AsOfOrigin = Literal[
    "correction", "meta", "manifest", "flag", "file_name", "file_date", "landing_time"
]
# The most reliable origin first. `correction` is a person who knows that the others are wrong;
# `file_date` is a file name with a day but no time.
_BEST_FIRST: tuple[AsOfOrigin, ...] = get_args(AsOfOrigin)


class EarlierAsOf(BaseModel):
    """An `as_of` that a sidecar stated before a better one was known. `reason` is that of the
    person who corrected it, or empty."""

    model_config = ConfigDict(frozen=True)

    as_of: AwareDatetime
    as_of_origin: AsOfOrigin
    replaced_at: AwareDatetime
    reason: str = ""


class DumpRecord(BaseModel):
    """The sidecar of one landed dump."""

    model_config = ConfigDict(frozen=True)

    source: str
    layout: str
    sha256: str
    bytes: int
    rows: int
    file: str
    original_name: str
    url: str
    pulled_at: AwareDatetime
    as_of: AwareDatetime
    as_of_origin: AsOfOrigin
    window_start: date | None
    window_end: date | None
    license: str
    citation: str
    note: str = ""
    history: tuple[EarlierAsOf, ...] = ()
    # Of a request log only the allowed columns are landed: `sha256` and `bytes` are those of the
    # original file, which is not kept, and this is the hash of what is.
    kept_sha256: str | None = None

    @property
    def path(self) -> str:
        """Path of the dump inside the landing zone."""
        return f"{self.source}/{self.sha256}/{self.file}"

    def sidecar(self) -> dict[str, Any]:
        """The JSON document that is stored, with its seal."""
        document = self.model_dump(mode="json")
        if self.kept_sha256 is None:
            del document["kept_sha256"]
        for name in ("pulled_at", "as_of"):
            document[name] = format_time(getattr(self, name))
        return {**document, _SEAL: sha256_bytes(to_json(document))}


@dataclass(frozen=True)
class Landed:
    """The result of landing one file. `notices` are to be shown to the user.

    `manifest` is the path of the manifest that was read with it. `is_redated` is true if the dump
    was landed before and its sidecar now has a better `as_of`.
    """

    record: DumpRecord
    is_new: bool
    good_rows: int
    quarantined_rows: int
    quarantined_fields: int
    notices: tuple[str, ...]
    manifest: Path | None = None
    is_redated: bool = False


def time_in_name(name: str) -> datetime | None:
    """The UTC time in a file name such as `2026-08-22T00-05-21Z.csv.gz`, or None if it has none.

    A date without a time, as in the names of the keyless export, is the first moment of that day.
    """
    match = _TIME_IN_NAME.fullmatch(name)
    if match is None:
        return None
    text = match["day"]
    if match["h"]:
        zone = match["zone"].replace("Z", "+00:00")
        text += f"T{match['h']}:{match['m']}:{match['s']}{zone[:3]}:{zone[-2:]}"
    try:
        return parse_time(text, name)
    except RefusedDumpError:
        return None


def _is_only_a_day(name: str) -> bool:
    match = _TIME_IN_NAME.fullmatch(name)
    return match is not None and not match["h"]


def _decide_as_of(
    path: Path,
    in_meta: datetime | None,
    in_manifest: datetime | None,
    flag: datetime | None,
    now: datetime,
    is_correction: bool,
) -> tuple[datetime, AsOfOrigin]:
    """`as_of` and its origin: the most reliable one that is known, in the order of `AsOfOrigin`.

    Raises RefusedDumpError if `flag` contradicts the dump or its manifest and is not a correction,
    or if the time is in the future.
    """
    in_name = time_in_name(path.name)
    only_a_day = _is_only_a_day(path.name)
    said: dict[AsOfOrigin, datetime | None] = {
        "correction": flag if is_correction else None,
        "meta": in_meta,
        "manifest": in_manifest,
        "flag": flag,
        "file_name": None if only_a_day else in_name,
        "file_date": in_name if only_a_day else None,
    }
    origin, as_of = next(((o, t) for o, t in said.items() if t is not None), ("landing_time", now))
    name = safe_text(path.name)
    if flag is not None and flag != as_of:
        raise RefusedDumpError(
            f"{name}: --as-of is {format_time(flag)}, but its own {origin} states "
            f"{format_time(as_of)}; leave --as-of out, or find out which one is wrong: once the "
            "dump is landed, --correct puts its as_of right"
        )
    if as_of > now + CLOCK_TOLERANCE:
        raise RefusedDumpError(
            f"{name}: as_of {format_time(as_of)} (from {origin}) is in the future; "
            f"it is now {format_time(now)}"
        )
    return as_of, origin


def limits(settings: Settings) -> Limits:
    """The limits that this installation sets for the size of a dump. They are for what is read into
    memory, so a request log, which DuckDB reads, may have any size."""
    return Limits(
        settings.max_dump_bytes,
        settings.max_decompressed_bytes,
        settings.max_json_bytes,
        settings.max_dump_rows,
    )


@dataclass(frozen=True)
class _ReadDump:
    """A dump that was read: what it states about itself, and its good and bad rows."""

    dump: Dump
    source: Source
    parsed: ParsedDump
    as_of: datetime
    origin: AsOfOrigin
    manifest: Path | None
    good: pa.Table
    bad: pa.Table


def _parse_and_check(
    path: Path,
    dump: Dump,
    source_name: str | None,
    flag: datetime | None,
    now: datetime,
    is_correction: bool,
) -> _ReadDump:
    source = find_source(dump, source_name)
    parsed = parse(dump, source)
    found = None
    if source.has_manifest and parsed.layout.startswith("csv/"):
        found = find_manifest(path, dump)
    if found:
        check_manifest(*found, dump, parsed)
    retrieved_at = found[1].retrieved_at if found else None
    as_of, origin = _decide_as_of(path, parsed.as_of, retrieved_at, flag, now, is_correction)
    good, bad = split_rows(parsed, source.table, as_of)
    if good.num_rows == 0:
        first = bad.slice(0, 1).to_pylist()[0]
        raise RefusedDumpError(
            f"{dump.name}: none of its {bad.num_rows} rows is valid; the first, row "
            f"{first['row_number']}, field {first['field']}, value {quoted(first['value'])}: "
            f"{first['code']}, expected {first['expected']}"
        )
    return _ReadDump(dump, source, parsed, as_of, origin, found[0] if found else None, good, bad)


def _read(
    path: Path,
    settings: Settings,
    source_name: str | None,
    flag: datetime | None,
    now: datetime,
    is_correction: bool,
) -> _ReadDump:
    """Read a file and check its rows.

    Raises RefusedDumpError for any error of the file, even an unforeseen one: files may be hostile.
    """
    if path.name.endswith(SUFFIX):
        raise RefusedDumpError(
            f"{safe_text(path.name)}: is a manifest; land its dump instead, and the manifest "
            "beside it is read too"
        )
    dump = Dump.read(path, limits(settings), now + CLOCK_TOLERANCE)
    try:
        return _parse_and_check(path, dump, source_name, flag, now, is_correction)
    except (RefusedDumpError, OSError, duckdb.IOException):
        # A full disk is not an error of the file.
        raise
    except Exception as error:
        raise RefusedDumpError(
            f"{dump.name}: cannot be read: {type(error).__name__}: {safe_text(str(error))}"
        ) from error


def _refuse_second_source(settings: Settings, source: str, sha256: str, name: str) -> None:
    """Raise RefusedDumpError if the same bytes are landed under another source."""
    for other in ALL_SOURCES:
        folder = settings.landing_dir / other / sha256
        if other != source and folder.exists():
            raise RefusedDumpError(
                f"{name}: the same bytes are already landed as {other}, so they are not landed as "
                f"{source}; if {other} was wrong, remove {folder} and land the file again"
            )


def land(
    path: Path,
    settings: Settings,
    source_name: str | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
    correction: str | None = None,
    url: str | None = None,
) -> Landed:
    """Store one file in the landing zone. `url` is the address that it came from, if it is known
    better than by its source.

    Landing the same bytes again changes nothing, unless a better origin than before states when
    they were made: then the sidecar gets the new `as_of` and keeps the old one in its history.
    `correction` is the reason of a person who knows that the `as_of` of a landed dump is wrong:
    then `as_of` replaces it, whatever stated it, and stays until the next correction.

    Raises RefusedDumpError if the file is not a dump of its source, if none of its rows is valid,
    if `as_of` contradicts the dump or its manifest without being a correction, if there is nothing
    landed to correct, or if the dump was set aside. Raises CorruptLandingError if this dump was
    landed before and has changed since.
    """
    now = now or datetime.now(UTC)
    if found := find_log(path, source_name):
        return _land_log(path, *found, settings, as_of, now, correction)
    read = _read(path, settings, source_name, as_of, now, correction is not None)
    sha256 = sha256_bytes(read.dump.content)
    final = settings.landing_dir / read.source.name / sha256
    _refuse_second_source(settings, read.source.name, sha256, read.dump.name)
    if final.exists():
        return _land_again(final, read, settings, now, correction or "")
    if (aside := refused_folder(read.source.name, sha256, settings)).exists():
        raise RefusedDumpError(
            f"{read.dump.name}: was set aside before: {_reason(aside)}. To have it tried again, "
            f"move {aside} to {final.parent}"
        )
    if correction is not None:
        raise RefusedDumpError(
            f"{read.dump.name}: is not landed, so there is nothing to correct; land it without "
            "--correct"
        )
    notices = _undated(read.dump.name, read.origin, now)
    good, window = read.good, read.parsed.window
    if "usage_date" in good.column_names:
        days = pc.min_max(good.column("usage_date")).as_py()
        if window is not None and days["max"] < window[1]:
            notices.append(
                f"{read.dump.name}: its window ends on {window[1]}, but its last row is of "
                f"{days['max']}"
            )
        window = window or (days["min"], days["max"])
    record = DumpRecord(
        source=read.source.name,
        layout=read.parsed.layout + ("+gzip" if read.dump.is_gzip else ""),
        sha256=sha256,
        bytes=len(read.dump.content),
        rows=len(read.parsed.rows),
        file="dump." + read.parsed.layout.split("/")[0] + (".gz" if read.dump.is_gzip else ""),
        original_name=read.dump.name,
        url=url or read.source.url,
        # A file name with only a day does not state when the file was pulled.
        pulled_at=now if _is_only_a_day(path.name) else time_in_name(path.name) or now,
        as_of=read.as_of,
        as_of_origin=read.origin,
        window_start=window[0] if window else None,
        window_end=window[1] if window else None,
        license=read.source.license,
        citation=_citation(read),
    )
    kept(record.source, sha256, record.as_of, settings).write(good, read.bad)
    building = new_building_folder(final.parent, f"{os.getpid()}-{sha256}")
    (building / record.file).write_bytes(read.dump.content)
    (building / SIDECAR).write_bytes(to_json(record.sidecar()))
    _move_into_place(building, final)
    return Landed(
        record, True, good.num_rows, *count_scopes(read.bad), tuple(notices), manifest=read.manifest
    )


def _undated(name: str, origin: AsOfOrigin, now: datetime) -> list[str]:
    """The notice for a dump of which nothing states when it was made."""
    if origin != "landing_time":
        return []
    return [
        f"{name}: nothing states when it was made; as_of is the time of landing, "
        f"{format_time(now)}. If you know better, land it again with --as-of."
    ]


def _citation(read: _ReadDump) -> str:
    as_of = read.parsed.cited_as_of or format_time(read.as_of)
    return read.source.citation.format(as_of=as_of)


def _land_again(
    final: Path, read: _ReadDump, settings: Settings, now: datetime, reason: str
) -> Landed:
    """Land bytes that are landed already (see `_redate`)."""
    record = read_record(final)
    check_content(settings, record)
    record, is_redated, notices = _redate(
        final, record, read.dump.name, read.as_of, read.origin, _citation(read), now, reason
    )
    good, bad = read.good, read.bad
    if record.as_of != read.as_of:
        good, bad = split_rows(read.parsed, read.source.table, record.as_of)
    rows = kept(record.source, record.sha256, record.as_of, settings)
    if rows.counts() is None:
        rows.write(good, bad)
    counts = (good.num_rows, *count_scopes(bad))
    return Landed(record, False, *counts, tuple(notices), read.manifest, is_redated)


def _redate(
    final: Path,
    record: DumpRecord,
    name: str,
    as_of: datetime,
    origin: AsOfOrigin,
    citation: str,
    now: datetime,
    reason: str,
) -> tuple[DumpRecord, bool, list[str]]:
    """Replace the sidecar of a landed dump if `origin` is better than its own; returns what is the
    sidecar then, whether it was replaced, and notices.

    If both are flags or corrections, the second replaces the first. If both have any other origin
    in common, the first stays, so that `as_of` does not change each time a file is landed under
    another name.
    """
    rank, before = _BEST_FIRST.index(origin), _BEST_FIRST.index(record.as_of_origin)
    is_other = record.as_of != as_of
    if origin == "flag" and rank > before and is_other:
        raise RefusedDumpError(
            f"{name}: --as-of is {format_time(as_of)}, but it was landed before "
            f"with as_of {format_time(record.as_of)} from its {record.as_of_origin}, which is more "
            "reliable; leave --as-of out, or put it right with --correct"
        )
    said = f"{name}: was landed before with as_of {format_time(record.as_of)} "
    by_person = origin in ("correction", "flag")
    if (rank < before and (is_other or not reason)) or (rank == before and by_person and is_other):
        earlier = EarlierAsOf(
            as_of=record.as_of, as_of_origin=record.as_of_origin, replaced_at=now, reason=reason
        )
        better = record.model_copy(
            update={
                "as_of": as_of,
                "as_of_origin": origin,
                "citation": citation,
                "history": (*record.history, earlier),
            }
        )
        _replace_sidecar(final, better)
        notice = f"(from {record.as_of_origin}); it is now {format_time(as_of)} (from {origin})"
        return better, True, [said + notice] if is_other else []
    return record, False, [f"{said}(from {record.as_of_origin}), which stays"] if is_other else []


def _land_log(
    path: Path,
    log: RequestLog,
    head: Head,
    layout: str,
    settings: Settings,
    flag: datetime | None,
    now: datetime,
    correction: str | None,
) -> Landed:
    """Land the allowed columns of a request log (see `request_logs`)."""
    before = path.stat()
    sha256, citation = sha256_file(path), f"Requests of {log.name}, the owner's own data."
    as_of, origin = _decide_as_of(path, None, None, flag, now, correction is not None)
    final = settings.landing_dir / log.name / sha256
    _refuse_second_source(settings, log.name, sha256, head.name)
    if final.exists():
        record, is_redated, notices = _redate(
            final, read_record(final), head.name, as_of, origin, citation, now, correction or ""
        )
        found = log_rows.checked(log_rows.keep(log, sha256, final, record.as_of, settings))
        assert found, final
        return Landed(record, False, *found.counts, tuple(notices), None, is_redated)
    if correction is not None:
        raise RefusedDumpError(
            f"{head.name}: is not landed, so there is nothing to correct; land it without --correct"
        )
    building = new_building_folder(final.parent, f"{os.getpid()}-{sha256}")
    try:
        landed = log_rows.copy_allowed(log, head, building, settings)
        kept_rows = log_rows.keep(log, sha256, building, as_of, settings)
        found = log_rows.checked(kept_rows)
        after = path.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise RefusedDumpError(
                f"{head.name}: changed while it was read; land it when it is complete"
            )
        if found is None or not found.days:
            raise RefusedDumpError(_no_good_row(head.name, log, kept_rows.quarantine_path))
        record = DumpRecord(
            source=log.name,
            layout=layout,
            sha256=sha256,
            bytes=before.st_size,
            rows=landed.rows + landed.malformed,
            file=log_rows.ROWS_FILE,
            original_name=head.name,
            url="",
            pulled_at=now if _is_only_a_day(path.name) else time_in_name(path.name) or now,
            as_of=as_of,
            as_of_origin=origin,
            window_start=min(found.days),
            window_end=max(found.days),
            license="the owner's own data",
            citation=citation,
            kept_sha256=sha256_file(building / log_rows.ROWS_FILE),
        )
        (building / SIDECAR).write_bytes(to_json(record.sidecar()))
        _move_into_place(building, final)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Landed(record, True, *found.counts, tuple(_undated(head.name, origin, now)))


def _no_good_row(name: str, log: RequestLog, quarantine: Path) -> str:
    """The message for a request log without a good row: its first bad row."""
    first = pq.read_table(quarantine).slice(0, 1).to_pylist()
    if not first:
        return f"{name}: has no requests; expected {log.layouts}"
    return (
        f"{name}: none of its rows is valid; the first, row {first[0]['row_number']}, field "
        f"{first[0]['field']}: {first[0]['code']}, expected {first[0]['expected']}"
    )


def _replace_sidecar(folder: Path, record: DumpRecord) -> None:
    """Replace a sidecar in one step. If that is interrupted, the next run removes the new file."""
    building = folder.with_name(f"{BUILDING_PREFIX}{os.getpid()}-{folder.name}.{SIDECAR}")
    building.write_bytes(to_json(record.sidecar()))
    fsync(building)
    building.replace(folder / SIDECAR)
    fsync(folder)


def withdraw(landed: Landed, settings: Settings) -> None:
    """Remove a dump that was just landed, because its file changed while it was read."""
    if landed.is_new:
        folder = settings.landing_dir / landed.record.source / landed.record.sha256
        shutil.rmtree(folder, ignore_errors=True)


def set_aside(record: DumpRecord, reason: str, settings: Settings) -> Path:
    """Move a landed dump out of the landing zone, to `refused/`, with the reason in a text file;
    returns its new folder.

    The caller must hold the writer's lock, and no vintage may be made from the dump. It is then
    neither read nor landed again. To have it read, move its folder back.
    """
    folder = settings.landing_dir / record.source / record.sha256
    target = refused_folder(record.source, record.sha256, settings)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / REASON, f"{reason}\n".encode(errors="backslashreplace"))
    shutil.rmtree(target, ignore_errors=True)
    move_into_place(folder, target)
    return target


def refused_folder(source: str, sha256: str, settings: Settings) -> Path:
    """The folder of a dump that was set aside; it exists only if the dump was."""
    return settings.data_dir / "refused" / source / sha256


def dumps_set_aside(settings: Settings) -> dict[Path, str]:
    """The folders of the dumps that were set aside, each with its reason, cut to one line."""
    folders = sorted((settings.data_dir / "refused").glob("*/*"))
    return {folder: _reason(folder) for folder in folders}


def _reason(folder: Path) -> str:
    try:
        text = (folder / REASON).read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        text = f"its reason cannot be read: {error.strerror}"
    return safe_text(" ".join(text.split()), 300)


def _move_into_place(building: Path, final: Path) -> None:
    try:
        move_into_place(building, final)
    except OSError:
        # Another process has landed the same bytes in the meantime: the result is the same.
        if not final.exists():
            raise
        shutil.rmtree(building, ignore_errors=True)


def read_record(folder: Path) -> DumpRecord:
    """The sidecar of a landed dump. A sidecar without a seal is from an earlier version.

    Raises CorruptLandingError if it is missing, not readable, or changed since it was written.
    """
    return _read_sidecar(folder)[0]


def _read_sidecar(folder: Path) -> tuple[DumpRecord, bool]:
    """The record of a landed dump, and whether its sidecar has a seal."""
    path = folder / SIDECAR
    try:
        record, seal, found = _parse_sidecar(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptLandingError(
            f"{path}: missing or not readable: {safe_text(str(error), 300)}"
        ) from error
    if seal not in (None, found):
        raise CorruptLandingError(
            f"{path}: was written with sha256 {safe_text(str(seal), 64)} but now has {found}: it "
            "was changed by hand. Restore it from a backup, or remove its folder and land the dump "
            "again with the right --as-of."
        )
    return record, seal is not None


# A night reads every sidecar several times, and each night adds some.
@cache
def _parse_sidecar(content: bytes) -> tuple[DumpRecord, object, str]:
    """The record, the seal that is stated, and the sha256 that the seal should be."""
    document = json.loads(content)
    record = DumpRecord.model_validate(document)
    seal = document.pop(_SEAL, None)
    return record, seal, sha256_bytes(to_json(document))


def _check_hash(path: Path, record: DumpRecord, found: str) -> None:
    expected = record.kept_sha256 or record.sha256
    if found != expected:
        raise CorruptLandingError(
            f"{path}: was landed with sha256 {expected} but now has {found}. Landed dumps "
            "never change: restore the file from its source or a backup, or remove its folder to "
            "leave the dump out."
        )


def check_content(settings: Settings, record: DumpRecord) -> None:
    """Hash a landed dump again.

    Raises CorruptLandingError if its bytes do not have the sha256 in its path.
    """
    path = settings.landing_dir / record.path
    _check_hash(path, record, sha256_file(path) if path.exists() else "no file")


def read_dump(record: DumpRecord, settings: Settings) -> Dump:
    """Read a landed dump into memory. No limits apply: its size was checked when it was landed.

    Raises CorruptLandingError if its bytes do not have the sha256 in its path.
    """
    path = settings.landing_dir / record.path
    dump = Dump.read(path, not_after=record.as_of)
    _check_hash(path, record, sha256_bytes(dump.content))
    return dump


def _landed_folders(settings: Settings) -> Iterator[Path]:
    for name in ALL_SOURCES:
        for folder in sorted((settings.landing_dir / name).glob("*")):
            if folder.is_dir() and not folder.name.startswith(BUILDING_PREFIX):
                yield folder


def read_records(settings: Settings) -> list[DumpRecord]:
    """The sidecars of all landed dumps, by source, oldest as_of first. Dumps are not read.

    Raises CorruptLandingError if a dump has no readable sidecar, or that of another dump.
    """
    records = []
    for folder in _landed_folders(settings):
        record = read_record(folder)
        if record.sha256 != folder.name or record.source != folder.parent.name:
            raise CorruptLandingError(
                f"{folder / SIDECAR}: source and sha256 are {record.source}/{record.sha256}, "
                f"expected {folder.parent.name}/{folder.name}, the folder that it is in"
            )
        records.append(record)
    return sorted(records, key=lambda r: (r.source, r.as_of, r.pulled_at, r.sha256))


def list_dumps(settings: Settings) -> list[DumpRecord]:
    """Like `read_records`, but hashes the content of each dump again. Once per run is enough.

    Request logs are hashed when a day of them is reduced: a night must not cost as much as all
    nights before it.

    Raises CorruptLandingError if a dump has changed or has no readable sidecar.
    """
    records = read_records(settings)
    for record in records:
        if record.kept_sha256 is None:
            check_content(settings, record)
    return records


def seal_unsealed(settings: Settings) -> list[str]:
    """Seal the sidecars that an earlier version wrote without a seal; returns notices about them.

    Raises CorruptLandingError if a sidecar is not readable.
    """
    notices = []
    for folder in _landed_folders(settings):
        record, is_sealed = _read_sidecar(folder)
        if not is_sealed:
            _replace_sidecar(folder, record)
            notices.append(
                f"{folder / SIDECAR}: had no seal, because an earlier version wrote it; its "
                "present content is now sealed"
            )
    return notices


def land_shipped(settings: Settings) -> None:
    """Copy the shipped dumps of each source of which no other dump is landed.

    Does nothing if the setting `shipped_history` is false, or if the landing zone is the folder
    that contains the shipped dumps.
    """
    if not settings.shipped_history or settings.landing_dir == SHIPPED_LANDING_DIR:
        return
    shipped = {(folder.parent.name, folder.name): folder for folder in SHIPPED_DUMPS}
    landed = {(folder.parent.name, folder.name) for folder in _landed_folders(settings)}
    in_use = {source for source, _ in landed - shipped.keys()}
    for source, sha256 in sorted(shipped.keys() - landed):
        if source not in in_use:
            final = settings.landing_dir / source / sha256
            building = new_building_folder(final.parent, f"{os.getpid()}-{sha256}")
            shutil.copytree(shipped[source, sha256], building, dirs_exist_ok=True)
            _move_into_place(building, final)
