"""`tokenshare pull` and `tokenshare archive`: landing what is new on the network, and listing what
was archived for later."""

from datetime import UTC, date, datetime
from typing import Annotated

import typer

from orchestration.errors import TokenshareError
from orchestration.files import format_time
from orchestration.terminal import (
    NO_BREAK,
    AsJson,
    DataDir,
    ShownProgress,
    SourceUrl,
    epilog,
    print_json,
    print_landed,
    print_message,
    print_notices,
    print_table,
    settings_of,
)

PULL_EPILOG = epilog(
    "tokenshare pull",
    "tokenshare pull --day 2026-10-08",
    "tokenshare pull --source-url http://127.0.0.1:8642",
    "tokenshare pull --litellm",
)
ARCHIVE_EPILOG = epilog("tokenshare archive", "tokenshare archive --json | jq '.[].path'")


def pull_command(
    day: Annotated[
        str | None,
        typer.Option(help="Land only the rankings of this complete UTC day (YYYY-MM-DD)."),
    ] = None,
    litellm: Annotated[
        bool,
        typer.Option(
            "--litellm",
            help="Land only what is new in LiteLLM's spend logs, from the PostgreSQL at "
            "TOKENSHARE_LITELLM_DATABASE_URL.",
        ),
    ] = False,
    source_url: SourceUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Land what is new on the network; `tokenshare run` publishes it.

    The rankings come first: without a key the dated snapshots of the keyless export, back to the
    last day that is landed; with TOKENSHARE_OPENROUTER_API_KEY (or OPENROUTER_API_KEY) windows of
    the API. Then everything that has no history at its source is landed or archived, until
    TOKENSHARE_CALLS_PER_NIGHT calls are used, and then what is new in the spend logs of LiteLLM, if
    TOKENSHARE_LITELLM_DATABASE_URL is set. docs/nights.md says what, and in which order.
    """
    from orchestration import pipeline

    if litellm and day is not None:
        raise typer.BadParameter("--litellm and --day cannot be given together")
    settings = settings_of(data_dir, source_url=source_url)
    with ShownProgress() as progress:
        if litellm:
            result = pipeline.pull_litellm(settings, progress)
        else:
            result = pipeline.pull(settings, progress, _complete_day(day))
    for landed in result.landed:
        print_landed(landed)
    for name, count in result.archived:
        print_message(f"{name}: {count} new answer(s) archived")
    print_notices(result.notices)
    print_message(
        f"{len(result.landed)} dump(s) landed with {result.calls} calls in "
        f"{progress.seconds:.1f}{NO_BREAK}s"
    )
    result.raise_for_failure()


def _complete_day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"--day: {error}") from error
    if day >= (today := datetime.now(UTC).date()):
        raise TokenshareError(f"--day: {day} is not over; it is {today}")
    return day


def archive(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the archived answers: what has no history at its source and no mart reads yet.

    They are in landing/archive/<name>/<sha256>/, each with a sidecar that lists every pull.
    """
    from orchestration.landing.archive import list_archived

    found = list(list_archived(settings_of(data_dir)))
    if as_json:
        print_json([{"path": f"landing/{a.path}", **a.sidecar()} for a in found])
        return
    rows = []
    for name in sorted({a.name for a in found}):
        own = [a for a in found if a.name == name]
        times = sorted(pull.pulled_at for a in own for pull in a.pulls)
        rows.append(
            (
                name, f"{len(own)}", f"{len(times)}", f"{sum(a.bytes for a in own):,}",
                format_time(times[0]), format_time(times[-1]),
            )
        )  # fmt: skip
    print_table(
        ("name", ">answers", ">pulls", ">bytes", "first", "last"),
        rows,
        f"Archived answers: {len(found)}",
    )
