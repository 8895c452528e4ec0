"""Store a dump once, under its sha256, with a sidecar that says where it came from.

`landing/<source>/<sha256>/dump.<ext>` and `sidecar.json` appear together, by one rename.
"""

import json
import os
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from orchestration.contracts.odcs import tables
from orchestration.errors import CorruptLandingError, RefusedDumpError
from orchestration.files import (
    BUILDING_PREFIX,
    format_time,
    fresh_folder,
    settle_folder,
    sha256_bytes,
    sha256_file,
    to_json,
)
from orchestration.ingestion.checks import count_scopes, split_rows
from orchestration.settings import SHIPPED_LANDING_DIR, Settings
from orchestration.sources import SOURCES, Dump, find_source, parse
from orchestration.sources.base import parse_time

SIDECAR = "sidecar.json"
# Clocks of the puller and of this machine may differ a little; an hour is not a little.
_CLOCK_TOLERANCE = timedelta(hours=1)
_TIME_IN_NAME = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})"
    r"(?:T(?P<h>\d{2})-(?P<m>\d{2})-(?P<s>\d{2})(?P<zone>Z|[+-]\d{2}-\d{2}))?"
    r"(?:\.[a-z]+)+"
)

AsOfOrigin = Literal["meta", "manifest", "flag", "file_name", "landing_time"]


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

    @property
    def path(self) -> str:
        """Path of the dump inside the landing zone."""
        return f"{self.source}/{self.sha256}/{self.file}"

    def sidecar(self) -> dict[str, Any]:
        """The JSON document that is stored."""
        document = self.model_dump()
        for name in ("pulled_at", "as_of"):
            document[name] = format_time(document[name])
        return document


@dataclass(frozen=True)
class Landed:
    """What landing one file came to. `notices` are to be said aloud."""

    record: DumpRecord
    is_new: bool
    good_rows: int
    quarantined_rows: int
    quarantined_fields: int
    notices: tuple[str, ...]


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


