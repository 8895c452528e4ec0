"""`tokenshare serve`: reports and gate pages in a browser."""

from typing import Annotated

import typer

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
