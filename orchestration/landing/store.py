"""Store a dump once, under its sha256, with a sidecar that says where it came from.

`landing/<source>/<sha256>/dump.<ext>` and `sidecar.json` appear together, by one rename. The dump
never changes. The sidecar seals itself, and is replaced only if something better than before says
when the dump was made; what it said before stays in its `history`.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AwareDatetime, BaseModel, ConfigDict

from orchestration.errors import CorruptLandingError, RefusedDumpError, plain, quoted
from orchestration.files import (
    BUILDING_PREFIX,
    format_time,
    fresh_folder,
    fsync,
    settle_folder,
    sha256_bytes,
    sha256_file,
    to_json,
)
from orchestration.landing.manifest import SUFFIX, check_manifest, find_manifest
from orchestration.settings import SHIPPED_DUMPS, SHIPPED_LANDING_DIR, Settings
from orchestration.sources import SOURCES, Dump, ParsedDump, Source, find_source, parse
from orchestration.sources.base import Limits, parse_time
from orchestration.sources.checks import count_scopes, split_rows
from orchestration.sources.kept import kept

SIDECAR = "sidecar.json"
_SEAL = "sidecar_sha256"
# Clocks of the puller and of this machine may differ a little; an hour is not a little.
_CLOCK_TOLERANCE = timedelta(hours=1)
_TIME_IN_NAME = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})"
    r"(?:T(?P<h>\d{2})-(?P<m>\d{2})-(?P<s>\d{2})(?P<zone>Z|[+-]\d{2}-\d{2}))?"
    r"(?:\.[a-z]+)+"
)

AsOfOrigin = Literal["meta", "manifest", "flag", "file_name", "file_date", "landing_time"]
# What says it best comes first. `file_date` is a file name that is only a day.
_BEST_FIRST: tuple[AsOfOrigin, ...] = get_args(AsOfOrigin)


class EarlierAsOf(BaseModel):
    """What a sidecar said of `as_of` before something better was known."""

    model_config = ConfigDict(frozen=True)

    as_of: AwareDatetime
    as_of_origin: AsOfOrigin
    replaced_at: AwareDatetime


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

    @property
    def path(self) -> str:
        """Path of the dump inside the landing zone."""
        return f"{self.source}/{self.sha256}/{self.file}"

    def sidecar(self) -> dict[str, Any]:
        """The JSON document that is stored, with its seal."""
        document = self.model_dump(mode="json")
        for name in ("pulled_at", "as_of"):
            document[name] = format_time(getattr(self, name))
        return {**document, _SEAL: sha256_bytes(to_json(document))}


@dataclass(frozen=True)
class Landed:
    """What landing one file came to. `notices` are to be said aloud.

    `manifest` is the file beside it that vouched for it. `is_better` says that a dump that was
    landed before got another `as_of`.
    """

    record: DumpRecord
    is_new: bool
    good_rows: int
    quarantined_rows: int
    quarantined_fields: int
    notices: tuple[str, ...]
    manifest: Path | None = None
    is_better: bool = False


def time_in_name(name: str) -> datetime | None:
    """The UTC time that a file name states, such as `2026-08-22T00-05-21Z.csv.gz`, else None.

    A bare date, as in the names of the keyless export, is the first moment of that day.
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
) -> tuple[datetime, AsOfOrigin]:
    """as_of from the best that says it, in the order of `AsOfOrigin`.

    Raises RefusedDumpError if `flag` contradicts what the dump or its manifest says, and for a
    time in the future.
    """
    in_name = time_in_name(path.name)
    only_a_day = _is_only_a_day(path.name)
    said: dict[AsOfOrigin, datetime | None] = {
        "meta": in_meta,
        "manifest": in_manifest,
        "flag": flag,
        "file_name": None if only_a_day else in_name,
        "file_date": in_name if only_a_day else None,
    }
    origin, as_of = next(((o, t) for o, t in said.items() if t is not None), ("landing_time", now))
    name = plain(path.name)
    if flag is not None and flag != as_of:
        raise RefusedDumpError(
            f"{name}: --as-of says {format_time(flag)}, its own {origin} says "
            f"{format_time(as_of)}; leave --as-of out, or find out which one is wrong"
        )
    if as_of > now + _CLOCK_TOLERANCE:
        raise RefusedDumpError(
            f"{name}: as_of {format_time(as_of)} (from {origin}) lies in the future; "
            f"it is now {format_time(now)}"
        )
    return as_of, origin


