"""What one pull works with: the client, the clock, the budget of calls, and what it has done."""

import gzip
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestration.files import (
    new_building_folder,
    read_json,
    sha256_bytes,
    to_json,
    write_atomically,
)
from orchestration.landing.gaps import Gap
from orchestration.landing.store import Landed, land
from orchestration.pulling.client import Client
from orchestration.settings import Settings

_OPENROUTER = "https://openrouter.ai"
_VERCEL = "https://vercel.com"
_FOLDER = re.compile("[a-z_-]+(/[a-z_-]+)?/[0-9a-f]{64}")

_REMEMBERED = timedelta(days=60)

Progress = Callable[[str], None]


def openrouter(settings: Settings) -> str:
    """The address of OpenRouter's API, without a slash at the end."""
    return str(settings.source_url or _OPENROUTER).rstrip("/") + "/api/v1"


def vercel(settings: Settings) -> str:
    """The address of Vercel's API, without a slash at the end."""
    return str(settings.source_url or _VERCEL).rstrip("/") + "/api/ai"


@dataclass
class Night:
    """One pull. `clock` returns the present time; `landed`, `gaps`, `notices` and `failures` grow
    as it goes. `failures` are those of the rankings."""

    settings: Settings
    client: Client
    progress: Progress
    clock: Callable[[], datetime]
    landed: list[Landed] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def calls_left(self) -> int:
        """How many requests the budget still allows."""
        return max(0, self.settings.calls_per_night - self.client.calls)

    def now(self) -> datetime:
        return self.clock().astimezone(UTC).replace(microsecond=0)

    def land(
        self, files: dict[str, bytes], name: str, url: str, source: str, now: datetime
    ) -> Landed:
        """Land the file `name` of `files`, which are put beside each other under these names.

        Raises RefusedDumpError and CorruptLandingError as `store.land` does.
        """
        folder = new_building_folder(self.settings.pulls_dir, f"{os.getpid()}-answer")
        try:
            for file, content in files.items():
                (folder / file).write_bytes(content)
            landed = land(folder / name, self.settings, source, now=now, url=url)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.landed.append(landed)
        return landed

    def land_json(self, body: bytes, url: str, source: str) -> str:
        """Land an answer, compressed; returns its folder below `landing/`. One that is landed
        already is left as it is.

        Raises RefusedDumpError and CorruptLandingError as `store.land` does.
        """
        now, content = self.now(), gzip.compress(body, mtime=0)
        folder = f"{source}/{sha256_bytes(content)}"
        if not (self.settings.landing_dir / folder).is_dir():
            # The time in the name becomes pulled_at and, if the answer states none, as_of.
            name = f"{now:%Y-%m-%dT%H-%M-%SZ}.json.gz"
            self.land({name: content}, name, url, source, now)
        return folder


class Seen:
    """What is known of earlier answers by address: their ETag, and the folder that they are in.

    It is only a saving: if the file is lost, answers are asked for in full again. Addresses with
    days in them are not asked for for ever, so those that were not asked for lately are forgotten.
    """

    def __init__(self, settings: Settings, now: datetime) -> None:
        self._landing = settings.landing_dir
        self._path: Path = settings.pulls_dir / "seen.json"
        self._today = now.date()
        try:
            known = read_json(self._path)
        except (OSError, ValueError):
            known = {}
        since = (self._today - _REMEMBERED).isoformat()
        self._known = {
            url: entry
            for url, entry in known.items()
            if isinstance(entry, dict) and str(entry.get("day", "")) >= since
        }

    def get(self, url: str, parent: str) -> tuple[str, str]:
        """The ETag and the folder of the last answer, which is below `parent` in `landing/`; empty
        if it is not known, or if that folder is not there any more."""
        entry = self._known.get(url, {})
        if entry:
            entry["day"] = self._today.isoformat()
        etag, folder = str(entry.get("etag", "")), str(entry.get("folder", ""))
        is_there = (
            _FOLDER.fullmatch(folder) is not None
            and folder.startswith(f"{parent}/")
            and (self._landing / folder).is_dir()
        )
        return (etag, folder) if is_there and etag.isascii() and etag.isprintable() else ("", "")

    def put(self, url: str, etag: str, folder: str) -> None:
        """Remember an answer, and write the file."""
        self._known[url] = {"etag": etag, "folder": folder, "day": self._today.isoformat()}
        write_atomically(self._path, to_json(self._known))
