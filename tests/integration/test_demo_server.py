"""The demo server over real sockets: what a client of OpenRouter and Vercel meets."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestration.demo import documents
from orchestration.demo.faults import Fault, parse_faults
from orchestration.demo.server import Demo, demo_server, make_demo
from orchestration.errors import TokenshareError
from orchestration.files import sha256_bytes
from orchestration.landing.store import land
from orchestration.settings import PROJECT_ROOT, Settings
from tests import builders

EXPORTS = "/api/v1/datasets/exports"
RANKINGS = f"{EXPORTS}/rankings-daily"
KEYED = "/api/v1/datasets/rankings-daily"
KEY = {"Authorization": "Bearer sk-or-a-key"}
EXAMPLES = PROJECT_ROOT / "../shared/data/openrouter/api-examples"


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """40 days of the small feed, landed."""
    folder = tmp_path_factory.mktemp("landed")
    settings = Settings(data_dir=folder / "data")
    rows = builders.feed(builders.days("2026-01-20", 40))
    land(builders.write(folder, "2026-03-01T01-46-00Z.csv.gz", builders.csv3(rows)), settings)
    return settings


def new(landed: Settings, **options: Any) -> Demo:
    """A demo whose newest snapshot is of 2026-03-03 and whose oldest is of 2026-02-20."""
    return make_demo(date(2026, 3, 3), landed, **{"oldest": date(2026, 2, 20), **options})


def connect(demo: Demo, **options: Any) -> httpx.Client:
    return httpx.Client(base_url=demo.base_url, trust_env=False, **{"timeout": 5, **options})


@pytest.fixture(scope="module")
def demo(landed: Settings) -> Iterator[Demo]:
    with demo_server(new(landed, calls_per_minute=1000)) as running:
        yield running


@pytest.fixture(scope="module")
def client(demo: Demo) -> Iterator[httpx.Client]:
    with connect(demo) as client:
        yield client


def error(answer: httpx.Response) -> tuple[int, object]:
    """The status and the message of an error in the owner's form, which repeats the status."""
    found = answer.json()["error"]
    assert found["code"] == answer.status_code
    return answer.status_code, found["message"]


def test_an_export_is_what_its_manifest_states_and_can_be_landed(
    client: httpx.Client, settings: Settings, tmp_path: Path
) -> None:
    manifest = client.get(f"{RANKINGS}/latest.manifest.json").json()
    assert manifest["snapshot_date"] == "2026-03-03"
    stated = manifest["files"]["csv"]
    csv = client.get(stated["url"])
    assert csv.headers["content-type"].startswith("text/csv")
    assert (len(csv.content), sha256_bytes(csv.content)) == (stated["bytes"], stated["sha256"])
    assert csv.content.count(b"\r\n") == manifest["row_count"] + 1 == 30 * 8 + 1
    header, *lines = csv.text.splitlines()
    assert header == "date,model_permaslug,rank,total_tokens,share_of_daily_tokens"
    assert sorted({line[:10] for line in lines}) == builders.days("2026-02-01", 30)
    assert [line.split(",")[2] for line in lines[:8]] == [*"1234567", ""]
    dated = client.get(f"{RANKINGS}/2026-03-03.manifest.json").content
    assert json.loads(dated) == manifest
    builders.write(tmp_path, "2026-03-03.manifest.json", dated)
    found = land(builders.write(tmp_path, "2026-03-03.csv", csv.content), settings)
    assert (found.record.as_of_origin, found.quarantined_rows) == ("manifest", 0)
    twin = client.get(manifest["files"]["json"]["url"])
    assert sha256_bytes(twin.content) == manifest["files"]["json"]["sha256"]
    assert [r["total_tokens"] for r in twin.json()["rows"]] == [
        int(line.split(",")[3]) for line in lines
    ]


