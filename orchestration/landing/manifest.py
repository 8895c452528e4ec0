"""The manifest that OpenRouter publishes beside each file of its keyless exports.

Its shape is that of `2026-10-08.manifest.json` of rankings-daily. A manifest is found by the hash
that it states, whatever the files are called. A manifest with the name of a dump must state the
hash of that dump.
"""

from datetime import date, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from orchestration.errors import RefusedDumpError, safe_text
from orchestration.files import sha256_bytes
from orchestration.sources import Dump, ParsedDump
from orchestration.sources.base import Limits

SUFFIX = ".manifest.json"
# A real one has 1,331 bytes.
_LIMITS = Limits(max_dump_bytes=1024 * 1024)


class ExportedFile(BaseModel):
    """One file of a snapshot as it is published, not compressed."""

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class ExportedFiles(BaseModel):
    """The layouts of a snapshot."""

    csv: ExportedFile
    json_: ExportedFile | None = Field(default=None, alias="json")


class Manifest(BaseModel):
    """The fields of a manifest that are used. `retrieved_at` is when the snapshot was made."""

    dataset: Literal["rankings-daily"]
    schema_version: Literal["v1"]
    snapshot_date: date
    retrieved_at: AwareDatetime
    row_count: int = Field(ge=0)
    files: ExportedFiles


def manifest_path(path: Path) -> Path:
    """The path of the manifest of a dump: `2026-10-08.manifest.json` for `2026-10-08.csv.gz`."""
    name = path.name
    for suffix in (".gz", ".csv", ".json"):
        name = name.removesuffix(suffix)
    return path.with_name(name + SUFFIX)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises RefusedDumpError that names the first wrong field.
    """
    return parse_manifest(Dump.read(path, _LIMITS).content, safe_text(path.name))


def parse_manifest(content: bytes, name: str) -> Manifest:
    """Read the bytes of a manifest; `name` is for messages.

    Raises RefusedDumpError that names the first wrong field.
    """
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = safe_text(".".join(map(str, first["loc"]))) or "the document"
        raise RefusedDumpError(
            f"{name}: {field}: {safe_text(first['msg'])}; expected a manifest of "
            "the keyless export of rankings-daily"
        ) from error


def find_manifest(path: Path, dump: Dump) -> tuple[Path, Manifest] | None:
    """The manifest beside `path` that states the hash of the dump, or None if there is none.

    For a compressed dump, the hash of its content counts as well. If there are several manifests,
    the oldest is returned.

    Raises RefusedDumpError if the manifest with the name of the dump is not readable or states the
    hash of another file.
    """
    own = manifest_path(path)
    hashes = {sha256_bytes(dump.content), dump.inspected.sha256}
    found: list[tuple[datetime, Path, Manifest]] = []
    for beside in sorted(path.parent.glob(f"*{SUFFIX}")):
        try:
            manifest = read_manifest(beside)
        except RefusedDumpError:
            if beside == own:
                raise
            continue
        if manifest.files.csv.sha256 in hashes:
            found.append((manifest.retrieved_at, beside, manifest))
        elif beside == own:
            raise RefusedDumpError(
                f"{dump.name}: has sha256 {dump.inspected.sha256}; {safe_text(own.name)} states "
                f"{manifest.files.csv.sha256}: the file was cut or changed in transit, or the "
                "manifest belongs to another snapshot; fetch both again"
            )
    return min(found)[1:] if found else None


def check_manifest(path: Path, manifest: Manifest, dump: Dump, parsed: ParsedDump) -> None:
    """Compare the bytes and rows that a manifest states with those of its dump.

    Raises RefusedDumpError that names the field and both values.
    """
    stated = manifest.files.csv
    sizes = {len(dump.content), dump.inspected.bytes}
    for field, says, found in (
        ("files.csv.bytes", stated.bytes, stated.bytes if stated.bytes in sizes else max(sizes)),
        ("row_count", manifest.row_count, len(parsed.rows)),
    ):
        if says != found:
            raise RefusedDumpError(
                f"{safe_text(path.name)}: {field} is {says}, but {dump.name} has {found}; fetch "
                "both again"
            )
