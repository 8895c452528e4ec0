"""The archive: answers that have no history at their source and that no mart reads yet.

`landing/archive/<name>/<sha256>/answer.json.gz` and `sidecar.json` appear together, by one rename.
The sha256 is that of the answer as it came; on disk it is compressed. If the same answer comes
again, only its sidecar changes: it lists the time and address of every pull, and has its own hash.
"""

import gzip
import json
import os
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from orchestration.errors import CorruptLandingError, safe_text
from orchestration.files import (
    BUILDING_PREFIX,
    move_into_place,
    new_building_folder,
    sha256_bytes,
    to_json,
    write_atomically,
)
from orchestration.landing.store import SIDECAR
from orchestration.settings import Settings

ANSWER = "answer.json.gz"
_SEAL = "sidecar_sha256"


class Pulled(BaseModel):
    """One time at which an answer came, and the address that was asked."""

    model_config = ConfigDict(frozen=True)

    pulled_at: AwareDatetime
    url: str


class Archived(BaseModel):
    """The sidecar of one archived answer. `bytes` counts the answer as it came."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, Field(pattern="^[a-z][a-z0-9-]*$")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: int
    as_of: str | None
    license: str
    citation: str
    pulls: tuple[Pulled, ...]

    @property
    def path(self) -> str:
        """Path of the answer inside the landing zone."""
        return f"archive/{self.name}/{self.sha256}/{ANSWER}"

    def sidecar(self) -> dict[str, Any]:
        """The JSON document that is stored, with its seal."""
        document = self.model_dump(mode="json")
        return {**document, _SEAL: sha256_bytes(to_json(document))}


def read_archived(name: str, sha256: str, settings: Settings) -> Archived:
    """The sidecar of one archived answer.

    Raises CorruptLandingError if it is missing, not readable, changed, or that of another answer.
    """
    path = settings.archive_dir / name / sha256 / SIDECAR
    try:
        document = json.loads(path.read_bytes())
        archived = Archived.model_validate(document)
        is_sealed = archived.sidecar() == document
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptLandingError(
            f"{path}: missing or not readable: {safe_text(error, 300)}"
        ) from error
    if not is_sealed or (archived.name, archived.sha256) != (name, sha256):
        raise CorruptLandingError(
            f"{path}: was changed after it was written, or belongs to another answer; restore it "
            "from a backup, or remove its folder"
        )
    return archived


def list_archived(settings: Settings) -> Iterator[Archived]:
    """The sidecars of all archived answers, by name and by the time of their first pull.

    Raises CorruptLandingError as `read_archived` does.
    """
    for folder in sorted(settings.archive_dir.glob("*")):
        answers = [p for p in folder.glob("*") if not p.name.startswith(BUILDING_PREFIX)]
        found = [read_archived(folder.name, p.name, settings) for p in answers]
        yield from sorted(found, key=lambda a: (a.pulls[0].pulled_at, a.sha256))


def archive(answer: bytes, first: Archived, settings: Settings) -> bool:
    """Store an answer under its sha256; returns whether it is new.

    `first` is the sidecar of the answer with this one pull. If the answer is archived already, its
    sidecar gets the pull.

    Raises CorruptLandingError if the answer is archived already and its sidecar is not readable.
    """
    final = settings.archive_dir / first.name / first.sha256
    if final.exists():
        add_pull(first.name, first.sha256, first.pulls[0], settings)
        return False
    building = new_building_folder(final.parent, f"{os.getpid()}-{first.sha256}")
    (building / ANSWER).write_bytes(gzip.compress(answer, mtime=0))
    (building / SIDECAR).write_bytes(to_json(first.sidecar()))
    move_into_place(building, final)
    return True


def add_pull(name: str, sha256: str, pulled: Pulled, settings: Settings) -> None:
    """Add the time of one more pull to the sidecar of an archived answer.

    Raises CorruptLandingError as `read_archived` does.
    """
    before = read_archived(name, sha256, settings)
    after = before.model_copy(update={"pulls": (*before.pulls, pulled)})
    write_atomically(settings.archive_dir / name / sha256 / SIDECAR, to_json(after.sidecar()))