def keys(document: object) -> object:
    """The names in a document, to compare its shape; of a list, those of its first entry."""
    if isinstance(document, dict):
        return {name: keys(value) for name, value in document.items()}
    return [keys(document[0])] if isinstance(document, list) and document else None


@pytest.mark.skipif(not EXAMPLES.exists(), reason="needs the real examples in ../shared/data")
@pytest.mark.parametrize(
    ("path", "example"),
    [
        (f"{EXPORTS}/index.json", "exports-index-2026-10-08.json"),
        (f"{RANKINGS}/latest.manifest.json", "rankings-daily-2026-10-08.manifest.json"),
        (KEYED, "owner-openapi-example-rankings-daily.json"),
        ("/api/v1/datasets/app-rankings", "owner-openapi-example-app-rankings.json"),
        ("/api/v1/datasets/session-cost", "owner-openapi-example-session-cost.json"),
    ],
)
def test_answers_have_the_shape_of_the_owners(
    client: httpx.Client, path: str, example: str
) -> None:
    real = json.loads((EXAMPLES / example).read_text(encoding="utf-8"))
    assert keys(client.get(path, headers=KEY).json()) == keys(real)


@pytest.mark.skipif(not EXAMPLES.exists(), reason="needs the real examples in ../shared/data")
def test_benchmarks_have_the_shape_of_the_owners_once_there_are_any(client: httpx.Client) -> None:
    example = EXAMPLES / "owner-openapi-example-benchmarks.json"
    real = json.loads(example.read_text(encoding="utf-8"))
    assert keys(json.loads(documents.benchmarks(date(2026, 9, 1)))) == keys(real)
    before = client.get("/api/v1/benchmarks", headers=KEY).json()
    assert (before["data"], before["meta"]["model_count"]) == ([], 0)


def test_endpoints_have_the_fields_of_the_owners_example(client: httpx.Client) -> None:
    answer = client.get("/api/v1/models/openai/gpt-4o/endpoints").json()["data"]
    assert answer["id"] == "openai/gpt-4o"
    assert [*map(float, (answer["endpoints"][0]["pricing"][n] for n in ("prompt", "completion")))]
    if EXAMPLES.exists():
        example = EXAMPLES / "owner-openapi-example-model-endpoints.json"
        real = json.loads(example.read_text(encoding="utf-8"))["data"]
        assert answer.keys() == real.keys()
        assert answer["endpoints"][0].keys() >= real["endpoints"][0].keys()
    missing = client.get("/api/v1/models/openai/no-such/endpoints")
    assert error(missing) == (404, "Model not found")


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("/api/v1/models", "openrouter_models"),
        ("/api/v1/providers", "openrouter_providers"),
        ("/api/v1/datasets/app-rankings", "openrouter_app_rankings"),
        ("/api/v1/classifications/task?window=7d", "openrouter_task_classifications"),
        (KEYED, "openrouter_rankings"),
        (
            "/api/ai/leaderboard-export?dataset=labs&modality=text&from=2026-02-01&to=2026-02-05",
            "vercel_leaderboard",
        ),
        ("/api/ai/leaderboard-export?dataset=models", "vercel_leaderboard"),
    ],
)
def test_every_answer_that_has_a_source_is_landed_without_quarantine(
    client: httpx.Client, settings: Settings, tmp_path: Path, path: str, source: str
) -> None:
    answer = client.get(path, headers=KEY)
    assert answer.headers["x-tokenshare-simulated"] == "true"
    found = land(builders.write(tmp_path, "2026-03-05.json", answer.content), settings)
    assert found.record.source == source
    assert found.good_rows > 5
    assert (found.quarantined_rows, found.quarantined_fields) == (0, 0)


@pytest.mark.parametrize(
    "file",
    ["2026-02-19.csv", "2026-03-04.csv", "2026-02-30.csv", "2026-03-03.txt", "x.csv",
     "latest.txt"],
)  # fmt: skip
def test_what_was_not_exported_is_not_found(client: httpx.Client, file: str) -> None:
    assert error(client.get(f"{RANKINGS}/{file}")) == (404, "Export not found")


