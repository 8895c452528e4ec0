"""`tokenshare serve`: reports and gate pages in a browser. `tokenshare mcp`: the newest vintage for
agents."""

from typing import Annotated

import typer

from orchestration.errors import TokenshareError
from orchestration.terminal import DataDir, output, settings_of


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
