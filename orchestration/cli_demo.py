"""`tokenshare demo-server` and `tokenshare simulate`: nights without a network."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from orchestration.settings import Settings
from orchestration.terminal import console, epilog, output, print_message, unbroken

simulate_app = typer.Typer(
    no_args_is_help=True,
    help="Make simulated dumps; their names and README say that they are.",
    epilog=epilog("tokenshare simulate pulls nights"),
)

SERVE_EPILOG = epilog(
    "tokenshare demo-server",
    "tokenshare demo-server --today 2026-11-01 --seconds-per-night 60 --log",
    "tokenshare demo-server --fault 429:2 --fault stall:1:/api/v1/datasets",
)

Landed = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Data folder whose landed dumps are used; it is only read.",
        show_default="the shipped history",
    ),
]
Seed = Annotated[int, typer.Option(help="The same seed makes the same figures.")]


def _today() -> date:
    return datetime.now(UTC).date()


def _day(text: str | None, option: str) -> date | None:
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError as error:
        raise typer.BadParameter(f"{option}: expected a UTC day, YYYY-MM-DD") from error


def _past_day(text: str | None, option: str, default: date) -> date:
    day = _day(text, option) or default
    if day > _today():
        raise typer.BadParameter(
            f"{option} is {day}, after today ({_today()}): its dumps would be from the future"
        )
    return day


def _settings(landed: Path | None) -> Settings | None:
    return Settings(data_dir=landed) if landed else None


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 chooses a free port.")] = 8787,
    landed: Landed = None,
    today: Annotated[
        str | None,
        typer.Option(help="UTC day of the newest snapshot.", show_default="today"),
    ] = None,
    oldest: Annotated[
        str | None,
        typer.Option(
            help="UTC day of the oldest snapshot; older ones answer 404.",
            show_default="2026-09-19, as on the real server",
        ),
    ] = None,
    seconds_per_night: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Move to the next night after so many seconds, up to today.",
            show_default="never",
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FAULT",
            help="May be given several times. Of answers: 429, 500, truncated, slow, stall or "
            "wrong-content-type, with :N for the first N requests of each path (default 1) or "
            ":0.2 for that share of all requests, then perhaps :/PATH for paths that begin so. "
            "publish-during-pull[:N] publishes the newest snapshot only after N requests for "
            "exports. Of the feed, one of them: trailing-sums:DAY, tiny-day:DAY, empty-day:DAY, "
            "repeated-day:DAY or restated:DAY.",
            show_default=False,
        ),
    ] = None,
    calls_per_minute: Annotated[
        int, typer.Option(min=1, help="Calls with a key; more are answered with 429.")
    ] = 30,
    slow_seconds: Annotated[float, typer.Option(min=0, help="How long a slow answer takes.")] = 5.0,
    seed: Seed = 0,
    log: Annotated[
        bool, typer.Option("--log", help="Print each request; headers never are.")
    ] = False,
) -> None:
    """Serve what OpenRouter and Vercel serve, on this machine, to try pulls without a network.

    Keyless exports of rankings-daily, the keyed API (any key is accepted), catalogue, providers,
    endpoints and Vercel's leaderboard, in the shapes of their owners. Figures up to the end of the
    landed history are OpenRouter's, later days are made up, and answers restate the last days as
    real ones do: docs/nights.md. What you pull from here is simulated, so pull it into a data
    folder of its own.
    """
    from orchestration.demo import server
    from orchestration.demo.faults import parse_faults

    faults = parse_faults(fault or [])
    day = _past_day(today, "--today", _today())
    demo = server.make_demo(
        day,
        _settings(landed),
        seed,
        faults.of_feed,
        faults.of_feed_from,
        oldest=_day(oldest, "--oldest") or server.OLDEST_SNAPSHOT,
        calls_per_minute=calls_per_minute,
        publishes_after=faults.publishes_after,
        on_request=(lambda line: console.print(line, markup=False)) if log else None,
    )
    with server.demo_server(demo, faults.of_answers, seed, slow_seconds, port), _interrupt() as end:
        output.print(
            f"{demo.base_url} serves simulated nights; the newest snapshot is of {demo.today}, and "
            f"days after {demo.feed.history.last} are made up\nin another terminal:\n"
            f"  TOKENSHARE_DATA_DIR=$(mktemp -d) tokenshare run --source-url {demo.base_url}\n"
            "Ctrl-C ends it",
            soft_wrap=True,
        )
        while not end.wait(seconds_per_night):
            if demo.today < _today():
                output.print(f"the newest snapshot is now of {demo.next_night()}")


@contextmanager
def _interrupt() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set: for a server they are the end, not a failure."""
    event = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: event.set()) for number in numbers]
    try:
        yield event
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@simulate_app.command(
    epilog=epilog(
        "tokenshare simulate pulls /tmp/nights",
        "tokenshare simulate pulls /tmp/year --nights 365 --seed 7",
        "tokenshare simulate pulls /tmp/bad --fault trailing-sums --from 2026-08-20",
    )
)
def pulls(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    nights: Annotated[int, typer.Option(min=1, help="How many pulls, one a night.")] = 45,
    until: Annotated[
        str | None,
        typer.Option(
            help="UTC day of the last pull.", show_default="the day after the history ends"
        ),
    ] = None,
    seed: Seed = 0,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days in each pull.")] = 30,
    layout: Annotated[str, typer.Option(help="csv (three columns) or json (with meta).")] = "csv",
    fault: Annotated[
        str | None,
        typer.Option(
            help="trailing-sums, tiny-day, empty-day, repeated-day or restated.",
            show_default="a healthy feed",
        ),
    ] = None,
    fault_from: Annotated[
        str | None,
        typer.Option(
            "--from", help="UTC day of usage on which the fault begins.", show_default=False
        ),
    ] = None,
    landed: Landed = None,
) -> None:
    """Write a series of nightly pulls of rankings-daily, restated as real ones are.

    The nights draw their early readings and restatements from a measurement of 46 real pulls
    (docs/nights.md). Days after the end of the history are made up.
    """
    from orchestration.demo.history import read_history
    from orchestration.demo.simulator import Feed, write_pulls

    if layout not in ("csv", "json"):
        raise typer.BadParameter("--layout: expected csv or json")
    history = read_history(_settings(landed))
    last = _past_day(until, "--until", min(history.last + timedelta(days=1), _today()))
    feed = Feed(history, seed, fault, _day(fault_from, "--from"))  # type: ignore[arg-type]  # checked by Feed
    written = write_pulls(feed, folder, last, nights, days, layout)  # type: ignore[arg-type]  # checked above
    print_message(
        f"{unbroken(written[0].parent)}: {len(written)} simulated pulls, {written[0].name} to "
        f"{written[-1].name}"
    )