def test_an_unchanged_file_is_not_sent_again(client: httpx.Client) -> None:
    first = client.get(f"{RANKINGS}/2026-03-02.csv")
    assert first.headers["cache-control"] == "public, max-age=300"
    again = client.get(
        f"{RANKINGS}/2026-03-02.csv", headers={"If-None-Match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(f"{RANKINGS}/2026-03-01.csv", headers={"If-None-Match": '"x"'})
    assert other.status_code == 200


@pytest.mark.parametrize(
    "path",
    [KEYED, "/api/v1/datasets/app-rankings", "/api/v1/datasets/session-cost",
     "/api/v1/benchmarks", "/api/v1/classifications/task"],
)  # fmt: skip
def test_without_a_key_the_api_answers_401(client: httpx.Client, path: str) -> None:
    assert error(client.get(path)) == (401, "No auth credentials found")
    assert client.get(path, headers={"Authorization": "Basic x"}).status_code == 401


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ({}, "2026-02-01", "2026-03-02"),
        ({"start_date": "2026-02-27"}, "2026-02-27", "2026-03-02"),
        ({"start_date": "2024-06-01", "end_date": "2025-01-02"}, "2025-01-01", "2025-01-02"),
        ({"start_date": "2026-02-01", "end_date": "2026-12-31"}, "2026-02-01", "2026-03-02"),
    ],
)
def test_a_window_is_clamped_and_echoed(
    client: httpx.Client, asked: dict[str, str], start: str, end: str
) -> None:
    answer = client.get(KEYED, params=asked, headers=KEY).json()
    meta = answer["meta"]
    assert (meta["start_date"], meta["end_date"]) == (start, end)
    assert meta["as_of"] == "2026-03-03T01:46:15.433Z"
    listed = sorted({row["date"] for row in answer["data"]})
    assert listed == [d for d in builders.days("2026-01-20", 42) if start <= d <= end]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"start_date": "1.2.2026"}, "start_date must be a date, YYYY-MM-DD"),
        ({"end_date": "20260301"}, "end_date must be a date, YYYY-MM-DD"),
        ({"end_date": "2024-12-31"}, "end_date must be on or after 2025-01-01"),
        ({"start_date": "2026-03-02", "end_date": "2026-03-01"},
         "start_date must be on or before end_date"),
        ({"start_date": "2025-01-01", "end_date": "2026-01-02"},
         "the window must not exceed 366 days"),
    ],
)  # fmt: skip
def test_bad_dates_are_400(client: httpx.Client, asked: dict[str, str], message: str) -> None:
    assert error(client.get(KEYED, params=asked, headers=KEY)) == (400, message)


def test_too_many_calls_with_a_key_are_429_and_say_when_to_come_back(landed: Settings) -> None:
    made = new(landed, calls_per_minute=2, api_key="right")
    right, wrong = ({"Authorization": f"Bearer {key}"} for key in ("right", "wrong"))
    with demo_server(made) as demo, connect(demo, headers=right) as client:
        assert error(client.get(KEYED, headers=wrong)) == (401, "User not found.")
        assert [client.get(KEYED).status_code for _ in range(3)] == [200, 200, 429]
        last = client.get(KEYED)
        assert error(last) == (429, "Rate limit exceeded")
        assert 50 < int(last.headers["retry-after"]) <= 61
        assert client.get(f"{EXPORTS}/index.json").status_code == 200


def totals(client: httpx.Client, night: str) -> dict[str, int]:
    """Tokens by day in the snapshot of a night."""
    found: dict[str, int] = {}
    for line in client.get(f"{RANKINGS}/{night}.csv").text.splitlines()[1:]:
        day, _, _, tokens, _ = line.split(",")
        found[day] = found.get(day, 0) + int(tokens)
    return found


