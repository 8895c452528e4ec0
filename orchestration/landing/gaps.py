"""Days that a source no longer offers, and that no landed dump has: `landing/gaps.json`.

A pull records them, so that it does not ask for them every night, and so that the gate lets the
other days pass: the gap is named in every vintage until a dump with these days is landed. Days that
were never published are not here but in `configuration/gate.yml`.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from orchestration.errors import CorruptLandingError, safe_text
from orchestration.files import to_json, write_atomically
from orchestration.settings import Settings


class Gap(BaseModel):
    """Days in a row, both ends included, and why no dump has them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    first_day: date
    last_day: date
    reason: str
    learned_at: AwareDatetime

    def days(self) -> list[date]:
        """Every day of the gap, the first one first."""
        count = (self.last_day - self.first_day).days + 1
        return [self.first_day + timedelta(days=n) for n in range(count)]

    def describe(self) -> str:
        """One line for people."""
        days = (
            f"{self.first_day}"
            if self.first_day == self.last_day
            else f"{self.first_day} to {self.last_day}"
        )
        return f"gap: {self.source} has no {days}: {self.reason}"


_GAPS = TypeAdapter(list[Gap])


def _path(settings: Settings) -> Path:
    return settings.landing_dir / "gaps.json"


def read_gaps(settings: Settings) -> tuple[Gap, ...]:
    """All recorded gaps, also those whose days were landed later.

    Raises CorruptLandingError if the file is not readable.
    """
    path = _path(settings)
    try:
        return tuple(_GAPS.validate_json(path.read_bytes()))
    except FileNotFoundError:
        return ()
    except ValidationError as error:
        raise CorruptLandingError(
            f"{path}: not readable: {safe_text(error.errors(include_url=False)[0]['msg'])}; "
            "restore it from a backup, or remove it: the next pull asks for the days again"
        ) from error


def runs(days: Iterable[date]) -> list[tuple[date, date]]:
    """The first and the last day of each row of days without a hole, the oldest first."""
    found: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def add_gaps(gaps: Iterable[Gap], settings: Settings) -> None:
    """Record gaps beside those that are recorded already."""
    if new := tuple(gaps):
        listed = sorted(
            {*read_gaps(settings), *new}, key=lambda g: (g.source, g.first_day, g.learned_at)
        )
        write_atomically(_path(settings), to_json([g.model_dump(mode="json") for g in listed]))
