"""Read and seal the manifest of a vintage, and read and write `latest.json`, which names a vintage,
and the link `latest`, which leads to the same one.

Anybody may have changed these files, so they are checked here before other code relies on them.
Nothing slow is imported, because every command that reads a vintage imports this module.
"""

import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from orchestration.errors import (
    OtherLinkError,
    TokenshareError,
    VerificationError,
    quoted,
    safe_text,
)
from orchestration.files import (
    BUILDING_PREFIX,
    fsync,
    read_json,
    sha256_bytes,
    to_json,
    write_atomically,
)
from orchestration.settings import Settings

# Semantic version of the names and meanings in the published tables and the manifest.
DATA_INTERFACE_VERSION = "2.0.0"
MANIFEST_NAME = "manifest.json"
LATEST_NAME = "latest.json"
# A path that stays the same: a link, always to the vintage that `latest.json` names.
LINK_NAME = "latest"
_SEAL = "manifest_sha256"
_VINTAGE_ID = re.compile(r"(2\d{3}[01]\d[0-3]\dT[0-2]\d[0-5]\d[0-5]\dZ)-[0-9a-f]{8}")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
_REPAIR = (
    "Restore the damaged files from a copy; or let latest.json name another vintage: `tokenshare "
    "vintages rollback ID --reason …` (`tokenshare vintages list` shows them); or remove "
    "latest.json, and the next run publishes a vintage that the gate compares with none."
)


def vintage_time(vintage_id: str) -> datetime | None:
    """The UTC time in the id of a vintage, without a zone, or None if it is not such an id."""
    match = _VINTAGE_ID.fullmatch(vintage_id)
    if match is None:
        return None
    try:
        return datetime.strptime(match[1], "%Y%m%dT%H%M%SZ")  # noqa: DTZ007  # Z: ids are in UTC
    except ValueError:
        return None


def _check_vintage_id(value: str) -> str:
    if vintage_time(value) is None:
        raise ValueError("is not the id of a vintage")
    return value


def _check_plain_path(value: str) -> str:
    if not _PLAIN_PATH.fullmatch(value) or {".", ".."} & set(value.split("/")):
        raise ValueError("is not a plain path inside the folder")
    return value


def _check_time(value: str) -> str:
    datetime.fromisoformat(value)
    return value


_VintageId = Annotated[str, AfterValidator(_check_vintage_id)]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Input(_Shape):
    as_of: Annotated[str, AfterValidator(_check_time)]


class _Output(_Shape):
    path: Annotated[str, AfterValidator(_check_plain_path)]
    sha256: str
    bytes: int
    rows: int | None
    columns: dict[str, str] = Field(default={}, alias="schema")


class _RuleResult(_Shape):
    suite: str
    rule: str
    severity: str
    passed: bool
    title: str
    observed: str
    failing: int
    rows: list[str]
    verdict: str


class FailedRule(_Shape):
    """A blocker that failed for one source. `rows` describes the first failing rows.

    If the tables could not be built, `rule` is NOT_BUILT and `rows` has the error.
    """

    rule: str
    title: str
    rows: list[str]


class WithheldDump(_Shape):
    """A landed dump that is not in the vintage."""

    sha256: str
    sidecar_sha256: str
    path: str


class Withheld(_Shape):
    """A source that is not in the vintage (`is_absent`), or has the state of the previous vintage.

    `dumps` are the dumps that were left out.
    """

    source: str
    is_absent: bool
    rules: list[FailedRule]
    dumps: list[WithheldDump]

    def describe(self) -> str:
        """One line for people: what is left out, and why."""
        what = (
            "nothing of it is in this vintage"
            if self.is_absent
            else f"{len(self.dumps)} new dump(s) are left out, it is as in the previous vintage"
        )
        why = "; ".join(
            f"{r.rule}: {safe_text(' '.join(r.rows[:3]) or r.title, 500)}" for r in self.rules
        )
        return f"source {safe_text(self.source)} is withheld: {what}. {why}"


class _Manifest(_Shape):
    """The fields of a manifest that are checked when it is read; the others are not."""

    vintage_id: _VintageId
    previous_vintage: _VintageId | None = None
    inputs_sha256: str = ""
    small_cells: Annotated[int, Field(ge=0)] = 0
    inputs: list[_Input]
    outputs: list[_Output]
    gate: list[_RuleResult]
    withheld: list[Withheld] = []
    headline: list[dict[str, Any]]
    citations: list[str]


