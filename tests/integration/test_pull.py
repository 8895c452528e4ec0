"""Pulls over real sockets: against the demo server, and against one that means harm."""

import gzip
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from orchestration import pipeline
from orchestration.cli import main
from orchestration.demo.faults import Fault
from orchestration.demo.server import Demo, demo_server, make_demo
from orchestration.errors import PullError
from orchestration.files import sha256_bytes
from orchestration.landing.archive import list_archived
from orchestration.landing.gaps import read_gaps
from orchestration.landing.store import land, read_dump, read_records, set_aside
from orchestration.pulling.client import USER_AGENT, Client, HostError
from orchestration.pulling.plan import asks, most_used
from orchestration.pulling.pull import PullResult, pull, pull_day
from orchestration.settings import PRIMARY_SOURCE, Settings
from tests import builders
from tests.conftest import Once, vintage_of

TODAY = date(2026, 3, 3)
KEY = "sk-or-v1-canary-0123456789abcdef"  # made up
EXPORTS = "/api/v1/datasets/exports/rankings-daily"
WINDOWS = "/api/v1/datasets/rankings-daily"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of whoever runs the tests is not theirs."""
    for name in ("TOKENSHARE_OPENROUTER_API_KEY", "OPENROUTER_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def history(once: Once) -> Settings:
    """14 months of the small feed, landed: what the demo server knows. Read only."""

    def make(folder: Path) -> None:
        dump = builders.csv3(builders.feed(builders.days("2025-01-01", 424)))
        path = builders.write(folder, "2026-03-01T01-46-00Z.csv.gz", dump)
        land(path, Settings(data_dir=folder))

    return Settings(data_dir=once("pull-history", make))


@contextmanager
def night(
    history: Settings,
    tmp_path: Path,
    faults: tuple[str, ...] = (),
    pause: float = 1.0,
    options: dict[str, Any] | None = None,
    **chosen: Any,
) -> Iterator[tuple[Demo, Settings]]:
    """A demo server, and the settings of an installation that pulls from it."""
    demo = make_demo(TODAY, history, **{"oldest": date(2025, 2, 1), **(options or {})})
    with demo_server(demo, [Fault.parse(f) for f in faults], pause=pause) as running:
        quick = {
            "data_dir": tmp_path / "data",
            "source_url": running.base_url,
            "shipped_history": False,
            "pull_max_wait_seconds": 0.05,
            "pull_retries": 2,
            "calls_per_night": 8,  # the rankings, and little else
        }
        yield running, Settings(**{**quick, **chosen})


def ask(demo: Demo, settings: Settings) -> PullResult:
    """A pull at the time of the server."""
    return pull(settings, clock=lambda: demo.now)


def land_days(settings: Settings, first: str, count: int, tmp_path: Path) -> None:
    """Land days of the small feed."""
    dump = builders.csv3(builders.feed(builders.days(first, count)))
    land(builders.write(tmp_path, "2026-02-10T00-00-00Z.csv", dump), settings)


def asked(demo: Demo, path: str) -> list[str]:
    """The requests for addresses that begin so, from there on, and the status of each answer."""
    found = [r.removeprefix(f"GET {path}") for r in demo.requests if r.startswith(f"GET {path}")]
    demo.requests.clear()
    return found


def snapshots(settings: Settings) -> dict[str, str]:
    """The landed exports by name, with their as_of."""
    return {
        r.original_name: f"{r.as_of:%Y-%m-%dT%H:%M} {r.as_of_origin}"
        for r in read_records(settings)
        if r.layout == "csv/keyless_export"
    }


def test_a_first_pull_walks_back_to_the_last_landed_day_and_later_ones_go_on(
    history: Settings, tmp_path: Path
) -> None:
    with night(history, tmp_path) as (demo, settings):
        land_days(settings, "2025-12-01", 30, tmp_path)  # to 2025-12-30
        result = ask(demo, settings)
        assert (result.failure, result.gaps) == ("", ())
        # Manifests from the newest back; files from the oldest on, so that no hole is in between.
        assert asked(demo, EXPORTS) == [
            "/latest.manifest.json 200",
            "/2026-03-03.manifest.json 200", "/2026-02-01.manifest.json 200",
            "/2026-01-02.manifest.json 200",
            "/2026-01-02.csv 200", "/2026-02-01.csv 200", "/2026-03-03.csv 200",
        ]  # fmt: skip
        assert snapshots(settings) == {
            "2026-01-02.csv": "2026-01-02T01:46 manifest",
            "2026-02-01.csv": "2026-02-01T01:46 manifest",
            "2026-03-03.csv": "2026-03-03T01:46 manifest",
        }
        (newest,) = [r for r in read_records(settings) if r.original_name == "2026-03-03.csv"]
        assert newest.url == f"{demo.base_url}{EXPORTS}/2026-03-03.csv"
        assert (f"{newest.window_start}", f"{newest.window_end}") == ("2026-02-01", "2026-03-02")
        ask(demo, settings)
        assert asked(demo, EXPORTS) == ["/latest.manifest.json 200"]
        demo.next_night()
        ask(demo, settings)
        assert asked(demo, EXPORTS) == [
            "/latest.manifest.json 200", "/2026-03-04.manifest.json 200", "/2026-03-04.csv 200",
        ]  # fmt: skip


def test_a_snapshot_that_was_set_aside_is_named_and_the_next_nights_snapshot_lands(
    history: Settings, tmp_path: Path
) -> None:
    with night(history, tmp_path) as (demo, settings):
        land_days(settings, "2026-01-01", 60, tmp_path)  # to 2026-03-01
        ask(demo, settings)
        (newest,) = [r for r in read_records(settings) if r.original_name == "2026-03-03.csv"]
        aside = set_aside(newest, "REPEATED_DAY: 2026-03-02", settings)
        result = ask(demo, settings)
        said = "was set aside before: REPEATED_DAY: 2026-03-02. To have it tried again, move "
        assert f"2026-03-03.csv: {said}{aside} to " in result.failure
        assert result.gaps == ()
        assert "2026-03-03.csv" not in snapshots(settings)
        demo.next_night()
        assert ask(demo, settings).failure == ""
        assert "2026-03-04.csv" in snapshots(settings)


def test_the_shipped_history_is_landed_before_the_first_pull(
    history: Settings, tmp_path: Path
) -> None:
    with night(history, tmp_path, shipped_history=True, calls_per_night=1) as (demo, settings):
        ask(demo, settings)
        assert "2026-10-11" in {f"{r.as_of:%Y-%m-%d}" for r in read_records(settings)}


def test_days_that_no_snapshot_has_any_more_become_a_gap_that_is_asked_for_once(
    history: Settings, tmp_path: Path
) -> None:
    options = {"oldest": date(2026, 2, 25)}
    with night(history, tmp_path, options=options, calls_per_night=20) as (demo, settings):
        land_days(settings, "2025-12-01", 31, tmp_path)
        result = ask(demo, settings)
        (gap,) = result.gaps
        assert (gap.source, f"{gap.first_day}", f"{gap.last_day}") == (
            PRIMARY_SOURCE, "2026-01-01", "2026-01-25",
        )  # fmt: skip
        assert any("gap: openrouter_rankings has no 2026-01-01 to 2026-01-25" in n
                   for n in result.notices)  # fmt: skip
        assert result.failure == ""
        assert read_gaps(settings) == (gap,)
        # The snapshot of 2026-02-25 is the oldest: 2026-01-26 is its first day.
        assert list(snapshots(settings)) == ["2026-02-25.csv", "2026-03-03.csv"]
        asked(demo, EXPORTS)
        again = ask(demo, settings)
        assert again.gaps == ()
        assert asked(demo, EXPORTS) == ["/latest.manifest.json 200"]


def test_no_gap_is_recorded_while_the_source_is_ill(history: Settings, tmp_path: Path) -> None:
    faults = ("500:1000:" + EXPORTS + "/2026-02",)
    with night(history, tmp_path, faults, calls_per_night=20, pull_retries=0) as (demo, settings):
        land_days(settings, "2025-12-01", 31, tmp_path)
        result = ask(demo, settings)
        assert "2026-02-01.manifest.json: status 500" in result.failure
        assert read_gaps(settings) == ()


def test_a_day_for_a_partition_lands_its_own_snapshot(history: Settings, tmp_path: Path) -> None:
    options = {"oldest": date(2026, 2, 25)}
    with night(history, tmp_path, options=options) as (demo, settings):

        def one(day: str) -> PullResult:
            return pull_day(settings, date.fromisoformat(day), clock=lambda: demo.now)

        assert [x.record.original_name for x in one("2026-02-27").landed] == ["2026-02-28.csv"]
        asked(demo, "/")
        assert (one("2026-02-27").calls, asked(demo, "/")) == (0, [])
        assert one("2026-02-10").notices == (
            "there is no snapshot of 2026-02-11; 2026-02-10 is landed already",
        )
        assert [x.record.original_name for x in one("2026-01-26").landed] == ["2026-02-25.csv"]
        (gap,) = one("2026-01-02").gaps
        assert gap.days() == [date(2026, 1, 2)]
        keyed = Settings(**{**dict(settings), "openrouter_api_key": KEY})
        pull_day(keyed, date(2026, 1, 2), clock=lambda: demo.now)
        assert asked(demo, WINDOWS) == ["?start_date=2026-01-02&end_date=2026-01-02 200"]


def test_with_a_key_windows_are_asked_for_and_the_last_days_again(
    history: Settings, tmp_path: Path
) -> None:
    chosen = {"openrouter_api_key": KEY, "restated_days": 10, "calls_per_night": 2}
    with night(history, tmp_path, **chosen) as (demo, settings):
        result = ask(demo, settings)
        assert result.failure == ""
        assert asked(demo, WINDOWS) == [
            "?start_date=2025-01-01&end_date=2026-01-01 200",
            "?start_date=2026-01-02&end_date=2026-03-02 200",
        ]
        demo.next_night()
        ask(demo, settings)
        assert asked(demo, WINDOWS) == ["?start_date=2026-02-22&end_date=2026-03-03 200"]
        own = [r for r in read_records(settings) if r.source == PRIMARY_SOURCE]
        assert [r.as_of_origin for r in own] == ["meta"] * 3
        assert own[-1].layout == "json/api+gzip"
        assert own[-1].url.endswith(f"{WINDOWS}?start_date=2026-02-22&end_date=2026-03-03")


def test_what_was_restated_is_landed_beside_what_was_read_first(
    history: Settings, tmp_path: Path
) -> None:
    options = {"feed_fault": "restated", "feed_fault_from": date(2026, 3, 3)}
    chosen = {"openrouter_api_key": KEY, "calls_per_night": 1}
    with night(history, tmp_path, options=options, **chosen) as (demo, settings):
        land_days(settings, "2025-01-01", 400, tmp_path)
        tokens = []
        for _ in range(2):
            ask(demo, settings)
            demo.next_night()
            newest = [r for r in read_records(settings) if r.source == PRIMARY_SOURCE][-1]
            rows = read_dump(newest, settings).json["data"]
            tokens.append([r["total_tokens"] for r in rows if r["date"] == "2026-03-02"])
        assert tokens[0] != tokens[1]
        assert len(tokens[0]) == len(tokens[1]) > 0


def test_what_has_no_history_is_archived_once_with_the_time_of_every_pull(
    history: Settings, tmp_path: Path
) -> None:
    chosen = {"openrouter_api_key": KEY, "calls_per_night": 100}
    with night(history, tmp_path, **chosen) as (demo, settings):
        land_days(settings, "2025-01-01", 400, tmp_path)
        first = ask(demo, settings)
        requests = asked(demo, "/api/v1/")
        assert "datasets/session-cost?limit=500 200" in requests
        assert "classifications/task?window=7d 200" in requests
        names = {"session-cost", "benchmarks", "endpoints-zdr", "model-endpoints"}
        assert {name for name, _ in first.archived} == names
        sources = {r.source for r in read_records(settings)}
        assert sources >= {"openrouter_models", "openrouter_providers", "openrouter_app_rankings",
                           "openrouter_task_classifications", "vercel_leaderboard"}  # fmt: skip
        second = ask(demo, settings)
        assert (second.archived, second.notices) == ((), first.notices)
        assert "endpoints/zdr 304" in asked(demo, "/api/v1/")
        archived = list(list_archived(settings))
        assert {len(a.pulls) for a in archived} == {2}
        (cost,) = [a for a in archived if a.name == "session-cost"]
        answer = gzip.decompress((settings.landing_dir / cost.path).read_bytes())
        assert (sha256_bytes(answer), len(answer)) == (cost.sha256, cost.bytes)
        assert (cost.license, cost.as_of) == ("CC BY 4.0", "2026-03-03T01:46:15.433Z")
        assert "as of 2026-03-03T01:46:15.433Z. Licensed under CC BY 4.0." in cost.citation


def test_a_budget_is_spent_in_order_of_value(history: Settings, tmp_path: Path) -> None:
    with night(history, tmp_path, calls_per_night=6) as (demo, settings):
        land_days(settings, "2026-01-01", 40, tmp_path)
        result = ask(demo, settings)
        assert (result.failure, result.calls) == ("", 6)
        paths = [r.split(" ")[1].split("?")[0] for r in demo.requests]
        assert paths == [
            f"{EXPORTS}/latest.manifest.json", f"{EXPORTS}/{TODAY}.manifest.json",
            f"{EXPORTS}/{TODAY}.csv", "/api/v1/models", "/api/v1/providers",
            "/api/ai/leaderboard-export",
        ]  # fmt: skip
        assert any(
            "budget of 6 calls" in n and "vercel leaderboard (11), endpoints-zdr" in n
            for n in result.notices
        ), result.notices
        few = Settings(**{**dict(settings), "calls_per_night": 1, "data_dir": tmp_path / "new"})
        assert "budget of 1 calls" in ask(demo, few).failure


def test_months_of_vercel_are_asked_for_until_they_are_settled(
    history: Settings, tmp_path: Path
) -> None:
    with night(history, tmp_path, calls_per_night=20) as (demo, settings):
        ask(demo, settings)
        asked_first = [r for r in asked(demo, "/api/ai/leaderboard-export") if "labs" in r]
        assert asked_first[0] == "?dataset=labs&modality=text&from=2026-03-01&to=2026-03-02 200"
        assert asked_first[1] == "?dataset=labs&modality=text&from=2026-02-01&to=2026-02-28 200"
        assert asked_first[-1] == "?dataset=labs&modality=text&from=2025-10-01&to=2025-10-31 200"
        assert len(asked_first) == 6
        demo.next_night()
        ask(demo, settings)
        again = [r for r in asked(demo, "/api/ai/leaderboard-export") if "labs" in r]
        # February was asked for when it had been over for two days; the present month goes on.
        assert again == ["?dataset=labs&modality=text&from=2026-03-01&to=2026-03-03 200"]
        days = [r.window_end for r in read_records(settings) if r.source == "vercel_leaderboard"]
        assert max(d for d in days if d) == date(2026, 3, 3)


FAULTS = [
    # fault, whether the rankings are pulled all the same, and what is said
    ("429:1", True, ""),
    ("500:2", True, ""),
    ("truncated:1", True, ""),
    ("stall:1", True, ""),
    ("429:9", False, "wants fewer requests (429: Rate limit exceeded)"),
    ("500:9", False, "latest.manifest.json: status 500: Internal Server Error; try again later"),
    ("truncated:9", False, "latest.manifest.json: the answer broke off 3 time(s)"),
    ("slow:9", False, "no complete answer within 0.5 s (TOKENSHARE_PULL_TIMEOUT_SECONDS)"),
    ("stall:9", False, "no complete answer within 0.5 s"),
    ("wrong-content-type:9", False, "has the content type text/html and begins with "
     "'<!doctype html>"),
    ("wrong-content-type:9:" + EXPORTS + "/2026-03-03.csv", True, "expected text/csv"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "is_pulled", "said"), FAULTS, ids=[f[0] for f in FAULTS])
def test_a_fault_is_waited_out_or_named_and_stops_nothing_else(
    history: Settings, tmp_path: Path, fault: str, is_pulled: bool, said: str
) -> None:
    fault += "" if fault.count(":") > 1 else f":{EXPORTS}"
    chosen = {"pull_timeout_seconds": 0.5, "calls_per_night": 12}
    with night(history, tmp_path, (fault,), pause=2, **chosen) as (demo, settings):
        land_days(settings, "2026-01-01", 40, tmp_path)
        result = ask(demo, settings)
        assert said in result.failure
        assert bool(result.failure) == bool(said)
        assert bool(snapshots(settings)) == is_pulled
        # 429 ends the night for that host; anything else is of one address only.
        models = any(r.source == "openrouter_models" for r in read_records(settings))
        assert models == (fault[:5] != "429:9")


def test_a_wait_that_the_server_asks_for_is_kept_and_bounded(
    history: Settings, tmp_path: Path
) -> None:
    for longest, least, most in ((5.0, 1.0, 4.0), (0.1, 0.1, 0.9)):
        with night(history, tmp_path, ("429:1",), pull_max_wait_seconds=longest) as (_, settings):
            with Client(settings) as client:
                started = time.monotonic()
                client.get(f"{settings.source_url}api/v1/models", "json")
                assert client.calls == 2
            assert least <= time.monotonic() - started < most


def test_a_publish_during_a_pull_mixes_nothing(history: Settings, tmp_path: Path) -> None:
    with night(history, tmp_path, options={"publishes_after": 1}) as (demo, settings):
        land_days(settings, "2026-01-01", 40, tmp_path)
        result = ask(demo, settings)
        assert (result.failure, list(snapshots(settings))) == ("", ["2026-03-02.csv"])
        assert not [r for r in demo.requests if "latest.csv" in r or "latest.json" in r]
        ask(demo, settings)
        assert list(snapshots(settings)) == ["2026-03-02.csv", "2026-03-03.csv"]


Route = tuple[int, dict[str, str], bytes]


@contextmanager
def server(routes: dict[str, Route]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A real server with fixed answers by path; yields its address and the headers it was sent."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({"path": self.path, **dict(self.headers)})
            status, headers, body = routes.get(self.path.split("?")[0], (404, {}, b"{}"))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}", seen
    finally:
        running.shutdown()
        running.server_close()


JSON = {"Content-Type": "application/json"}
CSV = {"Content-Type": "text/csv"}
BOMB = gzip.compress(b" " * 20_000_000)


@pytest.mark.parametrize(
    ("route", "said"),
    [
        (
            (302, {"Location": "http://localhost:1/x"}, b""),
            "redirects to another host, 'localhost'",
        ),
        ((302, {"Location": "/a"}, b""), "redirects more than 3 times"),
        ((400, JSON, b'{"error":{"message":"bad\\nday"}}'), r"status 400: bad\nday; the request"),
        ((401, JSON, b"{}"), "a key is needed; set TOKENSHARE_OPENROUTER_API_KEY"),
        ((403, JSON, b"{}"), "the server does not allow this"),
        ((200, JSON, b"x" * 1_000_001), "has more than 1,000,000 bytes"),
        ((200, {**JSON, "Content-Encoding": "gzip"}, BOMB), "has more than 1,000,000 bytes"),
        ((200, {**JSON, "Content-Encoding": "gzip"}, b"not gzip"), "the answer is damaged"),
        ((200, JSON, b"<html>Sign in</html>"), "begins with '<html>Sign in"),
        ((204, JSON, b""), "status 204"),
    ],
)
def test_an_answer_that_is_not_one_is_named(tmp_path: Path, route: Route, said: str) -> None:
    settings = Settings(data_dir=tmp_path, max_dump_bytes=1_000_000, pull_retries=0)
    with server({"/a": route}) as (url, seen), Client(settings) as client:
        with pytest.raises(PullError) as caught:
            client.get(f"{url}/a", "json")
        assert said in str(caught.value)
        assert str(caught.value).startswith(f"{url}/a: ")
        assert seen[0]["User-Agent"] == USER_AGENT


def test_the_key_goes_only_where_it_is_needed_and_not_in_the_clear(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, openrouter_api_key=KEY, pull_retries=0)
    echo = json.dumps({"error": {"message": f"no such key: {KEY}"}}).encode()
    routes = {
        "/a": (200, JSON, b"{}"),
        "/b": (302, {"Location": "/a"}, b""),
        "/c": (401, JSON, echo),
    }
    with server(routes) as (url, seen), Client(settings) as client:
        client.get(f"{url}/a", "json")
        client.get(f"{url}/b", "json", keyed=True)
        with pytest.raises(PullError, match="the key is not accepted; renew it") as caught:
            client.get(f"{url}/c", "json", keyed=True)
        assert KEY not in repr(caught.value)
        assert ["Authorization" in headers for headers in seen] == [False, True, True, True]
        with pytest.raises(PullError, match="not sent without encryption"):
            client.get("http://openrouter.ai/a", "json", keyed=True)
        assert client.calls == 4


def test_a_host_that_cannot_be_reached_is_asked_once(tmp_path: Path) -> None:
    with Client(Settings(data_dir=tmp_path, pull_retries=0)) as client:
        for said in ("cannot be reached", "not asked: http"):
            with pytest.raises(HostError, match=said):
                client.get("http://127.0.0.1:9/x", "json")
        assert client.calls == 1


CONTENT = builders.csv5(builders.feed(builders.days("2026-02-01", 30)))
MANIFEST = json.loads(builders.export_manifest(CONTENT, "2026-03-03T01:46:15Z"))


def hostile(tmp_path: Path, change: Callable[[dict[str, Any]], object], csv: bytes = CONTENT) -> (
    PullResult
):  # fmt: skip
    """A pull from a server whose manifests were changed."""
    manifest = json.loads(json.dumps(MANIFEST))
    change(manifest)
    body = json.dumps(manifest).encode()
    routes = {
        f"{EXPORTS}/latest.manifest.json": (200, JSON, body),
        f"{EXPORTS}/2026-03-03.manifest.json": (200, JSON, body),
        f"{EXPORTS}/2026-03-03.csv": (200, CSV, csv),
    }
    with server(routes) as (url, _):
        settings = Settings(
            data_dir=tmp_path / "data", source_url=url, shipped_history=False, calls_per_night=12
        )
        return pull(settings)


def test_nothing_in_a_manifest_becomes_a_path_or_an_address(tmp_path: Path) -> None:
    def elsewhere(manifest: dict[str, Any]) -> None:
        manifest["files"]["csv"]["url"] = "file:///outside"
        manifest["files"]["csv"]["path"] = "../../x"

    assert hostile(tmp_path, elsewhere).failure == ""
    before = {p for p in tmp_path.rglob("*") if "landing" in p.parts}
    for day in ("../../x", "2026-03-03/../../../x", "9999-12-31"):
        result = hostile(tmp_path, lambda m, d=day: m.update(snapshot_date=d))
        assert "snapshot_date" in result.failure, day
    assert {p for p in tmp_path.rglob("*") if "landing" in p.parts} == before
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_an_export_that_is_not_what_its_manifest_states_is_not_landed(tmp_path: Path) -> None:
    result = hostile(tmp_path, lambda m: None, CONTENT[:-1])
    assert f"2026-03-03.csv: has bytes {len(CONTENT) - 1}; its manifest states" in result.failure
    result = hostile(tmp_path, lambda m: None, CONTENT.replace(b"0.1", b"0.2"))
    assert "2026-03-03.csv: has sha256" in result.failure
    assert result.landed == ()
    assert not list((tmp_path / "data" / "pulls").glob("*answer*"))


def test_a_slug_that_is_no_plain_text_never_becomes_an_address(
    settings: Settings, tmp_path: Path
) -> None:
    odd = ["../etc/passwd", "a/../b", "a/b%2f..", "~a/b-latest", "good/model:free", "good/model"]
    rows = [("2026-01-01", slug, str(100 - n)) for n, slug in enumerate([*odd, "other"])]
    land(builders.write(tmp_path, "2026-02-10T00-00-00Z.csv", builders.csv3(rows)), settings)
    records = read_records(settings)
    slugs, left = most_used(records, settings)
    assert (slugs, left) == (["good/model"], ["../etc/passwd", "a/../b", "a/b%2f.."])
    listed, notices = asks(records, datetime(2026, 2, 10, tzinfo=records[0].as_of.tzinfo), settings)
    assert [a.url for a in listed][-1].endswith("/api/v1/models/good/model/endpoints")
    assert "../etc/passwd" in notices[0]


@pytest.mark.parametrize(
    "url", ["ftp://host/", "file:///outside", "http://u:p@host/", "http://h/?k=1"]
)
def test_an_address_of_a_source_is_plain_http(url: str) -> None:
    with pytest.raises(ValueError, match="source_url"):
        Settings(source_url=url)  # type: ignore[arg-type]  # validated by pydantic


def test_a_run_goes_on_with_what_is_landed_if_the_source_is_away(small: Settings) -> None:
    away = Settings(data_dir=small.data_dir, source_url="http://127.0.0.1:9", pull_retries=0)  # type: ignore[arg-type]  # validated by pydantic
    result = pipeline.run(away, pull=True)
    assert result.pulled is not None
    assert not result.vintage.is_new
    assert "cannot be reached" in result.pulled.failure
    with pytest.raises(PullError, match="the rankings could not all be pulled"):
        result.pulled.raise_for_failure()
    assert pipeline.run(away).pulled is None


def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str]:
    """The exit code of the entry point, and everything that it printed."""
    monkeypatch.setattr(sys, "argv", ["tokenshare", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0), "".join(capfd.readouterr())


def written(folder: Path) -> str:
    """The bytes of every file below a folder, decompressed, as text."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        found.append(gzip.decompress(content) if path.suffix == ".gz" else content)
    return b"".join(found).decode("latin-1")