@simulate_app.command(
    epilog=epilog(
        "tokenshare simulate requests /tmp/load --rows 1000000 --days 7",
        "tokenshare simulate requests /tmp/day.jsonl.gz --rows 2000000 --seed 7",
        "tokenshare simulate requests /tmp/otlp --format otlp --as jsonl",
    )
)
def requests(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER|FILE",
            help="A new or empty folder, for a file a day; or one new file.",
        ),
    ],
    rows: Annotated[int, typer.Option(min=1, max=10**10, help="Rows of each day.")] = 100_000,
    days: Annotated[int, typer.Option(min=1, max=3660, help="How many days; a file has one.")] = 1,
    until: Annotated[
        str | None, typer.Option(help="The last UTC day of usage.", show_default="yesterday")
    ] = None,
    log_format: Annotated[
        str, typer.Option("--format", help="usage_events, litellm_spendlogs or otlp.")
    ] = "usage_events",
    kind: Annotated[
        str | None,
        typer.Option(
            "--as",
            help="For a folder: parquet, csv, csv.gz, jsonl or jsonl.gz.",
            show_default="jsonl.gz",
        ),
    ] = None,
    duplicates: Annotated[
        float, typer.Option(min=0, max=0.5, help="Share of rows that repeat a request.")
    ] = 0.005,
    late: Annotated[
        float, typer.Option(min=0, max=1, help="Share of requests of one of three days before.")
    ] = 0.001,
    bad: Annotated[
        float, typer.Option(min=0, max=1, help="Share of requests that break the contract.")
    ] = 0.0001,
    seed: Seed = 0,
    landed: Landed = None,
) -> None:
    """Write request logs of any size, to try how long they take before real ones are landed.

    The models of each day are those of the rankings, and the numbers of tokens are drawn from real
    traces; all else is made up, as the README beside the files says.
    """
    from orchestration.demo.history import read_history
    from orchestration.demo.requests import FORMATS, Load, ending, write_requests

    if log_format not in FORMATS:
        raise typer.BadParameter(f"--format: expected one of {', '.join(FORMATS)}")
    is_file = bool(target.suffix) and not target.is_dir()
    if is_file and (days > 1 or kind is not None):
        raise typer.BadParameter(
            f"{target} is the name of a file, which has one day and the form that its name says; "
            "leave --days and --as out, or name a folder"
        )
    yesterday = _today() - timedelta(days=1)
    last = _day(until, "--until") or yesterday
    if last > yesterday:
        raise typer.BadParameter(f"--until is {last}, and the last day that is over is {yesterday}")
    duplicates_ppm, late_ppm, bad_ppm = (round(s * 1_000_000) for s in (duplicates, late, bad))
    load = Load(rows, duplicates_ppm, late_ppm, bad_ppm, seed)
    written = write_requests(
        target,
        read_history(_settings(landed)),
        load,
        [last - timedelta(days=n) for n in reversed(range(days))],
        log_format,
        ending(target.name if is_file else f".{kind or 'jsonl.gz'}"),
    )
    print_message(
        f"{unbroken(written[0] if is_file else written[0].parent)}: {len(written)} simulated "
        f"log(s) of {log_format}, {rows:,} rows each, "
        f"{sum(p.stat().st_size for p in written):,} bytes; the README beside says what is real"
    )
