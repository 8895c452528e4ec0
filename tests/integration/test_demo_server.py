"""The demo server over real sockets, and the simulator behind it."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import httpx
import pytest

from orchestration.demo.server import Demo, demo_server, make_demo
from orchestration.files import sha256_bytes
from orchestration.landing.store import land
from orchestration.settings import Settings
from tests import builders

EXPORTS = "/api/v1/datasets/exports"
KEY = {"Authorization": "Bearer a-key"}


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """40 days of the small feed, landed."""
    folder = tmp_path_factory.mktemp("landed")
    settings = Settings(data_dir=folder / "data")
    rows = builders.feed(builders.days("2026-01-20", 40))
    land(builders.write(folder, "2026-03-01T01-46-00Z.csv.gz", builders.csv3(rows)), settings)
    return settings


@pytest.fixture(scope="module")
def demo(landed: Settings) -> Iterator[Demo]:
    made = make_demo(date(2026, 3, 3), landed, oldest=date(2026, 2, 20), calls_per_minute=12)
    with demo_server(made) as running:
        yield running


@pytest.fixture(scope="module")
def client(demo: Demo) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=demo.base_url, timeout=5, trust_env=False) as client:
        yield client


def test_an_export_is_what_its_manifest_says_and_can_be_landed(
    client: httpx.Client, settings: Settings, tmp_path: Path
) -> None:
    manifest = client.get(f"{EXPORTS}/rankings-daily/latest.manifest.json").json()
    assert manifest["snapshot_date"] == "2026-03-03"
    stated = manifest["files"]["csv"]
    csv = client.get(httpx.URL(stated["url"]).path)
    assert csv.headers["content-type"].startswith("text/csv")
    assert (len(csv.content), sha256_bytes(csv.content)) == (stated["bytes"], stated["sha256"])
    assert csv.content.count(b"\r\n") == manifest["row_count"] + 1 == 30 * 8 + 1
    assert sorted({line[:10] for line in csv.text.splitlines()[1:]}) == builders.days(
        "2026-02-01", 30
    )
    builders.write(tmp_path, "2026-03-03.manifest.json", client.get(
        f"{EXPORTS}/rankings-daily/2026-03-03.manifest.json").content)  # fmt: skip
    found = land(builders.write(tmp_path, "2026-03-03.csv", csv.content), settings)
    assert (found.record.as_of_origin, found.quarantined_rows) == ("manifest", 0)
    assert found.record.as_of.isoformat() == "2026-03-03T01:46:15.433000+00:00"
