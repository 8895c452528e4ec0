"""Lay out a site: vintages, the newest one under an address that stays, and the files around them.

Every vintage is copied, and the copy is verified. A vintage with request logs of a company is left
out unless somebody asks for it. The folder is replaced as a whole, and only if all of it is ours.
"""

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.diff.usage import Difference, compare_vintages
from orchestration.errors import TokenshareError, VerificationError, plain_names, quoted
from orchestration.files import (
    BUILDING_PREFIX,
    move_into_place,
    new_building_folder,
    read_json,
    reading,
    to_json,
)
from orchestration.publication.freshness import newest_days
from orchestration.publication.manifest import (
    LATEST_NAME,
    nothing_published,
    read_manifest,
    with_repair_advice,
    write_pointer,
)
from orchestration.publication.retention import folder_bytes, made_for, own_vintages
from orchestration.publication.signature import SIGNATURE_NAME
from orchestration.publication.verify import verify
from orchestration.publication.vintage import latest_vintage
from orchestration.report.explorer.page import PAGE_NAME as EXPLORER
from orchestration.report.own.page import PAGE_NAME as OWN_PAGE
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.site.pages import feed, front_page, llms_text, robots, sitemap
from orchestration.site.shown import Shown
from orchestration.sources import SOURCES

_KIND = "tokenshare site"
INDEX_NAME, FEED_NAME, LLMS_NAME = "index.json", "feed.xml", "llms.txt"
# What a site may have at its top. A folder with anything else is somebody's, and is not replaced.
_OURS = {
    "index.html", INDEX_NAME, FEED_NAME, LLMS_NAME, LATEST_NAME, "robots.txt", "sitemap.xml",
    "latest", "vintages",
}  # fmt: skip

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Site:
    """A site that was laid out. `left_out` has the reason for each vintage that is not on it."""

    path: Path
    shown: Sequence[Shown]
    left_out: dict[str, str]
    bytes: int
    files: int
    notices: Sequence[str]


def request_logs_of(manifest: dict[str, Any]) -> list[str]:
    """The sources of a vintage that are not public: request logs, and whatever this version does
    not know. A source that is withheld counts, since the manifest quotes its rows."""
    named = {str(entry.get("source")) for entry in manifest["inputs"]}
    named |= {str(entry.get("source")) for entry in manifest.get("withheld", ())}
    found = sorted(named - set(SOURCES))
    # Its page is made from request logs only.
    if any(entry["path"] == f"report/{OWN_PAGE}" for entry in manifest["outputs"]):
        found = found or [OWN_PAGE]
    return found


def _why_private(manifest: dict[str, Any]) -> str:
    """Why a vintage must not be on a public site, or "" if it may."""
    found = request_logs_of(manifest)
    return f"holds request logs ({plain_names(found)})" if found else ""


def _check_target(target: Path, settings: Settings) -> None:
    """Raises TokenshareError if the folder must not be replaced by a site."""
    for folder in (settings.published_dir, settings.landing_dir, PROJECT_ROOT / "orchestration"):
        if target.is_relative_to(folder):
            raise TokenshareError(f"{target}: is inside {folder}; choose a folder outside of it")
    for folder in (settings.data_dir, PROJECT_ROOT):
        if folder.is_relative_to(target):
            raise TokenshareError(f"{target}: contains {folder}; choose a folder of its own")
    if not target.exists():
        return
    if not target.is_dir():
        raise TokenshareError(f"{target}: is a file; expected a folder")
    there_are = {path.name for path in target.iterdir()}
    if not there_are:
        return
    with suppress(OSError, ValueError):
        if read_json(target / INDEX_NAME).get("kind") == _KIND and there_are <= _OURS:
            return
    others = sorted(there_are - _OURS)
    raise TokenshareError(
        f"{target}: is not a folder that `tokenshare site` made alone"
        + (f", it has {quoted(others[0])}" if others else f", its {INDEX_NAME} is not a site's")
        + "; nothing was changed. Name a new or an empty folder"
    )


def _copy(folder: Path, target: Path) -> dict[str, Any]:
    """Copy a vintage and verify the copy; returns its manifest."""
    with reading(folder):
        # Links are copied as links, which do not verify.
        shutil.copytree(folder, target, symlinks=True)
    return verify(target, deep=False)


def _difference(before: Path, after: Path) -> Difference | str:
    """What changed between two vintages, or why they cannot be compared."""
    try:
        return compare_vintages(before, after)
    except VerificationError:
        return "it cannot be compared with that vintage, which has other tables"
    except TokenshareError:
        return "no day is in both"


