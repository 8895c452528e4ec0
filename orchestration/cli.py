"""`tokenshare`: the pipeline from a terminal. Calls the same functions as the Dagster assets."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.text import Text
from typer.core import TyperCommand

from orchestration import __version__, cli_demo, cli_status
from orchestration.alerts import sent_on_failure
from orchestration.claims import AskedBy, Verdict
from orchestration.cli_pull import ARCHIVE_EPILOG, PULL_EPILOG, archive, pull_command
from orchestration.cli_reduce import EPILOG as REDUCE_EPILOG
from orchestration.cli_reduce import reduce_command
from orchestration.cli_registry import registry_app
from orchestration.cli_replay import EPILOG as REPLAY_EPILOG
from orchestration.cli_replay import replay
from orchestration.cli_serve import SERVE_TO_EPILOG, mcp, serve, serve_to
from orchestration.cli_site import EPILOG as SITE_EPILOG
from orchestration.cli_site import site
from orchestration.cli_vintages import print_difference, vintages_app
from orchestration.errors import (
    RefusedDumpError,
    VerificationError,
    safe_text,
)
from orchestration.terminal import (
    EXIT_CODES,
    NO_BREAK,
    AsJson,
    DataDir,
    ShownProgress,
    SourceUrl,
    VintageName,
    epilog,
    exit_on_interrupt,
    output,
    print_failure,
    print_json,
    print_labeled,
    print_landed,
    print_message,
    print_notices,
    print_table,
    print_text,
    unbroken,
    use_utf8,
    use_whole_lines_in_pipes,
)
from orchestration.terminal import settings_of as _settings

if TYPE_CHECKING:
    from orchestration.publication.vintage import Vintage
    from orchestration.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,  # locals may hold a secret
    help=(
        "Who gets used? Audited shares of LLM tokens by origin, lab and price.\n\n"
        "Everything is written below TOKENSHARE_DATA_DIR (default: data/ of the project)."
    ),
    epilog=EXIT_CODES,
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        output.print(f"tokenshare {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Only takes the options of the program itself."""


