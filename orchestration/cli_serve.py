"""`tokenshare serve`: reports and gate pages in a browser. `tokenshare serve-to`: the tables in a
PostgreSQL. `tokenshare mcp`: the newest vintage for agents."""

from dataclasses import asdict
from typing import Annotated

import typer

from orchestration.errors import TokenshareError
from orchestration.terminal import (
    AsJson,
    DataDir,
    ShownProgress,
    VintageName,
    epilog,
    output,
    print_json,
    print_message,
    print_notices,
    settings_of,
)

SERVE_TO_EPILOG = epilog(
    "tokenshare serve-to",
    "tokenshare serve-to postgresql://loader@db.example.org/bi --json",
    "tokenshare serve-to --vintage 20261124T12 --schema tokenshare_november",
    "tokenshare serve-to --print-grants bi_readers > grants.sql",
)


def serve(
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; 0.0.0.0 lets other machines read, without TLS."),
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(help="Port.", show_default="TOKENSHARE_SERVE_PORT or 3001")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Serve published reports and the gate pages of refused candidates over http, until it is
    stopped. Dagster's links lead there."""
    import uvicorn

    from orchestration.serving import build_site

    settings = settings_of(data_dir, serve_port=port)
    output.print(f"http://{host}:{settings.serve_port}/", soft_wrap=True)
    uvicorn.run(build_site(settings), host=host, port=settings.serve_port, log_level="warning")


def serve_to(
    url: Annotated[
        str | None,
        typer.Argument(
            help="Address of the database: postgresql://USER@HOST:PORT/DATABASE. Everybody on this "
            "machine can read a command, so leave the password to TOKENSHARE_SERVE_TO, PGPASSWORD "
            "or ~/.pgpass.",
            show_default="TOKENSHARE_SERVE_TO",
        ),
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(
            help="Schema for the tables; it is made if it is not there.",
            show_default="TOKENSHARE_SERVE_TO_SCHEMA or tokenshare",
        ),
    ] = None,
    print_grants: Annotated[
        str | None,
        typer.Option(
            metavar="ROLE",
            help="Only print SQL that lets this role read the tables, also after later loads.",
        ),
    ] = None,
    vintage: VintageName = "latest",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Load a vintage into PostgreSQL: every published table, and every bi_ view as a table.

    The vintage is verified first. All tables are replaced in one transaction: whoever reads sees
    the old vintage until the new one is there whole, and waits only for a table whose columns
    changed. Grants and views on tables stay. Tables have comments and keys; the table vintage has
    the id and the citation. If TOKENSHARE_SERVE_TO is set, every run does this after it has
    published.
    """
    settings = settings_of(data_dir, serve_to=url, serve_to_schema=schema)
    from orchestration import postgres
    from orchestration.publication.manifest import find_vintage

    if print_grants is not None:
        output.print(postgres.grants(print_grants, settings.serve_to_schema), soft_wrap=True)
        return
    folder = find_vintage(vintage, settings)
    with ShownProgress() as progress:
        served = postgres.serve(folder, settings, progress, note=lambda text: print_notices([text]))
    if as_json:
        print_json(asdict(served))
        return
    print_message(
        f"loaded vintage {served.vintage_id} into {served.target}, schema {served.schema}: "
        f"{served.tables} tables, {served.rows:,} rows"
    )


def mcp(data_dir: DataDir = None) -> None:
    """Answer an agent's questions about the newest vintage: a server of the Model Context Protocol
    on stdin and stdout, which an agent starts by itself.

    It has four tools, which only read: `shares` with their bounds, `claims` of the press, `explain`
    for who made a model, and `definitions`. Each answer has universe, lens, vintage and citation.
    Each call reads the vintage that is the newest at that moment. docs/agents.md has what to write
    into an agent's configuration. It needs the extra `mcp`, which the lock contains.
    """
    settings = settings_of(data_dir)
    try:
        from orchestration.agents import build_server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        raise TokenshareError(
            "the package mcp is not installed; install the extra: pip install 'tokenshare[mcp]', "
            "or `make setup`, which installs the lock"
        ) from error
    build_server(settings).run("stdio")
