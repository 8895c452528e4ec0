"""The manifest that OpenRouter publishes beside each file of its keyless exports.

Shape of `2026-10-08.manifest.json` of rankings-daily. It is found by the hash that it names,
whatever the files are called; what is called like a dump must name that dump.
"""

from datetime import date, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from orchestration.errors import RefusedDumpError, plain
from orchestration.files import sha256_bytes
from orchestration.sources import Dump, ParsedDump
from orchestration.sources.base import Limits

SUFFIX = ".manifest.json"
# A real one has 1,331 bytes.
_LIMITS = Limits(max_dump_bytes=1024 * 1024)


class ExportedFile(BaseModel):
    """One file of a snapshot, as it is published: not compressed."""

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class ExportedFiles(BaseModel):
    """The layouts of a snapshot."""

    csv: ExportedFile
    json_: ExportedFile | None = Field(default=None, alias="json")


class Manifest(BaseModel):
    """What is read of a manifest. `retrieved_at` is when the snapshot was made."""

    dataset: Literal["rankings-daily"]
    schema_version: Literal["v1"]
    snapshot_date: date
    retrieved_at: AwareDatetime
    row_count: int = Field(ge=0)
    files: ExportedFiles


def own_path(path: Path) -> Path:
    """The manifest called like a dump: `2026-10-08.manifest.json` beside `2026-10-08.csv.gz`."""
    name = path.name
    for suffix in (".gz", ".csv", ".json"):
        name = name.removesuffix(suffix)
    return path.with_name(name + SUFFIX)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises RefusedDumpError naming the field that is not as it should be.
    """
    content = Dump.read(path, _LIMITS).content
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = plain(".".join(map(str, first["loc"]))) or "the document"
        raise RefusedDumpError(
            f"{plain(path.name)}: {field}: {plain(first['msg'])}; expected a manifest of the "
            "keyless export of rankings-daily"
        ) from error


def find_manifest(path: Path, dump: Dump) -> tuple[Path, Manifest] | None:
    """The manifest beside `path` that names the hash of the dump, None where there is none.

    A compressed copy is named by the hash of what is inside. Of several the oldest counts.

    Raises RefusedDumpError if the manifest that is called like the dump is not readable or names
    other bytes.
    """
    own = own_path(path)
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
                f"{dump.name}: has sha256 {dump.inspected.sha256}; {plain(own.name)} names "
                f"{manifest.files.csv.sha256}: the file was cut or changed on its way, or the "
                "manifest is of another snapshot; fetch both again"
            )
    return min(found)[1:] if found else None


def check_manifest(path: Path, manifest: Manifest, dump: Dump, parsed: ParsedDump) -> None:
    """Compare what a manifest says of the bytes and rows of its dump with what there is.

    Raises RefusedDumpError naming the field with both values.
    """
    stated = manifest.files.csv
    sizes = {len(dump.content), dump.inspected.bytes}
    for field, says, found in (
        ("files.csv.bytes", stated.bytes, stated.bytes if stated.bytes in sizes else max(sizes)),
        ("row_count", manifest.row_count, len(parsed.rows)),
    ):
        if says != found:
            raise RefusedDumpError(
                f"{plain(path.name)}: {field} is {says}, {dump.name} has {found}"
            )
