"""`tokenshare reduce`: the days of request logs, reduced without a run."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.terminal import (
    AsJson,
    DataDir,
    ShownProgress,
    epilog,
    print_json,
    print_notices,
    print_table,
    print_text,
    settings_of,
)

if TYPE_CHECKING:
    from orchestration.transformation.request_days import Day

EPILOG = epilog(
    "tokenshare reduce",
    "tokenshare reduce --source litellm_spendlogs --to 2026-10-31",
    "tokenshare reduce --from 2026-11-20 --again --json",
)
# More days than this are listed by month.
_MOST_DAYS = 62


def reduce_command(
    source: Annotated[
        str | None,
        typer.Option(help="Only this request log, by its name in `tokenshare land --help`."),
    ] = None,
    first: Annotated[
        datetime | None,
        typer.Option(
            "--from", formats=["%Y-%m-%d"], metavar="DAY", help="The first UTC day.",
            show_default="the first landed one",
        ),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option(
            "--to", formats=["%Y-%m-%d"], metavar="DAY", help="The last UTC day.",
            show_default="the last landed one",
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Reduce also the days that are reduced already.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:  # fmt: skip
    """Reduce the landed request logs to days: those that are open, because they are new or have new
    rows. `tokenshare run` does this too, and publishes.

    It can be interrupted at any time: what is done stays done, and the next run goes on. A day that
    is reduced again has the same bytes.
    """
    from orchestration import pipeline
    from orchestration.request_logs import REQUEST_LOGS
    from orchestration.transformation.request_days import contents

    if source is not None and source not in REQUEST_LOGS:
        raise typer.BadParameter(f"--source: expected one of {', '.join(REQUEST_LOGS)}")
    begin = first.date() if first else date.min
    end = last.date() if last else date.max
    if begin > end:
        raise typer.BadParameter(f"--from {begin} is after --to {end}")

    def is_chosen(day: "Day") -> bool:
        return source in (None, day.source) and begin <= day.usage_date <= end

    settings = settings_of(data_dir)
    with ShownProgress() as progress:
        done = pipeline.reduce(settings, is_chosen, progress, again=again, entrance="command_line")
    print_notices(done.notices)
    found = contents(done.days)
    listed = [
        {
            "source": day.source,
            "usage_date": day.usage_date.isoformat(),
            "requests": found[day.path].requests,
            "tokens": found[day.path].tokens,
            "rows": day.rows,
            "dumps": len(day.records),
        }
        for day in done.days
    ]
    if as_json:
        print_json({"reduced": done.reduced, "days": listed})
        return
    if listed:
        _print_days(listed)
    print_text(
        f"{done.reduced} of {len(listed)} day(s) reduced in {progress.seconds:.1f} s; "
        "`tokenshare run` publishes them"
        if listed
        else "no landed request log has such a day; `tokenshare land` lands one",
    )


def _print_days(listed: Iterable[dict[str, Any]]) -> None:
    """Print a row per source and day, or month if there are many days."""
    rows = list(listed)
    is_long = len(rows) > _MOST_DAYS
    periods: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        period = row["usage_date"][:7] if is_long else row["usage_date"]
        periods.setdefault((row["source"], period), []).append(row)
    table = []
    for (source, period), own in periods.items():
        sums = (f"{sum(row[name] for row in own):,}" for name in ("rows", "requests", "tokens"))
        table.append((source, period, f"{len(own)}", *sums))
    period = "month" if is_long else "day"
    print_table(("source", period, ">days", ">rows", ">requests", ">tokens"), table)
