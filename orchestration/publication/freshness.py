"""How old the data of a vintage is: by the newest day in it, not by when a dump was made."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from orchestration.settings import Settings
from orchestration.tables import open_files

# Published tables with days of use. Other sources are as new as the window of their newest dump.
_DAILY = ("usage_daily", "gateway_shares_daily")


@dataclass(frozen=True)
class Freshness:
    """The newest UTC day of one source in a vintage, and how many days ago that day may be."""

    source: str
    newest_day: date
    days_ago: int
    stale_after_days: int

    @property
    def is_stale(self) -> bool:
        return self.days_ago > self.stale_after_days


def newest_days(folder: Path, manifest: dict[str, Any]) -> dict[str, date]:
    """The newest UTC day of each source in a vintage.

    Raises VerificationError if a table cannot be read.
    """
    days: dict[str, date] = {}
    for entry in manifest["inputs"]:
        stated = entry.get("window_end") or entry["as_of"][:10]
        day = date.fromisoformat(stated)
        source = str(entry.get("source", ""))
        days[source] = max(day, days.get(source, day))
    files = {name: folder / "tables" / f"{name}.parquet" for name in _DAILY}
    held = {name: path for name, path in files.items() if path.exists()}
    with open_files(held) as connection:
        for name in held:
            days |= dict(
                connection.execute(
                    f"select source, max(usage_date) from {name} group by all"
                ).fetchall()
            )
    return days


def freshness(
    folder: Path, manifest: dict[str, Any], settings: Settings, now: datetime
) -> list[Freshness]:
    """How old each source of a vintage is at `now`, by name.

    Raises VerificationError if a table cannot be read.
    """
    today = now.astimezone(UTC).date()
    return [
        Freshness(source, day, (today - day).days, settings.stale_after(source))
        for source, day in sorted(newest_days(folder, manifest).items())
    ]
