"""`tokenshare replay DIR`: a folder of pulls, each of them as its own night."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.errors import (
    GateRefusedError,
    RefusedDumpError,
    SourceWithheldError,
    TokenshareError,
    TransformError,
    with_notes,
)
from orchestration.files import format_time
from orchestration.terminal import (
    NO_BREAK,
    DataDir,
    console,
    epilog,
    print_labeled_error,
    print_message,
    print_notices,
    settings_of,
    unbroken,
)

if TYPE_CHECKING:
    from datetime import date

    from orchestration.replay import Night

EPILOG = epilog("tokenshare replay pulls --data-dir /tmp/nights")
# If several nights failed, the exit code is that of the first of these.
_WORST_FIRST: tuple[type[TokenshareError], ...] = (
    GateRefusedError,
    TransformError,
    RefusedDumpError,
)


def replay(
    folder: Annotated[
        Path, typer.Argument(help="Folder of dumps whose names have the time of the pull.")
    ],
    data_dir: DataDir = None,
) -> None:
    """Run every pull of a folder as its own night, in the order of the times in the file names.

    The data folder may be empty; the shipped history is not landed. Every night lands one pull,
    builds, gates, publishes and verifies. A night that fails is named and its dump is set aside in
    refused/ of the data folder; the nights after it go on. A replay that was interrupted goes on
    where it ended: pulls that are in the latest vintage are not run again.
    """
    from orchestration.replay import replay as replay_nights

    settings = settings_of(data_dir)
    ended: list[Night] = []
    with console.status("starting") as status:
        for night in replay_nights(folder, settings, lambda step: status.update(f"{step} …")):
            ended.append(night)
            _print_night(len(ended), night)
    _print_summary(ended)
    _raise_if_failed(ended)


def _print_night(number: int, night: "Night") -> None:
    what = f"vintage {night.vintage_id}, verified" if night.vintage_id else night.why_not
    print_message(
        f"night {number}: {unbroken(night.file)}, as of {format_time(night.as_of)}: new "
        f"{_days(night.new_days)}, restated {_days(night.restated_days)}; {what}; "
        f"{night.seconds:.1f}{NO_BREAK}s"
    )
    print_notices([*night.notices, *night.withheld])
    if night.failure is not None:
        print_labeled_error("failed", with_notes(night.failure))


def _days(days: "Sequence[date]") -> str:
    if len(days) > 3:
        return f"{len(days)} days from {days[0]} to {days[-1]}"
    return ", ".join(map(str, days)) or "none"


def _print_summary(ended: "Sequence[Night]") -> None:
    published = [n for n in ended if n.vintage_id]
    failed = [n for n in ended if n.failure]
    restated = sum(len(n.restated_days) for n in ended)
    new = sum(len(n.new_days) for n in ended)
    print_message(
        f"{len(ended)} nights: {len(published)} published and verified, {len(failed)} failed, "
        f"{len(ended) - len(published) - len(failed)} with nothing new; {new} new days, "
        f"{restated} restatements of a day; {sum(n.seconds for n in ended):.0f}{NO_BREAK}s"
    )
    for night in failed:
        print_message(f"failed: {unbroken(night.file)}")


def _raise_if_failed(ended: "Sequence[Night]") -> None:
    """Raise an error with the exit code of the worst failure, or SourceWithheldError if the last
    night withheld a source."""
    for kind in _WORST_FIRST:
        if named := [n.file for n in ended if isinstance(n.failure, kind)]:
            raise kind(
                f"{len(named)} night(s) failed: {', '.join(named)}; the reasons are above and in "
                "refused/ of the data folder"
            )
    if ended and ended[-1].withheld:
        raise SourceWithheldError("\n".join(ended[-1].withheld))
