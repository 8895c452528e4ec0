"""What `tokenshare serve` serves, over a real socket, and what it does not."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn

from orchestration.serving import build_site
from orchestration.settings import Settings
from tests import builders


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """The address of a server of an installation."""
    config = uvicorn.Config(build_site(settings), log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=server.run, args=([listening],), daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True


@pytest.fixture
def site(settings: Settings) -> Iterator[str]:
    with served(settings) as address:
        yield address


def test_pages_are_served_and_the_rest_of_the_data_folder_is_not(
    site: str, settings: Settings
) -> None:
    assert httpx.get(f"{site}/").status_code == 404
    report = settings.vintages_dir / "v" / "report"
    refused = settings.candidates_dir / "c" / "gate"
    for folder in (report, refused, settings.inbox_dir):
        folder.mkdir(parents=True)
        builders.write(folder, "index.html", f"<p>{folder.name}</p>".encode())
    builders.write(settings.data_dir, "secret", b"secret")
    (report / "link").symlink_to(settings.data_dir / "secret")
    assert httpx.get(f"{site}/vintages/v/report/index.html").text == "<p>report</p>"
    assert httpx.get(f"{site}/candidates/c/gate/").text == "<p>gate</p>"
    for path in ("inbox/index.html", "secret", "../secret", "%2e%2e/secret", "..%2fsecret",
                 "vintages/v/report/link", "candidates/../../secret"):  # fmt: skip
        answer = httpx.get(f"{site}/{path}")
        assert (path, answer.status_code) == (path, 404)


def test_the_root_leads_to_the_newest_report(small_base: Settings) -> None:
    with served(small_base) as address:
        answer = httpx.get(f"{address}/", follow_redirects=True)
        same = httpx.get(f"{address}/latest/report/index.html")
    assert same.content == answer.content
    assert answer.status_code == 200
    assert "<title>" in answer.text
    assert answer.url.path.endswith("/report/index.html")