def _time_in_manifest(path: Path, sha256: str) -> datetime | None:
    """as_of of a `*.manifest.json` beside the file that names the file's sha256, else None."""
    for manifest in sorted(path.parent.glob("*.manifest.json")):
        try:
            document = json.loads(manifest.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if not isinstance(document, dict) or sha256 not in json.dumps(document):
            continue
        meta = document.get("meta")
        as_of = document.get("as_of") or (meta.get("as_of") if isinstance(meta, dict) else None)
        if as_of:
            return parse_time(as_of, f"{manifest.name}: as_of")
    return None


def _decide_as_of(
    path: Path, sha256: str, in_meta: datetime | None, flag: datetime | None, now: datetime
) -> tuple[datetime, AsOfOrigin, list[str]]:
    """as_of in the order meta, manifest, flag, file name, now; and what to say about it."""
    candidates: list[tuple[AsOfOrigin, datetime | None]] = [
        ("meta", in_meta),
        ("manifest", _time_in_manifest(path, sha256) if in_meta is None else None),
        ("flag", flag),
        ("file_name", time_in_name(path.name)),
    ]
    origin, as_of = next(((o, t) for o, t in candidates if t is not None), ("landing_time", now))
    notices = []
    if origin == "landing_time":
        notices.append(
            f"{path.name}: nothing says when it was made; as_of is the moment of landing, "
            f"{format_time(now)}. Give --as-of to say better."
        )
    if flag is not None and origin != "flag" and flag != as_of:
        notices.append(
            f"{path.name}: --as-of {format_time(flag)} is not used, "
            f"its own {origin} says {format_time(as_of)}"
        )
    if as_of > now + _CLOCK_TOLERANCE:
        raise RefusedDumpError(
            f"{path.name}: as_of {format_time(as_of)} (from {origin}) lies in the future; "
            f"it is now {format_time(now)}"
        )
    return as_of, origin, notices


def land(
    path: Path,
    settings: Settings,
    source_name: str | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Landed:
    """Store one file in the landing zone; the same bytes again are a no-op.

    Raises RefusedDumpError where the file is not a dump of its source, or none of its rows can be
    believed; CorruptLandingError where this dump was landed before and has changed since.
    """
    now = now or datetime.now(UTC)
    dump = Dump.read(path)
    source = find_source(dump, source_name)
    sha256 = sha256_bytes(dump.content)
    parsed = parse(dump, source)
    decided, origin, notices = _decide_as_of(path, sha256, parsed.as_of, as_of, now)
    table = tables("raw")[source.contract]
    good, bad = split_rows(parsed, table, decided)
    if good.num_rows == 0:
        first = bad.slice(0, 1).to_pylist()[0]
        raise RefusedDumpError(
            f"{dump.name}: none of its {bad.num_rows} rows can be believed; the first, row "
            f"{first['row_number']}, field {first['field']}, value {first['value']!r}: "
            f"{first['code']}, expected {first['expected']}"
        )
    final = settings.landing_dir / source.name / sha256
    if final.exists():
        record = read_record(final)
        check_content(settings, record)
        if record.as_of != decided:
            notices = [
                f"{path.name}: was landed before with as_of {format_time(record.as_of)} "
                f"(from {record.as_of_origin}), which stays"
            ]
        return Landed(record, False, good.num_rows, *count_scopes(bad), tuple(notices))
    window = parsed.window
    if window is not None and "usage_date" in good.column_names:
        latest = max(good.column("usage_date").to_pylist())
        if latest < window[1]:
            notices.append(
                f"{path.name}: its window ends on {window[1]}, its last row is of {latest}"
            )
    days = good.column("usage_date") if "usage_date" in good.column_names else None
    if window is None and days is not None:
        listed = days.to_pylist()
        window = (min(listed), max(listed))
    record = DumpRecord(
        source=source.name,
        layout=parsed.layout + ("+gzip" if dump.is_gzip else ""),
        sha256=sha256,
        bytes=len(dump.content),
        rows=len(parsed.rows),
        file="dump." + parsed.layout.split("/")[0] + (".gz" if dump.is_gzip else ""),
        original_name=dump.name,
        url=source.url,
        pulled_at=time_in_name(path.name) or now,
        as_of=decided,
        as_of_origin=origin,
        window_start=window[0] if window else None,
        window_end=window[1] if window else None,
        license=source.license,
        citation=source.citation.format(as_of=parsed.cited_as_of or format_time(decided)),
    )
    building = fresh_folder(final.parent, f"{os.getpid()}-{sha256}")
    (building / record.file).write_bytes(dump.content)
    (building / SIDECAR).write_bytes(to_json(record.sidecar()))
    _settle(building, final)
    return Landed(record, True, good.num_rows, *count_scopes(bad), tuple(notices))


def _settle(building: Path, final: Path) -> None:
    try:
        settle_folder(building, final)
    except OSError:
        # Somebody else landed the same bytes in the meantime: content-addressed, so all is well.
        if not final.exists():
            raise
        shutil.rmtree(building, ignore_errors=True)


def read_record(folder: Path) -> DumpRecord:
    """The sidecar of a landed dump.

    Raises CorruptLandingError where it is missing or not readable.
    """
    try:
        return DumpRecord.model_validate_json((folder / SIDECAR).read_bytes())
    except (OSError, ValueError) as error:
        raise CorruptLandingError(
            f"{folder / SIDECAR}: missing or not readable: {error}"
        ) from error


def check_content(settings: Settings, record: DumpRecord) -> None:
    """Hash a landed dump again.

    Raises CorruptLandingError where its bytes are not those that its name states.
    """
    path = settings.landing_dir / record.path
    found = sha256_file(path) if path.exists() else "no file"
    if found != record.sha256:
        raise CorruptLandingError(
            f"{path}: landed as {record.sha256} but now has {found}. Landed dumps never change: "
            "restore the file from its source or a backup, or remove its folder to leave it out."
        )


def list_dumps(settings: Settings) -> list[DumpRecord]:
    """Every landed dump, oldest as_of first, each with its content checked.

    Raises CorruptLandingError for a dump that changed or has no readable sidecar.
    """
    records = []
    for name in SOURCES:
        for folder in sorted((settings.landing_dir / name).glob("*")):
            if folder.is_dir() and not folder.name.startswith(BUILDING_PREFIX):
                record = read_record(folder)
                if record.sha256 != folder.name or record.source != name:
                    raise CorruptLandingError(
                        f"{folder / SIDECAR}: says {record.source}/{record.sha256}, "
                        "which is not the folder that it lies in"
                    )
                check_content(settings, record)
                records.append(record)
    return sorted(records, key=lambda r: (r.source, r.as_of, r.pulled_at, r.sha256))


def land_shipped(settings: Settings) -> list[DumpRecord]:
    """Copy the shipped dumps into a landing zone without usage; a no-op where any is landed."""
    has_usage = any(SOURCES[r.source].kind == "usage" for r in list_dumps(settings))
    if settings.landing_dir != SHIPPED_LANDING_DIR and not has_usage:
        for name in SOURCES:
            for shipped in sorted((SHIPPED_LANDING_DIR / name).glob("*")):
                final = settings.landing_dir / name / shipped.name
                if final.exists():
                    continue
                building = fresh_folder(final.parent, f"{os.getpid()}-{shipped.name}")
                shutil.copytree(shipped, building, dirs_exist_ok=True)
                _settle(building, final)
    return list_dumps(settings)