def limits(settings: Settings) -> Limits:
    """How large a dump this installation reads."""
    return Limits(
        settings.max_dump_bytes,
        settings.max_decompressed_bytes,
        settings.max_json_bytes,
        settings.max_dump_rows,
    )


@dataclass(frozen=True)
class _Judged:
    """A dump as it was read: what it says of itself, and its rows judged."""

    dump: Dump
    source: Source
    parsed: ParsedDump
    as_of: datetime
    origin: AsOfOrigin
    manifest: Path | None
    good: pa.Table
    bad: pa.Table


def _judge(
    path: Path, dump: Dump, source_name: str | None, flag: datetime | None, now: datetime
) -> _Judged:
    source = find_source(dump, source_name)
    parsed = parse(dump, source)
    found = None
    if source.has_manifest and parsed.layout.startswith("csv/"):
        found = find_manifest(path, dump)
    if found:
        check_manifest(*found, dump, parsed)
    retrieved_at = found[1].retrieved_at if found else None
    as_of, origin = _decide_as_of(path, parsed.as_of, retrieved_at, flag, now)
    good, bad = split_rows(parsed, source.table, as_of)
    if good.num_rows == 0:
        first = bad.slice(0, 1).to_pylist()[0]
        raise RefusedDumpError(
            f"{dump.name}: none of its {bad.num_rows} rows can be believed; the first, row "
            f"{first['row_number']}, field {first['field']}, value {quoted(first['value'])}: "
            f"{first['code']}, expected {first['expected']}"
        )
    return _Judged(dump, source, parsed, as_of, origin, found[0] if found else None, good, bad)


def _read(
    path: Path, settings: Settings, source_name: str | None, flag: datetime | None, now: datetime
) -> _Judged:
    """Read and judge a file.

    Raises RefusedDumpError whatever is wrong with it: nobody can foresee every hostile file.
    """
    if path.name.endswith(SUFFIX):
        raise RefusedDumpError(
            f"{plain(path.name)}: is a manifest; land the file that it names, it is read beside it"
        )
    dump = Dump.read(path, limits(settings), now + _CLOCK_TOLERANCE)
    try:
        return _judge(path, dump, source_name, flag, now)
    except (RefusedDumpError, OSError, duckdb.IOException):
        # A full disk says nothing of the file.
        raise
    except Exception as error:
        raise RefusedDumpError(
            f"{dump.name}: cannot be read: {type(error).__name__}: {plain(str(error))}"
        ) from error


def _refuse_second_source(settings: Settings, source: str, sha256: str, name: str) -> None:
    """Raise RefusedDumpError if the same bytes are landed under another source."""
    for other in SOURCES:
        folder = settings.landing_dir / other / sha256
        if other != source and folder.exists():
            raise RefusedDumpError(
                f"{name}: the same bytes are landed as {other} already, so they are not landed as "
                f"{source}; remove {folder} first if that was wrong"
            )


