"""The keyless exports in the shape of OpenRouter's.

Shapes: the real `exports-index` and `rankings-daily` manifest of 2026-10-08, the columns of the
real CSV. The JSON twin of an export is known only from a reader's description.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from orchestration.demo.history import OTHER, Rows
from orchestration.demo.simulator import Feed, as_json, millis
from orchestration.files import sha256_bytes

DATASET = "rankings-daily"
SNAPSHOT_DAYS = 30
_PUBLISHED_AT = time(1, 46, 15, 433_000, tzinfo=UTC)
_LICENSE = {"name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"}
ATTRIBUTION = (
    "Simulated by tokenshare from figures of OpenRouter: not OpenRouter's publication. Source of "
    "the figures: OpenRouter (openrouter.ai), licensed under CC BY 4.0."
)
_COLUMNS = ("date", "model_permaslug", "rank", "total_tokens", "share_of_daily_tokens")


def published_at(day: date) -> datetime:
    """When the snapshot of a day is made: 01:46:15.433 UTC."""
    return datetime.combine(day, _PUBLISHED_AT)


@dataclass(frozen=True)
class Snapshot:
    """The three files of one dated export, which never change."""

    day: date
    csv: bytes
    json: bytes
    manifest: bytes


def _ranked(window: Iterable[tuple[date, Rows]]) -> list[tuple[str, str, int | None, int, str]]:
    """The rows of an export in the order of its columns."""
    rows = []
    for day, of_day in window:
        total = sum(tokens for _, tokens in of_day)
        for rank, (slug, tokens) in enumerate(of_day, start=1):
            share = repr(tokens / total) if total else "0"
            rows.append((day.isoformat(), slug, None if slug == OTHER else rank, tokens, share))
    return rows


@lru_cache(maxsize=64)
def snapshot(feed: Feed, day: date, base_url: str) -> Snapshot:
    """The export of a day: the 30 days before it, as known when it is made."""
    at = published_at(day)
    first = day - timedelta(days=SNAPSHOT_DAYS)
    rows = _ranked(feed.window(first, day - timedelta(days=1), at))
    lines = [",".join(_COLUMNS)]
    lines += [
        f"{d},{slug},{'' if rank is None else rank},{tokens},{share}"
        for d, slug, rank, tokens, share in rows
    ]
    csv = ("\r\n".join(lines) + "\r\n").encode("ascii")
    exports = f"{base_url}/api/v1/datasets/exports"
    described = {
        "dataset": DATASET,
        "schema_version": "v1",
        "snapshot_date": day.isoformat(),
        "retrieved_at": millis(at),
        "row_count": len(rows),
        "update_cadence": "daily",
        "license": _LICENSE,
        "attribution": ATTRIBUTION,
        "readme_url": f"{exports}/README.md",
    }
    twin = as_json(
        {
            **described,
            "methodology": "Simulated; see docs/nights.md of tokenshare.",
            "source_pages": ["https://openrouter.ai/rankings"],
            "columns": [{"name": name} for name in _COLUMNS],
            "rows": [
                {**dict(zip(_COLUMNS, row, strict=True)), _COLUMNS[-1]: float(row[-1])}
                for row in rows
            ],
        }
    )
    manifest = as_json(
        {
            **described,
            "files": {
                "csv": _file(f"{exports}/{DATASET}/{day}.csv", "text/csv", csv),
                "json": _file(f"{exports}/{DATASET}/{day}.json", "application/json", twin),
            },
            "latest": {
                "csv": f"{exports}/{DATASET}/latest.csv",
                "json": f"{exports}/{DATASET}/latest.json",
                "manifest": f"{exports}/{DATASET}/latest.manifest.json",
            },
        }
    )
    return Snapshot(day, csv, twin, manifest)


def _file(url: str, encoding: str, content: bytes) -> dict[str, object]:
    return {
        "url": url,
        "encoding_format": encoding,
        "bytes": len(content),
        "sha256": sha256_bytes(content),
    }


def index(day: date, base_url: str) -> bytes:
    """The list of data sets. The real one lists three more, which this server does not have."""
    exports = f"{base_url}/api/v1/datasets/exports"
    return as_json(
        {
            "schema_version": "v1",
            "updated_at": millis(published_at(day)),
            "update_cadence": "daily",
            "license": _LICENSE,
            "attribution": ATTRIBUTION,
            "readme_url": f"{exports}/README.md",
            "license_url": f"{exports}/LICENSE",
            "datasets": [
                {
                    "id": DATASET,
                    "title": "OpenRouter model rankings, daily token share",
                    "latest_snapshot_date": day.isoformat(),
                    "latest_manifest_url": f"{exports}/{DATASET}/latest.manifest.json",
                }
            ],
        }
    )