def test_the_next_night_has_a_new_snapshot_that_restates_the_last_days(landed: Settings) -> None:
    with demo_server(new(landed)) as demo, connect(demo) as client:
        before = client.get(f"{RANKINGS}/2026-03-03.csv").content
        assert client.get(f"{RANKINGS}/2026-03-04.csv").status_code == 404
        assert str(demo.next_night()) == "2026-03-04"
        manifest = client.get(f"{RANKINGS}/latest.manifest.json").json()
        assert manifest["snapshot_date"] == "2026-03-04"
        assert client.get(f"{RANKINGS}/2026-03-03.csv").content == before
        old, new_ = totals(client, "2026-03-03"), totals(client, "2026-03-04")
        changed = {day for day in old.keys() & new_.keys() if old[day] != new_[day]}
        assert "2026-03-02" in changed
        assert changed <= {"2026-03-01", "2026-03-02"}
        assert 0 < new_["2026-03-02"] / old["2026-03-02"] - 1 < 0.03


def test_aliases_mix_two_snapshots_for_a_while_after_a_publish(client: httpx.Client) -> None:
    def newest(kind: str) -> str:
        text = client.get(f"{RANKINGS}/latest.{kind}").text
        return text.splitlines()[-1][:10] if kind == "csv" else json.loads(text)["rows"][-1]["date"]

    assert newest("csv") == "2026-03-01"
    assert newest("json") == "2026-03-02"
    assert newest("csv") == "2026-03-01"
    assert newest("csv") == "2026-03-02"


def test_a_snapshot_can_be_published_in_the_middle_of_a_pull(landed: Settings) -> None:
    asked = parse_faults(["publish-during-pull:2"]).publishes_after
    with demo_server(new(landed, publishes_after=asked)) as demo, connect(demo) as client:
        first = client.get(f"{RANKINGS}/latest.manifest.json").json()["snapshot_date"]
        missing = client.get(f"{RANKINGS}/2026-03-03.csv").status_code
        second = client.get(f"{RANKINGS}/latest.manifest.json").json()["snapshot_date"]
    assert (first, missing, second) == ("2026-03-02", 404, "2026-03-03")


def test_the_first_answers_of_a_path_fail_as_they_were_told_to(landed: Settings) -> None:
    file = f"{RANKINGS}/2026-03-03.csv"
    faults = [
        Fault.parse(text)
        for text in (
            f"429:1:{EXPORTS}/index", "500:2:/api/v1/models", "truncated:1:/api/v1/providers",
            f"stall:1:{file}", "slow:1:/api/v1/endpoints", "wrong-content-type:1:/api/ai",
        )
    ]  # fmt: skip
    with demo_server(new(landed), faults, pause=0.3) as demo, connect(demo) as client:
        limited = client.get(f"{EXPORTS}/index.json")
        assert error(limited) == (429, "Rate limit exceeded")
        assert limited.headers["retry-after"] == "1"
        assert client.get(f"{EXPORTS}/index.json").status_code == 200
        statuses = [client.get("/api/v1/models", timeout=5).status_code for _ in range(3)]
        assert statuses == [500, 500, 200]
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message"):
            client.get("/api/v1/providers")
        assert len(client.get("/api/v1/providers").json()["data"]) > 50
        with pytest.raises(httpx.ReadTimeout):
            client.get(file, timeout=0.5)
        assert client.get(file).status_code == 200
        began = time.monotonic()
        assert client.get("/api/v1/endpoints/zdr", timeout=5).status_code == 200
        # A tenth of the pause after each piece; the last piece ends the answer.
        assert time.monotonic() - began >= 0.2
        page = client.get("/api/ai/leaderboard-export")
        assert page.headers["content-type"].startswith("text/html")
        assert page.status_code == 200
        assert client.get("/api/ai/leaderboard-export").json()["dataset"] == "labs"
        assert [line for line in demo.requests if "index.json" in line] == [
            f"GET {EXPORTS}/index.json 429", f"GET {EXPORTS}/index.json 200",
        ]  # fmt: skip