@app.command(
    epilog=epilog(
        "tokenshare run",
        "tokenshare run --pull",
        "tokenshare run --registry-view now",
        "tokenshare run --registry-as-of 2026-03-01 --data-dir /tmp/march",
        "tokenshare run --engine spark",
    )
)
def run(
    registry_view: Annotated[
        str | None,
        typer.Option(
            help="then: the registry as known on each day of use; now: as known now. If they "
            "differ, restated_by_origin_* contains both; headline and crossover always do.",
            show_default="TOKENSHARE_REGISTRY_VIEW or then",
        ),
    ] = None,
    registry_as_of: Annotated[
        str | None,
        typer.Option(
            help="Leave out what the registry learned after this UTC day (YYYY-MM-DD).",
            show_default="TOKENSHARE_REGISTRY_AS_OF or no limit",
        ),
    ] = None,
    pull: Annotated[
        bool, typer.Option("--pull", help="Land first what is new on the network.")
    ] = False,
    source_url: SourceUrl = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="What builds the models, duckdb or spark; the tables are the same.",
            show_default="TOKENSHARE_ENGINE or duckdb",
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Land, ingest, build, gate and publish: the whole graph.

    The shipped history of a source is landed first, unless a dump of that source is landed already
    or TOKENSHARE_SHIPPED_HISTORY is false. Files in inbox/ are landed too.
    A file in the inbox is landed once nobody has written to it for
    TOKENSHARE_INBOX_QUIET_SECONDS. The run waits that long for files that have just been written
    and names those that it leaves. If nothing is new, nothing is published.
    If TOKENSHARE_SERVE_TO names a PostgreSQL, the vintage is loaded into it, as `serve-to` does.
    A run that fails sends an alert to each receiver that TOKENSHARE_ALERT_… names.
    """
    settings = _settings(
        data_dir,
        registry_view=registry_view,
        registry_as_of=registry_as_of,
        source_url=source_url,
        engine=engine,
    )
    with sent_on_failure("tokenshare run", settings):
        _run(settings, pull or source_url is not None)


def _run(settings: "Settings", pull: bool) -> None:
    from orchestration import pipeline

    with ShownProgress() as progress:
        result = pipeline.run(settings, progress, pull=pull, entrance="command_line")
    for landed in (*(result.pulled.landed if result.pulled else ()), *result.inbox.landed):
        print_landed(landed)
    print_notices(result.notices)
    vintage = result.vintage
    if vintage.is_new:
        print_message(
            f"published vintage {vintage.vintage_id} in {progress.seconds:.1f}{NO_BREAK}s"
        )
    else:
        print_message(f"nothing new: {vintage.why_not}; nothing was published")
    _print_pages(vintage)
    if result.problem:
        raise result.problem


def _print_pages(vintage: "Vintage") -> None:
    for line in vintage.pages.splitlines():
        what, path = line.split(": ", 1)
        print_message(f"{what}: {unbroken(path)}")


class _HelpWithSources(TyperCommand):
    """A command whose help ends with the list of sources, imported only to show that help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from orchestration.request_logs import REQUEST_LOGS
        from orchestration.sources import SOURCES

        said = {s.name: s.layouts for s in SOURCES.values()}
        said |= {log.name: f"{log.title}; {log.layouts}" for log in REQUEST_LOGS.values()}
        listed = "\n\n".join(f"[bold]{name}[/]: {escape(text)}." for name, text in said.items())
        own = self.help
        self.help = f"{own}\n\nSources, each plain or gzip:\n\n{listed}"
        super().format_help(ctx, formatter)
        self.help = own


@app.command(
    cls=_HelpWithSources,
    epilog=epilog(
        "tokenshare land 2026-08-22T00-05-21Z.csv.gz",
        "tokenshare land rankings.csv --as-of 2026-08-22T00:05:21Z",
        "tokenshare land models.json --source openrouter_models",
        "tokenshare land d.json --as-of 2026-08-21T00:05Z --correct --reason clock",
    ),
)
def land(
    files: Annotated[list[Path], typer.Argument(help="Dumps to land, plain or gzip.")],
    source: Annotated[
        str | None,
        typer.Option(
            help="The name of one of the sources above.",
            show_default="recognized by its content",
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="ISO-8601 time at which the dump was made. It must not contradict the dump's own "
            "meta or manifest. Without any of the three, the time is read from a file name such as "
            "2026-08-22T00-05-21Z.csv.gz."
        ),
    ] = None,
    correct: Annotated[
        bool,
        typer.Option(
            "--correct",
            help="Put right the time of a dump that is landed already, whatever stated it; needs "
            "--as-of and --reason. The file may be the landed one itself.",
        ),
    ] = False,
    reason: Annotated[
        str | None,
        typer.Option(help="Why it is corrected; the dump's sidecar keeps it, and the old time."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Store raw dumps by content hash, with their provenance. Landing a dump again does nothing.

    Land only answers to requests without a filter (modality, context_bucket, category,
    language_type, period): an answer does not tell whether it was filtered. Put the manifest of a
    keyless export (2026-10-08.manifest.json) beside its CSV: it states when the snapshot was made,
    and its hash and row count are checked.
    """
    from orchestration import pipeline
    from orchestration.landing.inbox import wait_for_writers
    from orchestration.landing.manifest import SUFFIX
    from orchestration.landing.store import land as land_one
    from orchestration.sources.base import parse_time

    settings = _settings(data_dir)
    try:
        flag = parse_time(as_of, "--as-of") if as_of else None
    except RefusedDumpError as error:
        raise typer.BadParameter(str(error)) from error
    if correct and not (flag and reason and reason.strip()):
        raise typer.BadParameter("--correct needs --as-of and --reason")
    if reason and not correct:
        raise typer.BadParameter("--reason is that of --correct")
    dumps = [f for f in files if not f.name.endswith(SUFFIX)]
    refused = []
    # A run that is at work reads the sidecars more than once.
    with pipeline.writer_lock(settings) if correct else nullcontext():
        # A manifest among the files is read with its dump; on its own it is refused.
        for file in dumps or files:
            try:
                wait_for_writers(file, settings)
                print_landed(land_one(file, settings, source, flag, correction=reason))
            except RefusedDumpError as error:
                refused.append(str(error))
    if refused:
        raise RefusedDumpError("\n".join(refused))


@app.command(epilog=epilog("tokenshare publish"))
def publish(data_dir: DataDir = None) -> None:
    """Gate and publish the newest candidate, for example after a threshold has changed."""
    from orchestration import pipeline

    settings = _settings(data_dir)
    with ShownProgress() as progress:
        vintage = pipeline.publish_newest(settings, progress, entrance="command_line")
    outcome = (
        f"published vintage {vintage.vintage_id}"
        if vintage.is_new
        else f"nothing new: {vintage.why_not}"
    )
    print_notices(vintage.notices)
    print_message(outcome)
    _print_pages(vintage)
    if settings.serve_to:
        print_notices(["PostgreSQL is loaded by the next run, or now by `tokenshare serve-to`"])
    if problem := pipeline.withheld_error(vintage):
        raise problem


@app.command(
    epilog=epilog(
        "tokenshare verify",
        "tokenshare verify 20261124T12",
        "tokenshare verify /mnt/copy/published",
    )
)
def verify(
    name: Annotated[
        str,
        typer.Argument(
            help="A vintage: its id, the start of its id, its folder, a folder published/, or "
            "`latest`."
        ),
    ] = "latest",
    data_dir: DataDir = None,
    key: Annotated[
        str,
        typer.Option(
            help="The publisher's public key of minisign, a file or its line that begins with RW: "
            "check the signature too, and say who signed."
        ),
    ] = "",
) -> None:
    """Check a vintage from its folder alone: that every hash is right, that no file is missing or
    extra, that its tables agree with its manifest and with tokenshare.duckdb, and that they pass
    the gate's rules of conservation, sums and bounds.

    A path or a name that leads to no vintage ends with exit code 1, a vintage that is not what was
    published with 6. A seal is not a signature: if you do not trust the sender of the folder, give
    the publisher's key, or compare the manifest sha256 with one from another source.
    """
    from orchestration.publication.manifest import find_vintage
    from orchestration.publication.signature import SIGNATURE_NAME, check_signature
    from orchestration.publication.verify import unknown_tables
    from orchestration.publication.verify import verify as verify_folder

    folder = find_vintage(name, _settings(data_dir))
    signed = check_signature(folder, key) if key else None
    manifest = verify_folder(folder, note=lambda text: print_notices([text]))
    print_notices(
        f"{table}: no contract of this version describes it; only its hash was checked"
        for table in unknown_tables(manifest)
    )
    print_message(
        f"verified vintage {manifest['vintage_id']}: {len(manifest['outputs'])} files, "
        f"manifest sha256 {manifest['manifest_sha256']}"
    )
    if signed:
        print_message(f"signed with key {signed.key_id}: {safe_text(signed.comment)}")
    elif (folder / SIGNATURE_NAME).exists():
        print_notices([f"{SIGNATURE_NAME} was not checked; --key PUBLIC_KEY does"])


@app.command(
    epilog=epilog(
        "tokenshare show",
        "tokenshare show --vintage 20261124T12",
        "tokenshare show --json | jq '.headline[].share'",
    )
)
def show(
    vintage: VintageName = "latest", as_json: AsJson = False, data_dir: DataDir = None
) -> None:
    """Show the headline shares of a vintage, as known then and as known now."""
    from orchestration.publication.manifest import find_vintage, read_manifest
    from orchestration.words import as_known

    folder = find_vintage(vintage, _settings(data_dir))
    manifest = read_manifest(folder)
    try:
        rows = [
            (
                safe_text(figure["period_start"]),
                safe_text(figure["origin"]),
                safe_text(figure["registry_view"]),
                *(f"{figure[k]:.2%}" for k in ("share", "share_high")),
                f"{figure['tokens']:,}",
            )
            for figure in manifest["headline"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise VerificationError(
            f"{folder}: manifest.json: headline does not have the fields of this version: "
            f"{safe_text(error)}; `tokenshare run` publishes a new vintage"
        ) from error
    unsettled = [safe_text(day["usage_date"]) for day in manifest.get("unsettled_days") or ()]
    if as_json:
        kept = ("vintage_id", "registry", "headline", "citations")
        print_json({**{key: manifest[key] for key in kept}, "unsettled_days": unsettled})
        return
    now = as_known(manifest["registry"]["as_of"])["now"]
    print_table(
        ("week of", "origin", "known", ">share", ">at most", ">tokens"),
        rows,
        f"Share of tokens by origin, vintage {manifest['vintage_id']}",
        "universe: all rows, including `other` · lens: author_hq · ISO weeks · share: also the "
        "lower bound; at most: with all unidentified tokens · as known then: when each day began; "
        f"{now}: by this vintage's registry\n" + "\n".join(manifest["citations"]),
    )
    if unsettled:
        print_text(
            f"Not settled: {', '.join(unsettled)}, read early; the next dump is expected to "
            "restate it."
        )


@app.command(
    epilog=epilog(
        "tokenshare diff 20260822T0200",
        "tokenshare diff 20260822T0200 20260829 --json",
        "tokenshare diff /mnt/copy/published latest",
        "tokenshare diff --dumps b5b4ca5f 1c9e02aa",
    )
)
def diff(
    before: Annotated[
        str,
        typer.Argument(help="A vintage: its id, the start of its id, its folder, or `latest`."),
    ],
    after: Annotated[
        str, typer.Argument(help="The same; with --dumps, the start of a dump's sha256.")
    ] = "latest",
    dumps: Annotated[
        bool,
        typer.Option("--dumps", help="Compare two landed dumps, named by the start of sha256."),
    ] = False,
    limit: Annotated[int, typer.Option(min=0, help="Rows to show; --json prints all.")] = 20,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show what changed between two vintages or two dumps: tokens and share points, largest first.

    Only days that are in both are compared.
    """
    settings = _settings(data_dir)
    if dumps and after == "latest":
        raise typer.BadParameter("--dumps needs the sha256 of two dumps")
    if dumps:
        from orchestration import pipeline

        with ShownProgress() as progress:
            found = pipeline.diff_dumps(before, after, settings, progress)
    else:
        from orchestration.diff.usage import compare_vintages
        from orchestration.publication.manifest import find_vintage

        found = compare_vintages(find_vintage(before, settings), find_vintage(after, settings))
    print_difference(found, limit, as_json)


@app.command(
    epilog=epilog(
        "tokenshare claims",
        "tokenshare claims cn_47_percent_june_2026",
        "tokenshare claims --verdict not_reproduced --verdict not_decidable",
        "tokenshare claims --by 'tech times' --about 2026-06",
        "tokenshare claims --asked-by us --json",
    )
)
def claims(
    claim_id: Annotated[
        str | None, typer.Argument(help="Show all details of this one claim.")
    ] = None,
    verdict: Annotated[
        list[Verdict] | None,
        typer.Option(
            metavar="VERDICT",
            help="Only claims with this verdict; may be given several times: "
            f"{', '.join(Verdict)}.",
        ),
    ] = None,
    asked_by: Annotated[
        AskedBy | None,
        typer.Option(help="Only published claims (publisher), or only our own questions (us)."),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Only claims of publishers whose name contains this text.")
    ] = None,
    about: Annotated[
        str | None,
        typer.Option(help="Only claims whose id, statement or window contains this text."),
    ] = None,
    vintage: VintageName = "latest",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show how published claims, and our own questions, compare with a vintage.

    Filters may be combined; upper and lower case are the same to them.
    """
    from orchestration.claims import show as claims_of
    from orchestration.publication.manifest import find_vintage, read_manifest

    folder = find_vintage(vintage, _settings(data_dir))
    manifest = read_manifest(folder)
    found = claims_of.read(folder, claim_id)
    found = claims_of.chosen(found, verdict or (), asked_by, by or "", about or "")
    if as_json:
        document = {
            "vintage_id": manifest["vintage_id"],
            "citations": manifest["citations"],
            "claims": [claims_of.as_json(claim) for claim in found],
        }
        print_json(document)
        return
    citation = "\n".join(manifest["citations"])
    if not found:
        print_text("no claim is chosen by these filters")
        return
    if claim_id is not None:
        _print_claim(claims_of.details(found[0]))
        print_text(f"vintage {manifest['vintage_id']}\n{citation}", style="dim")
        return
    for asker, what in (("publisher", "Published claims"), ("us", "Our own questions")):
        listed = [claim for claim in found if claim["asked_by"] == asker]
        if not listed:
            continue
        print_table(
            ("claim", "window", f">{'published' if asker == 'publisher' else 'asked'}",
             ">measured (low to high)", "verdict"),
            [
                (
                    claim["claim_id"],
                    claim["window"],
                    claims_of.published(claim),
                    claims_of.measured_text(claim),
                    Text(
                        claims_of.VERDICTS[claim["verdict"]].lower(),
                        claims_of.STYLES[claim["verdict"]],
                    ),
                )
                for claim in listed
            ],
            f"{what}, vintage {manifest['vintage_id']}",
            claims_of.tally(listed),
        )  # fmt: skip
        print_text("")
    print_text(
        "Measured under the rules that the publisher states, or else on all rows. Bounds: with "
        "none and with all of the unidentified tokens. `tokenshare claims CLAIM_ID` shows more.\n"
        + citation
    )


def _print_claim(details: Sequence[tuple[str, str]]) -> None:
    """Print a label and a text per line."""
    width = max(len(label) for label, _ in details)
    for label, text in details:
        print_labeled(label, text, width)


@app.command(epilog=epilog("tokenshare version", "tokenshare --version"))
def version() -> None:
    """Show the version of the code and today's date in UTC, for bug reports."""
    output.print(f"tokenshare {__version__}, {datetime.now(UTC):%Y-%m-%d}")


# Typer lists commands in the order in which they are added, and groups after them.
app.command("pull", epilog=PULL_EPILOG)(pull_command)
app.command("archive", epilog=ARCHIVE_EPILOG)(archive)
app.command("reduce", epilog=REDUCE_EPILOG)(reduce_command)
app.command(epilog=REPLAY_EPILOG)(replay)
cli_status.add_to(app)
app.command(epilog=epilog("tokenshare serve --port 8080"))(serve)
app.command("serve-to", epilog=SERVE_TO_EPILOG)(serve_to)
app.command(epilog=epilog("tokenshare mcp", "tokenshare mcp --data-dir /srv/tokenshare/data"))(mcp)
app.command(epilog=SITE_EPILOG)(site)
app.command("demo-server", epilog=cli_demo.SERVE_EPILOG)(cli_demo.serve)
app.add_typer(vintages_app, name="vintages")
app.add_typer(registry_app, name="registry")
app.add_typer(cli_demo.simulate_app, name="simulate")


def main() -> None:
    """Run the command line: a failure or an interrupt ends with one message and its exit code."""
    use_utf8()
    use_whole_lines_in_pipes()
    with exit_on_interrupt():
        try:
            app(prog_name="tokenshare")
        except Exception as error:
            sys.exit(print_failure(error))


if __name__ == "__main__":
    main()