def test_a_run_publishes_what_is_landed_with_its_gap_and_the_key_is_nowhere(
    history: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """First a pull without a key, which finds a gap. Then the real command line with a key that is
    refused, which publishes all the same; and one with a key that is accepted, and with faults."""
    quick = {
        "TOKENSHARE_OPENROUTER_API_KEY": KEY,
        "TOKENSHARE_DEBUG": "1",
        "TOKENSHARE_SHIPPED_HISTORY": "false",
        "TOKENSHARE_PULL_RETRIES": "1",
        "TOKENSHARE_PULL_MAX_WAIT_SECONDS": "0.05",
        "TOKENSHARE_CALLS_PER_NIGHT": "12",
        "TOKENSHARE_INBOX_QUIET_SECONDS": "0",
    }
    options = {"oldest": date(2026, 2, 25), "api_key": KEY}
    faults = ("500:1:/api/v1/datasets/rankings-daily", "500:9:/api/v1/models")
    with night(history, tmp_path, faults, options=options, calls_per_night=20) as (demo, settings):
        land_days(settings, "2025-12-01", 31, tmp_path)
        (gap,) = ask(demo, settings).gaps
        for name, value in quick.items():
            monkeypatch.setenv(name, value)
        other = tmp_path / "other"
        url = ["--source-url", demo.base_url]
        code, pulled = command(monkeypatch, capfd, "pull", *url, "--data-dir", str(other))
        assert (code, "models: http" in pulled, "status 500" in pulled) == (0, True, True), pulled
        demo.api_key = "another"
        at = ("--data-dir", str(settings.data_dir))
        code, ran = command(monkeypatch, capfd, "run", *url, *at)
    assert (code, "published vintage" in ran) == (11, True), ran
    assert "the key is not accepted" in ran
    vintage = vintage_of(settings)
    assert [g["last_day"] for g in vintage.manifest["gaps"]] == [f"{gap.last_day}"]
    (warning,) = [r for r in vintage.manifest["gate"] if r["rule"] == "UNREACHABLE_DAY"]
    assert (warning["verdict"], warning["failing"]) == ("warn", 25)
    assert "2026-01-01: openrouter_rankings has no row: no snapshot" in warning["rows"][0]
    weeks = pq.read_table(vintage.path / "tables" / "share_by_origin_weekly.parquet").to_pylist()
    complete = {f"{w['period_start']}": w["is_complete"] for w in weeks}
    assert complete["2025-12-22"] and not complete["2025-12-29"] and complete["2026-02-02"]
    everything = written(other) + written(settings.data_dir)
    assert KEY not in pulled + ran + everything
    assert "start_date=2025-01-01" in everything
    assert KEY not in repr(Settings(openrouter_api_key=KEY))  # type: ignore[arg-type]  # validated by pydantic
