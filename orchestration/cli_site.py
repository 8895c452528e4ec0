"""`tokenshare site`: a folder of vintages for any static host."""

from pathlib import Path
from typing import Annotated

import typer

from orchestration.terminal import (
    AsJson,
    DataDir,
    ShownProgress,
    epilog,
    output,
    print_json,
    print_notices,
    settings_of,
)

EPILOG = epilog(
    "tokenshare site /srv/www/tokenshare",
    "tokenshare site public --base-url https://shares.example.org/",
    "tokenshare site public --vintages 10 --json",
)
_MB = 10**6


def _address(base_url: str | None, public_url: object) -> str:
    """Where the site will be served, with a slash at the end, or "" if nobody says."""
    from pydantic import HttpUrl, TypeAdapter, ValidationError

    given = base_url or (str(public_url) if public_url else "")
    if not given:
        return ""
    try:
        address = TypeAdapter(HttpUrl).validate_python(given)
    except ValidationError as error:
        raise typer.BadParameter(f"--base-url: {error.errors()[0]['msg']}") from error
    if address.username or address.password or address.query or address.fragment:
        raise typer.BadParameter("--base-url: expected an address without user, query and fragment")
    return f"{str(address).rstrip('/')}/"


def site(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="A new or empty folder, or one that this command made: it is then replaced.",
        ),
    ],
    base_url: Annotated[
        str | None,
        typer.Option(
            help="Where it will be served: makes the links of feed.xml and llms.txt absolute, and "
            "writes robots.txt and sitemap.xml.",
            show_default="TOKENSHARE_PUBLIC_URL or relative links",
        ),
    ] = None,
    vintages: Annotated[
        int | None,
        typer.Option(min=1, help="How many vintages, newest first.", show_default="all"),
    ] = None,
    with_request_logs: Annotated[
        bool,
        typer.Option(
            "--with-request-logs",
            help="Also vintages that hold a company's own request logs. They show its models, "
            "costs and providers to everybody who can read the site.",
        ),
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Lay out a folder for any static host: a front page, the newest vintage below latest/, all
    vintages below vintages/ID/ (permanent links), feed.xml (Atom: what changed), llms.txt and
    index.json. Copy it to the host as it is; nothing in it needs a server.

    Every vintage is verified. One that is newer than latest.json names, that is damaged, or that
    holds request logs is left out by name; if the newest one holds request logs, nothing is laid
    out. The folder is built beside DIR and takes its place at the end. A folder with anything that
    this command did not make is refused, and so is one inside published/.
    """
    from orchestration.site.layout import lay_out

    settings = settings_of(data_dir)
    address = _address(base_url, settings.public_url)
    with ShownProgress() as progress:
        made = lay_out(folder, settings, address, vintages, with_request_logs, progress)
    private = [one.vintage_id for one in made.shown if one.holds_request_logs]
    print_notices(made.notices)
    if as_json:
        print_json(
            {
                "path": str(made.path),
                "base_url": address,
                "latest": made.shown[0].vintage_id,
                "vintages": [one.entry() for one in made.shown],
                "left_out": [{"vintage_id": v, "why": why} for v, why in made.left_out.items()],
                "with_request_logs": private,
                "files": made.files,
                "bytes": made.bytes,
            }
        )
        return
    output.print(
        f"{made.path}: {len(made.shown)} vintage(s), the newest {made.shown[0].vintage_id}; "
        f"{made.files} files, {made.bytes / _MB:,.1f} MB",
        soft_wrap=True,
    )
    output.print(
        f"PRIVATE: {len(private)} of them hold request logs; serve this folder to your own people "
        "alone"
        if private
        else "no request log is in it",
        soft_wrap=True,
    )
