"""The landed rankings that a simulation starts from."""

from dataclasses import dataclass
from datetime import date, datetime

from orchestration.errors import TokenshareError
from orchestration.landing.store import DumpRecord, read_dump, read_record, read_records
from orchestration.settings import (
    PRIMARY_SOURCE,
    SHIPPED_DUMPS,
    SHIPPED_LANDING_DIR,
    Settings,
)
from orchestration.sources import SOURCES, parse
from orchestration.sources.checks import split_rows

# Rows of one day as (permaslug, tokens), most tokens first and `other` last.
Rows = tuple[tuple[str, int], ...]
OTHER = "other"


@dataclass(frozen=True)
class History:
    """Settled figures by UTC day, and the newest time at which one of them was made.

    Days that the source never published are missing.
    """

    days: dict[date, Rows]
    as_of: datetime

    @property
    def first(self) -> date:
        return min(self.days)

    @property
    def last(self) -> date:
        return max(self.days)


def in_order(rows: dict[str, int]) -> Rows:
    """The rows of a day as the source orders them: most tokens first, `other` last."""
    return tuple(sorted(rows.items(), key=lambda row: (row[0] == OTHER, -row[1], row[0])))


def landed_records(settings: Settings | None) -> tuple[list[DumpRecord], Settings]:
    """The landed dumps of an installation, or only those that are shipped if `settings` is None,
    oldest first; with the settings to read them with.

    Raises CorruptLandingError if one has no readable sidecar.
    """
    if settings is not None:
        return read_records(settings), settings
    shipped = Settings(data_dir=SHIPPED_LANDING_DIR.parent)
    return sorted(map(read_record, SHIPPED_DUMPS), key=lambda r: r.as_of), shipped


def read_history(settings: Settings | None = None) -> History:
    """The landed rankings, by default the shipped ones: each day from the newest dump that has it.
    Nothing is written.

    Raises TokenshareError if no rankings are landed, and CorruptLandingError if a dump has changed.
    """
    landed, settings = landed_records(settings)
    records = [r for r in landed if r.source == PRIMARY_SOURCE]
    if not records:
        raise TokenshareError(
            f"{settings.landing_dir}: no dump of {PRIMARY_SOURCE} is landed there; land one with "
            "`tokenshare land`, or leave --landed out to use the shipped history"
        )
    days: dict[date, dict[str, int]] = {}
    source = SOURCES[PRIMARY_SOURCE]
    for record in reversed(records):
        good, _ = split_rows(parse(read_dump(record, settings), source), source.table, record.as_of)
        columns = (good.column(n).to_pylist() for n in ("usage_date", "model_permaslug", "tokens"))
        found: dict[date, dict[str, int]] = {}
        for day, slug, tokens in zip(*columns, strict=True):
            found.setdefault(day, {})[slug] = tokens
        days = found | days
    return History({d: in_order(days[d]) for d in sorted(days)}, records[-1].as_of)