class _Pointer(_Shape):
    vintage_id: _VintageId
    path: Annotated[str, AfterValidator(_check_plain_path)]
    manifest_sha256: str


def _problems(shape: type[_Shape], document: dict[str, Any]) -> str:
    """What is wrong with the shape of a document, or "" if nothing is."""
    try:
        shape.model_validate(document)
    except ValidationError as error:
        found = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5]]
        return "; ".join(safe_text(text) for text in found)
    return ""


def _sealed(content: dict[str, Any]) -> bytes:
    return to_json({**content, _SEAL: sha256_bytes(to_json(content))})


# A run reads the manifest of the latest vintage about ten times, and it lists every dump.
@lru_cache(maxsize=4)
def _is_sealed(content: bytes) -> bool:
    """Are these the bytes that a manifest was sealed with?"""
    document = json.loads(content)
    return _sealed({k: v for k, v in document.items() if k != _SEAL}) == content


def seal_manifest(document: dict[str, Any]) -> bytes:
    """The bytes of a manifest with its own hash in it (the hash of the document without it)."""
    return _sealed(json.loads(to_json(document)))


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest in the folder of a vintage, after a check of its seal and shape.

    The other files of the vintage are not checked. Raises VerificationError if the manifest is
    missing, not readable, changed, or not the manifest of a vintage.
    """
    path = folder / MANIFEST_NAME
    if path.is_symlink():
        raise VerificationError(f"{path}: is a link, not a file")
    try:
        document = read_json(path)
        sealed = _is_sealed(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise VerificationError(f"{path}: missing or not readable: {safe_text(error)}") from error
    if not sealed:
        raise VerificationError(f"{path}: was changed after it was sealed")
    if problems := _problems(_Manifest, document):
        raise VerificationError(f"{path}: is not the manifest of a vintage: {problems}")
    return document


def read_latest(published_dir: Path) -> tuple[Path, dict[str, Any]] | None:
    """The folder and the manifest of the vintage that `latest.json` names, or None if nothing is
    published. No other function reads that file.

    Raises VerificationError, which tells how to repair it, if `latest.json` is not valid, or if the
    vintage has another id or manifest than it states. The vintage's other files are not checked.
    """
    pointer_path = published_dir / LATEST_NAME
    if not pointer_path.exists() and not pointer_path.is_symlink():
        return None
    try:
        pointer = read_json(pointer_path)
    except (OSError, ValueError) as error:
        raise _damaged(pointer_path, f"not readable: {safe_text(error)}") from error
    if problems := _problems(_Pointer, pointer):
        raise _damaged(pointer_path, problems)
    vintage_id, path = pointer["vintage_id"], pointer["path"]
    if path != f"vintages/{vintage_id}":
        raise _damaged(pointer_path, f"has the path {path} for vintage {vintage_id}")
    folder = published_dir / path
    try:
        manifest = read_manifest(folder)
    except VerificationError as error:
        raise _damaged(pointer_path, f"does not name a vintage: {error}") from error
    for field in ("vintage_id", _SEAL):
        if manifest[field] != pointer[field]:
            raise _damaged(
                pointer_path,
                f"states {field} {safe_text(pointer[field])}, but the manifest in {folder} has "
                f"{safe_text(manifest[field])}",
            )
    return folder, manifest


def find_vintage(name: str, settings: Settings) -> Path:
    """The folder of a vintage. `name` is its folder, a folder `published/` whose latest vintage is
    meant, its id, the start of its id, or `latest`. A link to a folder is followed once, so that
    the answer is one vintage even if the link moves meanwhile.

    Raises TokenshareError if a path leads to no vintage, or if no vintage or several vintages have
    this name.
    """
    if name == LINK_NAME:
        if latest := read_latest(settings.published_dir):
            return latest[0]
        raise nothing_published(settings)
    path = Path(name).expanduser()
    if path.is_symlink():
        path = path.resolve()
    # A folder with the name of a vintage is one, even if its manifest is lost: it is damaged.
    if (path / MANIFEST_NAME).exists() or (vintage_time(path.name) and path.is_dir()):
        return path
    if latest := read_latest(path):
        return latest[0]
    if os.sep in name or path.exists():
        is_there = "is not the folder of a vintage" if path.exists() else "does not exist"
        raise TokenshareError(
            f"{quoted(name, 1000)}: this path {is_there}; expected a folder with {MANIFEST_NAME} "
            f"(a vintage) or {LATEST_NAME} (published/), or the id of a vintage"
        )
    there_are = list(settings.vintages_dir.glob("*"))
    found = sorted(path for path in there_are if name and path.name.startswith(name))
    folder: Path = single_match(found, name, "vintage", (path.name for path in there_are))
    return folder


def nothing_published(settings: Settings) -> TokenshareError:
    """The error of a command that needs a vintage if there is none."""
    return TokenshareError(
        f"nothing is published yet in {settings.published_dir}; `tokenshare run` publishes"
    )


def single_match(found: list[Any], name: str, kind: str, there_are: Iterable[str]) -> Any:
    """The only item of `found`, the things whose names begin with `name`.

    Raises TokenshareError, which lists the existing names, if there is none or several.
    """
    if len(found) != 1:
        known = ", ".join(sorted(there_are)) or "none"
        problem = "is not a" if not found else f"is the start of {len(found)} names of a"
        raise TokenshareError(f"{name!r} {problem} {kind}; there are: {known}")
    return found[0]


def with_repair_advice(error: VerificationError) -> VerificationError:
    """The error as one about the latest vintage, with advice on how to repair it."""
    return VerificationError(f"the latest vintage is damaged. {_REPAIR}\n{error}")


def without_repair_advice(error: VerificationError) -> str:
    """What is damaged, in the words of an error about the latest vintage, without the advice."""
    return (
        str(error).replace(f"the latest vintage is damaged. {_REPAIR}\n", "").replace(_REPAIR, "")
    )


def _damaged(path: Path, problem: str) -> VerificationError:
    return VerificationError(f"{path}: {problem}. {_REPAIR}")


def set_latest(published_dir: Path, manifest: dict[str, Any]) -> list[str]:
    """Make `latest.json` name the vintage of this manifest, in one step, then let the link `latest`
    lead to it, in another one. Returns notices for the user.

    Raises OtherLinkError, and changes nothing, if `latest` is not such a link.
    """
    refuse_other_link(published_dir)
    write_pointer(published_dir, manifest)
    return link_latest(published_dir, manifest["vintage_id"])


def write_pointer(folder: Path, manifest: dict[str, Any]) -> None:
    """Make `latest.json` of a folder with `vintages/` name the vintage of this manifest."""
    pointer = {
        "vintage_id": manifest["vintage_id"],
        "path": f"vintages/{manifest['vintage_id']}",
        _SEAL: manifest[_SEAL],
    }
    write_atomically(folder / LATEST_NAME, to_json(pointer))


def refuse_other_link(published_dir: Path) -> None:
    """Raise OtherLinkError if there is something called `latest` that `link_latest` has not made.
    It may be anybody's, so it is never replaced."""
    link = published_dir / LINK_NAME
    if not os.path.lexists(link):
        return
    what = "a folder" if link.is_dir() else "a file"
    if link.is_symlink():
        target = str(link.readlink())
        folder, _, name = target.partition("/")
        if folder == "vintages" and vintage_time(name) is not None:
            return
        what = f"a link to {quoted(target)}"
    raise OtherLinkError(
        f"{link}: is {what}, where a publication keeps its link to the newest vintage; it is left "
        "as it is, and nothing is published. Move it to another place, or remove it"
    )


def link_latest(published_dir: Path, vintage_id: str) -> list[str]:
    """Let the link `latest` lead to a vintage, in one step. Returns a notice if it cannot be made,
    for example because the file system has no links.

    Who has opened a file by the old link keeps it. Raises what `refuse_other_link` raises.
    """
    refuse_other_link(published_dir)
    link, target = published_dir / LINK_NAME, Path("vintages", vintage_id)
    if link.is_symlink() and link.readlink() == target:
        return []
    # Only the holder of the writer's lock is here, so the name needs no number of a process.
    temporary = published_dir / f"{BUILDING_PREFIX}{LINK_NAME}"
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        temporary.replace(link)
        fsync(published_dir)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        return [
            f"{link}: cannot be made to lead to vintage {vintage_id}, which latest.json names: "
            f"{error.strerror}; do not read by this path until a run has mended it"
        ]
    return []