def _choose(
    settings: Settings, most: int | None, with_request_logs: bool
) -> tuple[list[Path], dict[str, str]]:
    """The folders of the vintages for the site, newest first, and why others are left out.

    Raises TokenshareError if nothing is published, or if the latest vintage must not be on it.
    """
    latest = latest_vintage(settings)
    if latest is None:
        raise nothing_published(settings)
    chosen: list[Path] = []
    left_out: dict[str, str] = {}
    for folder in own_vintages(settings):
        if folder.name > latest.vintage_id:
            left_out[folder.name] = f"latest.json names the older {latest.vintage_id}"
            continue
        if most is not None and len(chosen) == most:
            break
        try:
            why = _why_private(read_manifest(folder))
        except VerificationError as error:
            left_out[folder.name] = str(error)
            continue
        if not why or with_request_logs:
            chosen.append(folder)
        elif folder.name == latest.vintage_id:
            raise TokenshareError(
                f"the newest vintage {folder.name} {why}, so no site is laid out; "
                "--with-request-logs does, for a host that only your own people can read"
            )
        else:
            left_out[folder.name] = why
    return chosen, left_out


def _shown(
    folder: Path, copy: Path, manifest: dict[str, Any], older: Shown | None, settings: Settings
) -> Shown:
    return Shown(
        manifest=manifest,
        newest_days={
            source: day.isoformat() for source, day in sorted(newest_days(copy, manifest).items())
        },
        bytes=folder_bytes(copy),
        is_signed=(copy / SIGNATURE_NAME).exists(),
        has_explorer=(copy / "report" / EXPLORER).exists(),
        made_for=made_for(manifest, settings),
        before=older.vintage_id if older else None,
        difference=_difference(copy.with_name(older.vintage_id), copy) if older else None,
        holds_request_logs=bool(request_logs_of(manifest)),
    )


def lay_out(
    target: Path,
    settings: Settings,
    base_url: str = "",
    most: int | None = None,
    with_request_logs: bool = False,
    progress: Progress = lambda _: None,
) -> Site:
    """Write the site to the folder `target`, which must be new, empty, or a site.

    `base_url` is where it will be served, with a slash at the end, or "" for relative links. `most`
    is how many vintages it has. It is built beside `target` and takes its place at the end.

    Raises TokenshareError if the folder is not ours or the newest vintage must not be public, and
    VerificationError if that vintage is not what was published.
    """
    target = target.expanduser().resolve()
    _check_target(target, settings)
    folders, left_out = _choose(settings, most, with_request_logs)
    building = new_building_folder(target.parent, f"site-{target.name}")
    try:
        shown = _fill(building, folders, left_out, settings, base_url, progress)
        old = target.with_name(f"{BUILDING_PREFIX}site-old-{target.name}")
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        move_into_place(building, target)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    files = sum(1 for path in target.rglob("*") if path.is_file())
    notices = [f"{vintage_id} is left out: {why}" for vintage_id, why in left_out.items()]
    if not base_url:
        notices.append(
            "without --base-url, the links of feed.xml and llms.txt are relative, which some "
            "feed readers do not follow, and there is no sitemap.xml"
        )
    return Site(target, shown, left_out, folder_bytes(target), files, notices)


def _fill(
    building: Path,
    folders: Sequence[Path],
    left_out: dict[str, str],
    settings: Settings,
    base_url: str,
    progress: Progress,
) -> list[Shown]:
    """Copy the vintages and write every other file; returns what is shown, newest first."""
    shown: list[Shown] = []
    newest = folders[0].name
    for folder in reversed(folders):
        progress(f"copying {folder.name}")
        copy = building / "vintages" / folder.name
        try:
            manifest = _copy(folder, copy)
        except VerificationError as error:
            problem = str(error).replace(str(copy), str(folder))
            if folder.name == newest:
                raise with_repair_advice(VerificationError(problem)) from error
            shutil.rmtree(copy, ignore_errors=True)
            left_out[folder.name] = problem
            continue
        older = shown[0] if shown else None
        shown.insert(0, _shown(folder, copy, manifest, older, settings))
    shutil.copytree(building / "vintages" / newest, building / "latest")
    write_pointer(building, shown[0].manifest)
    written = {
        "index.html": front_page(shown),
        FEED_NAME: feed(shown, base_url, settings.signed_by),
        LLMS_NAME: llms_text(shown[0], base_url),
        INDEX_NAME: to_json(
            {
                "kind": _KIND,
                "latest": newest,
                "vintages": [one.entry() for one in shown],
                "citations": shown[0].manifest["citations"],
            }
        ),
    }
    if base_url:
        written |= {"robots.txt": robots(base_url), "sitemap.xml": sitemap(shown, base_url)}
    for name, content in written.items():
        (building / name).write_bytes(content)
    return shown
