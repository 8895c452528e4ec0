"""How old the data of a vintage is: by the newest day in it, not by when a dump was made."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from orchestration.request_logs import REQUEST_LOGS
from orchestration.settings import Settings
from orchestration.tables import open_files

# Published tables with days of use. Other sources are as new as the window of their newest dump.
_DAILY = ("usage_daily", "gateway_shares_daily")


# A log that every night pulls may pause over a weekend: on Tuesday before the night, Friday is four
# days ago.
_PULLED_LOG_DAYS = 4


@dataclass(frozen=True)
class Freshness:
    """The newest UTC day of one source in a vintage, and how many days ago that day may be; None if
    nobody expects it every night. `requests` are those of the newest day, None if the source counts
    none."""

    source: str
    newest_day: date
    days_ago: int
    stale_after_days: int | None
    requests: int | None = None

    @property
    def is_stale(self) -> bool:
        return self.stale_after_days is not None and self.days_ago > self.stale_after_days


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


def _requests(folder: Path) -> dict[str, int]:
    """The requests with tokens of the newest day of each source that counts requests."""
    table = folder / "tables" / "usage_daily.parquet"
    if not table.exists():
        return {}
    with open_files({"usage_daily": table}) as connection:
        columns = {name for name, *_ in connection.execute("describe usage_daily").fetchall()}
        if "requests" not in columns:  # a vintage of an older version
            return {}
        return dict(
            connection.execute(
                "select source, cast(sum(requests) as bigint) from usage_daily "
                "where requests is not null "
                "and (source, usage_date) in "
                "(select (source, max(usage_date)) from usage_daily group by source) "
                "group by source"
            ).fetchall()
        )


def _stale_after(source: str, settings: Settings) -> int | None:
    """How many days ago the newest day may be. A request log is judged if its source is named in
    the setting, or if pulls land it: whoever lands a file now and then is not told every night that
    it is old."""
    if source not in REQUEST_LOGS or source in settings.stale_after_days:
        return settings.stale_after(source)
    is_pulled = source == "litellm_spendlogs" and settings.litellm_database_url is not None
    return _PULLED_LOG_DAYS if is_pulled else None


def freshness(
    folder: Path, manifest: dict[str, Any], settings: Settings, now: datetime
) -> list[Freshness]:
    """How old each source of a vintage is at `now`, by name.

    Raises VerificationError if a table cannot be read.
    """
    today = now.astimezone(UTC).date()
    requests = _requests(folder)
    return [
        Freshness(
            source, day, (today - day).days, _stale_after(source, settings), requests.get(source)
        )
        for source, day in sorted(newest_days(folder, manifest).items())
    ]
