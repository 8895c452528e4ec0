"""`tokenshare status`: is everything well? For people, for scripts and for monitoring."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from orchestration import __version__
from orchestration.errors import VerificationError, safe_text
from orchestration.files import format_time
from orchestration.settings import Settings
from orchestration.terminal import (
    AsJson,
    DataDir,
    epilog,
    print_json,
    print_labeled,
    settings_of,
)

DAMAGED, WITHHELD, STALE, LAST_RUN_FAILED = 6, 10, 12, 13
# If there are several problems, the first of these is the exit code.
_WORST_FIRST = (DAMAGED, LAST_RUN_FAILED, STALE, WITHHELD)
_LABEL_WIDTH = 12
_FOLDERS = (
    "landing",
    "refused",
    "inbox",
    "warehouse",
    "candidates",
    "published",
    "runs",
    "dagster",
)


def _vintage(settings: Settings, now: datetime) -> dict[str, Any]:
    """What the latest vintage states; `sources` and `problems` go to the top of the document.

    Raises VerificationError if it is damaged.
    """
    from orchestration.publication.freshness import freshness
    from orchestration.publication.manifest import vintage_time
    from orchestration.publication.retention import own_vintages, pins
    from orchestration.publication.vintage import latest_vintage

    vintage = latest_vintage(settings)
    count = len(own_vintages(settings))
    if vintage is None:
        text = "nothing is published yet; `tokenshare run` publishes"
        return {"count": count, "problems": [(STALE, text)]}
    sources = freshness(vintage.path, vintage.manifest, settings, now)
    problems = [
        (
            STALE,
            f"{safe_text(one.source)}: the newest day is {one.newest_day}, {one.days_ago} days "
            f"ago; more than {one.stale_after_days} is stale",
        )
        for one in sources
        if one.is_stale
    ]
    problems += [(WITHHELD, one.describe()) for one in vintage.withheld]
    created = vintage_time(vintage.vintage_id)
    assert created is not None  # `latest_vintage` has checked the id
    created = created.replace(tzinfo=UTC)
    return {
        "vintage_id": vintage.vintage_id,
        "created_at": format_time(created),
        "age_hours": round((now - created).total_seconds() / 3600, 1),
        "count": count,
        "pinned": len(pins(settings)),
        "sources": [
            {
                "source": one.source,
                "newest_day": one.newest_day.isoformat(),
                "days_ago": one.days_ago,
                "requests": one.requests,
                "stale_after_days": one.stale_after_days,
                "is_stale": one.is_stale,
            }
            for one in sources
        ],
        "withheld": [one.source for one in vintage.withheld],
        "problems": problems,
    }


def _inbox(settings: Settings) -> dict[str, Any]:
    from orchestration.landing.inbox import refused_files, scan_inbox

    found = scan_inbox(settings)
    return {
        "ready": [safe_text(path.name) for path in found.ready],
        "waiting": {safe_text(path.name): why for path, why in sorted(found.left.items())},
        "refused": {safe_text(path.name): why for path, why in refused_files(settings).items()},
    }


def _bytes(folder: Path) -> int:
    """The size of all files below a folder. Files that disappear meanwhile do not count."""
    size = 0
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        size += status.st_size if not path.is_dir() else 0
    return size


def read_status(settings: Settings, now: datetime | None = None) -> dict[str, Any]:
    """The document of `tokenshare status --json`, as docs/operations.md describes it.

    Nothing is locked, written or hashed. Raises TokenshareError if the inbox or the log of the
    vintages cannot be read.
    """
    from orchestration.landing.store import dumps_set_aside
    from orchestration.publication.vintage import refused_candidates
    from orchestration.run_log import read_runs

    now = now or datetime.now(UTC)
    try:
        vintage = _vintage(settings, now)
    except VerificationError as error:
        vintage = {"problems": [(DAMAGED, str(error))]}
    problems: list[tuple[int, str]] = vintage.pop("problems")
    runs = read_runs(settings)
    ended = [run for run in runs if run.state != "running"]
    bad = [run for run in runs if run.is_bad]
    if ended and ended[-1].is_bad and ended[-1].exit_code != WITHHELD:  # the vintage says that
        problems.append((LAST_RUN_FAILED, _in_words(ended[-1].model_dump(mode="json"))))
    found = {code for code, _ in problems}
    free = shutil.disk_usage(settings.data_dir).free if settings.data_dir.exists() else None
    sources = vintage.pop("sources", [])
    withheld = vintage.pop("withheld", [])
    return {
        "status": 1,
        "tokenshare": __version__,
        "at": format_time(now),
        "data_dir": str(settings.data_dir),
        "exit_code": next((code for code in _WORST_FIRST if code in found), 0),
        "problems": [{"exit_code": code, "text": text} for code, text in problems],
        "sources": sources,
        "vintage": vintage if "vintage_id" in vintage else None,
        "vintages": vintage.get("count"),
        "withheld": withheld,
        "inbox": _inbox(settings),
        "running": [run.model_dump(mode="json") for run in runs if run.state == "running"],
        "last_run": ended[-1].model_dump(mode="json") if ended else None,
        "last_bad_run": bad[-1].model_dump(mode="json") if bad else None,
        "refused_candidates": {
            path.name: list(rules) for path, rules in refused_candidates(settings).items()
        },
        "set_aside": {
            f"{folder.parent.name}/{folder.name}": why
            for folder, why in dumps_set_aside(settings).items()
        },
        "next_run": format_time(settings.next_night(now)),
        "bytes": {name: _bytes(settings.data_dir / name) for name in _FOLDERS},
        "free_bytes": free,
    }


def _in_words(run: dict[str, Any]) -> str:
    """One run in words."""
    when = run["ended"] or run["started"]
    code = run["exit_code"]
    ended = f", exit code {code}" if code else ""
    error = safe_text(run["error"].split("\n")[0], 300)
    return (
        f"{run['what']} by {run['entrance'].replace('_', ' ')} at {when}: "
        f"{run['state'].replace('_', ' ')}{ended}" + (f": {error}" if error else "")
    )


def _size(number: int | None) -> str:
    if number is None:
        return "unknown"
    return f"{number / 10**9:.1f} GB" if number >= 10**9 else f"{number / 10**6:.1f} MB"


def _lines(status: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is printed: a label and a text per line."""
    code = status["exit_code"]
    yield "status", "all is well" if not code else f"not well (exit code {code})"
    for problem in status["problems"]:
        yield "problem", problem["text"]
    for one in status["sources"]:
        stale = "STALE" if one["is_stale"] else "fresh"
        limit = one["stale_after_days"]
        counted = "" if one["requests"] is None else f" with {one['requests']:,} requests"
        yield (
            "newest day",
            f"{one['newest_day']} {safe_text(one['source'])}{counted}, {one['days_ago']} days ago, "
            + (f"{stale} (up to {limit})" if limit is not None else "not judged"),
        )
    if vintage := status["vintage"]:
        yield (
            "vintage",
            f"{vintage['vintage_id']}, {vintage['age_hours']:.0f} hours old; "
            f"{vintage['count']} kept, {vintage['pinned']} pinned",
        )
    else:
        yield "vintage", "none that can be read"
    for source in status["withheld"]:
        yield "withheld", safe_text(source)
    inbox = status["inbox"]
    yield "inbox", f"{len(inbox['ready'])} ready, {len(inbox['waiting'])} waiting"
    for name, why in inbox["waiting"].items():
        yield "  waits", f"{name}: {why}"
    for name, why in inbox["refused"].items():
        yield "  refused", f"{name}: {why}"
    for run in status["running"]:
        yield (
            "running",
            f"{run['what']} by {run['entrance'].replace('_', ' ')} since " + str(run["started"]),
        )
    yield "last run", _in_words(status["last_run"]) if status["last_run"] else "none is recorded"
    if status["last_bad_run"] and status["last_bad_run"] != status["last_run"]:
        yield "last failure", _in_words(status["last_bad_run"])
    for name, rules in status["refused_candidates"].items():
        yield "refused", f"candidate {safe_text(name)}: {safe_text(', '.join(rules))}"
    for name, why in status["set_aside"].items():
        source, sha256 = name.split("/")
        yield "set aside", f"refused/{safe_text(source)}/{safe_text(sha256, 12)}: {why}"
    yield "next run", f"{status['next_run']}, if a scheduler runs"
    sizes = [f"{name} {_size(size)}" for name, size in status["bytes"].items() if size]
    yield "disk", ", ".join([*sizes, f"free {_size(status['free_bytes'])}"])


def status(
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show whether all is well: the newest day and the newest vintage, what is stale or withheld,
    what waits in the inbox, what failed last and why, the next run, and the use of the disk.

    The exit code is for monitoring: 0 all is well, 6 latest.json or its vintage is damaged (their
    hashes are not read; `tokenshare verify` does), 13 the last run failed, was killed or refused a
    file of the inbox, 12 a source is stale or nothing is published
    (TOKENSHARE_STALE_AFTER_DAYS), 10 a source is withheld. The first that applies is returned.
    """
    found = read_status(settings_of(data_dir))
    if as_json:
        print_json(found)
    else:
        for label, text in _lines(found):
            print_labeled(label, text, _LABEL_WIDTH)
    if found["exit_code"]:
        raise typer.Exit(found["exit_code"])


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog=epilog("tokenshare status", "tokenshare status --json"))(status)