def test_a_share_of_all_requests_fails_the_same_ones_for_the_same_seed(landed: Settings) -> None:
    def statuses(seed: int) -> list[int]:
        made, faults = new(landed), [Fault.parse("500:0.3")]
        with demo_server(made, faults, seed) as demo, connect(demo) as client:
            return [client.get(f"{EXPORTS}/index.json").status_code for _ in range(40)]

    first = statuses(1)
    assert 4 <= first.count(500) <= 20
    assert statuses(1) == first != statuses(2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("teapot", "'teapot': expected a fault that begins with one of 429, 500"),
        ("429:x", "'429:x': expected 429:N for the first N requests"),
        ("500:1.5", "or 500:0.2 for that share"),
        ("500:1:exports", "expected 500:N"),
        ("tiny-day", "expected tiny-day:DAY"),
        ("publish-during-pull:soon", "expected publish-during-pull or publish-during-pull:N"),
    ],
)
def test_a_wrong_fault_says_what_was_expected(text: str, expected: str) -> None:
    with pytest.raises(TokenshareError) as failure:
        parse_faults([text])
    assert expected in str(failure.value)


def test_landed_answers_are_served_as_they_are(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    rows = builders.feed(builders.days("2026-02-01", 20))
    labs = json.loads(builders.CUT_CATALOGUE)
    land(builders.write(tmp_path, "2026-02-21.csv", builders.csv3(rows)), settings)
    land(builders.write(tmp_path, "2026-02-21.json", builders.CUT_CATALOGUE), settings)
    shares = {
        "dataset": "labs", "license": "CC-BY-4.0", "modality": "text",
        "license_url": "https://creativecommons.org/licenses/by/4.0/",
        "rows": [
            {"date": "2026-02-02", "group": "lab", "name": name, "metric": "tokens",
             "modality": "text", "share_percent": share}
            for name, share in (("openai", 60.5), ("Other", 39.5))
        ],
    }  # fmt: skip
    content = json.dumps(shares).encode()
    land(builders.write(tmp_path, "2026-02-22.json", content), settings)
    with demo_server(new(settings)) as demo, connect(demo) as client:
        assert client.get("/api/v1/models").json() == labs
        asked = {"dataset": "labs", "from": "2026-02-02", "to": "2026-02-03"}
        answer = client.get("/api/ai/leaderboard-export", params=asked).json()
    of_day = [r for r in answer["rows"] if r["date"] == "2026-02-02"]
    assert of_day == shares["rows"]
    names = {r["name"] for r in answer["rows"] if r["date"] == "2026-02-03"}
    assert names > {"Other", "Simulated openai"}
    assert all(n == "Other" or n.startswith("Simulated ") for n in names)


def test_the_command_prints_what_to_try_steps_hides_the_key_and_ends_on_ctrl_c() -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    command = [
        sys.executable, "-m", "orchestration.cli", "demo-server", "--port", "0", "--log",
        "--today", f"{yesterday}", "--seconds-per-night", "0.2",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        encoding="utf-8",
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(4)]
        address = said[0].split()[0]
        assert f"tokenshare run --source-url {address}\n" in said[2]
        assert "days after 2026-10-09 are made up" in said[0]
        stepped = f"the newest snapshot is now of {yesterday + timedelta(days=1)}\n"
        assert process.stdout.readline() == stepped
        with httpx.Client(base_url=address, trust_env=False) as client:
            asked = {"start_date": "2026-08-01", "end_date": "2026-08-01", "key": "sk-or-hidden"}
            assert len(client.get(KEYED, params=asked, headers=KEY).json()["data"]) == 51
    finally:
        process.send_signal(signal.SIGINT)
        rest, log = process.communicate(timeout=20)
    assert process.returncode == 0, log
    assert f"GET {KEYED}?start_date=2026-08-01&end_date=2026-08-01 200" in log
    assert "sk-or" not in rest + log