def land(
    path: Path,
    settings: Settings,
    source_name: str | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Landed:
    """Store one file in the landing zone.

    The same bytes again change nothing, unless something better than before says when they were
    made: then the sidecar gets the new `as_of` and keeps the old one in its history.

    Raises RefusedDumpError if the file is not a dump of its source, none of its rows can be
    believed, or `as_of` contradicts what the dump or its manifest says; CorruptLandingError if
    this dump was landed before and has changed since.
    """
    now = now or datetime.now(UTC)
    read = _read(path, settings, source_name, as_of, now)
    sha256 = sha256_bytes(read.dump.content)
    final = settings.landing_dir / read.source.name / sha256
    _refuse_second_source(settings, read.source.name, sha256, read.dump.name)
    if final.exists():
        return _land_again(final, read, settings, now)
    notices = []
    if read.origin == "landing_time":
        notices.append(
            f"{read.dump.name}: nothing says when it was made; as_of is the moment of landing, "
            f"{format_time(now)}. Give --as-of to say better."
        )
    good, window = read.good, read.parsed.window
    if "usage_date" in good.column_names:
        days = pc.min_max(good.column("usage_date")).as_py()
        if window is not None and days["max"] < window[1]:
            notices.append(
                f"{read.dump.name}: its window ends on {window[1]}, its last row is of "
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
        url=read.source.url,
        # A name that is only a day does not say when the file was pulled.
        pulled_at=now if _is_only_a_day(path.name) else time_in_name(path.name) or now,
        as_of=read.as_of,
        as_of_origin=read.origin,
        window_start=window[0] if window else None,
        window_end=window[1] if window else None,
        license=read.source.license,
        citation=_citation(read),
    )
    kept(record.source, sha256, record.as_of, settings).write(good, read.bad)
    building = fresh_folder(final.parent, f"{os.getpid()}-{sha256}")
    (building / record.file).write_bytes(read.dump.content)
    (building / SIDECAR).write_bytes(to_json(record.sidecar()))
    _settle(building, final)
    return Landed(
        record, True, good.num_rows, *count_scopes(read.bad), tuple(notices), manifest=read.manifest
    )


def _citation(read: _Judged) -> str:
    as_of = read.parsed.cited_as_of or format_time(read.as_of)
    return read.source.citation.format(as_of=as_of)


def _land_again(final: Path, read: _Judged, settings: Settings, now: datetime) -> Landed:
    """Land bytes that are landed already: better knowledge of `as_of` replaces worse.

    Two flags are of one rank, and the second one corrects the first; of anything else of one rank
    the first stays, so that the same file under two names does not flip.
    """
    record = read_record(final)
    check_content(settings, record)
    rank, before = _BEST_FIRST.index(read.origin), _BEST_FIRST.index(record.as_of_origin)
    notices = []
    is_better = False
    good, bad = read.good, read.bad
    if read.origin == "flag" and rank > before and record.as_of != read.as_of:
        raise RefusedDumpError(
            f"{read.dump.name}: --as-of says {format_time(read.as_of)}; it was landed before with "
            f"as_of {format_time(record.as_of)} from its {record.as_of_origin}, which knows better"
        )
    if rank < before or (read.origin == "flag" and rank == before and record.as_of != read.as_of):
        earlier = EarlierAsOf(as_of=record.as_of, as_of_origin=record.as_of_origin, replaced_at=now)
        better = record.model_copy(
            update={
                "as_of": read.as_of,
                "as_of_origin": read.origin,
                "citation": _citation(read),
                "history": (*record.history, earlier),
            }
        )
        _replace_sidecar(final, better)
        if record.as_of != read.as_of:
            notices.append(
                f"{read.dump.name}: was landed before with as_of {format_time(record.as_of)} "
                f"(from {record.as_of_origin}); it is now {format_time(read.as_of)} "
                f"(from {read.origin})"
            )
        record, is_better = better, True
    elif record.as_of != read.as_of:
        notices.append(
            f"{read.dump.name}: was landed before with as_of {format_time(record.as_of)} "
            f"(from {record.as_of_origin}), which stays"
        )
        good, bad = split_rows(read.parsed, read.source.table, record.as_of)
    rows = kept(record.source, record.sha256, record.as_of, settings)
    if not rows.is_there:
        rows.write(good, bad)
    counts = (good.num_rows, *count_scopes(bad))
    return Landed(record, False, *counts, tuple(notices), read.manifest, is_better)


def _replace_sidecar(folder: Path, record: DumpRecord) -> None:
    """Write a sidecar anew, in one step. Its half-written form lies where runs tidy up."""
    building = folder.with_name(f"{BUILDING_PREFIX}{os.getpid()}-{folder.name}.{SIDECAR}")
    building.write_bytes(to_json(record.sidecar()))
    fsync(building)
    building.replace(folder / SIDECAR)
    fsync(folder)


def withdraw(landed: Landed, settings: Settings) -> None:
    """Take back a dump that was only just landed, since its file changed while it was read."""
    if landed.is_new:
        folder = settings.landing_dir / landed.record.source / landed.record.sha256
        shutil.rmtree(folder, ignore_errors=True)


def _settle(building: Path, final: Path) -> None:
    try:
        settle_folder(building, final)
    except OSError:
        # Somebody else landed the same bytes in the meantime: content-addressed, so all is well.
        if not final.exists():
            raise
        shutil.rmtree(building, ignore_errors=True)


def read_record(folder: Path) -> DumpRecord:
    """The sidecar of a landed dump. One without a seal is of an earlier version.

    Raises CorruptLandingError if it is missing, not readable or not as it was written.
    """
    path = folder / SIDECAR
    try:
        document = json.loads(path.read_bytes())
        record = DumpRecord.model_validate(document)
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptLandingError(
            f"{path}: missing or not readable: {plain(str(error), 300)}"
        ) from error
    seal = document.pop(_SEAL, None)
    found = sha256_bytes(to_json(document))
    if seal not in (None, found):
        raise CorruptLandingError(
            f"{path}: was written as {plain(str(seal), 64)} but now has {found}: it was changed "
            "by hand. Restore it from a backup, or remove its folder and land the dump again with "
            "the right --as-of."
        )
    return record


def _refuse_changed(path: Path, record: DumpRecord, found: str) -> None:
    if found != record.sha256:
        raise CorruptLandingError(
            f"{path}: landed as {record.sha256} but now has {found}. Landed dumps never change: "
            "restore the file from its source or a backup, or remove its folder to leave it out."
        )


def check_content(settings: Settings, record: DumpRecord) -> None:
    """Hash a landed dump again.

    Raises CorruptLandingError if its bytes are not those that its name states.
    """
    path = settings.landing_dir / record.path
    _refuse_changed(path, record, sha256_file(path) if path.exists() else "no file")


def read_dump(record: DumpRecord, settings: Settings) -> Dump:
    """A landed dump in memory. Without limits: it was within those of the day of its landing.

    Raises CorruptLandingError if its bytes are not those that its name states.
    """
    path = settings.landing_dir / record.path
    dump = Dump.read(path, not_after=record.as_of)
    _refuse_changed(path, record, sha256_bytes(dump.content))
    return dump


def _landed_folders(settings: Settings) -> Iterator[Path]:
    for name in SOURCES:
        for folder in sorted((settings.landing_dir / name).glob("*")):
            if folder.is_dir() and not folder.name.startswith(BUILDING_PREFIX):
                yield folder


def read_records(settings: Settings) -> list[DumpRecord]:
    """The sidecar of every landed dump, oldest as_of first; the dumps themselves are not read.

    Raises CorruptLandingError for a dump without a readable sidecar of its own.
    """
    records = []
    for folder in _landed_folders(settings):
        record = read_record(folder)
        if record.sha256 != folder.name or record.source != folder.parent.name:
            raise CorruptLandingError(
                f"{folder / SIDECAR}: says {record.source}/{record.sha256}, "
                "which is not the folder that it lies in"
            )
        records.append(record)
    return sorted(records, key=lambda r: (r.source, r.as_of, r.pulled_at, r.sha256))


def list_dumps(settings: Settings) -> list[DumpRecord]:
    """Like `read_records`, with the content of each dump hashed again: once per run is enough.

    Raises CorruptLandingError for a dump that changed or has no readable sidecar.
    """
    records = read_records(settings)
    for record in records:
        check_content(settings, record)
    return records


def seal_older(settings: Settings) -> list[str]:
    """Seal the sidecars of versions that wrote none, as they stand; returns what to say of it.

    Raises CorruptLandingError for a sidecar that is not readable.
    """
    notices = []
    for folder in _landed_folders(settings):
        record = read_record(folder)
        if _SEAL not in json.loads((folder / SIDECAR).read_bytes()):
            _replace_sidecar(folder, record)
            notices.append(
                f"{folder / SIDECAR}: had no seal, as an earlier version wrote it; it is sealed "
                "now as it stands"
            )
    return notices


def land_shipped(settings: Settings) -> None:
    """Copy the shipped dumps of every source of which nothing else is landed.

    Does nothing if the setting `shipped_history` says so, or in the folder that they are shipped
    in.
    """
    if not settings.shipped_history or settings.landing_dir == SHIPPED_LANDING_DIR:
        return
    shipped = {(folder.parent.name, folder.name): folder for folder in SHIPPED_DUMPS}
    landed = {(folder.parent.name, folder.name) for folder in _landed_folders(settings)}
    in_use = {source for source, _ in landed - shipped.keys()}
    for source, sha256 in sorted(shipped.keys() - landed):
        if source not in in_use:
            final = settings.landing_dir / source / sha256
            building = fresh_folder(final.parent, f"{os.getpid()}-{sha256}")
            shutil.copytree(shipped[source, sha256], building, dirs_exist_ok=True)
            _settle(building, final)
