"""Dagster's instance in a real PostgreSQL, with webserver, daemon and code server as processes of
their own. `make test-postgres` runs this: it takes a minute, because a schedule must become due."""

import os
import select
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestration.settings import PROJECT_ROOT, Settings
from tests.postgres import postgres_server

BIN = Path(sys.executable).parent
PATIENCE = float(os.environ.get("TOKENSHARE_PATIENCE_SECONDS", "240"))
PASSWORD = "a-password-that-nothing-shows"

pytestmark = pytest.mark.postgres

LAUNCH = """
mutation { launchRun(executionParams: {
    selector: {repositoryLocationName: "tokenshare", repositoryName: "__repository__",
               jobName: "tidy_runs"},
    runConfigData: {}
}) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""
STATE = """
query($run: ID!) {
    runOrError(runId: $run) { ... on Run { status } }
    scheduleOrError(scheduleSelector: {
        repositoryLocationName: "every_minute", repositoryName: "__repository__",
        scheduleName: "every_minute"
    }) { ... on Schedule { scheduleState { ticks(limit: 5) { status runIds } } } }
}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def wait_for(found: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if result := found():
            return result
        time.sleep(0.5)
    raise AssertionError(f"{what} did not happen within {PATIENCE:.0f} s")


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT_ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


class Forward(socketserver.BaseRequestHandler):
    """Passes a connection on to the socket file `server.target`: the server that the package
    starts has no port, and Dagster knows only servers with one."""

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as target:
            target.connect(self.server.target)  # type: ignore[attr-defined]  # ours
            ends = {self.request: target, target: self.request}
            while True:
                for source in select.select(ends, [], [])[0]:
                    if not (data := source.recv(65536)):
                        return
                    ends[source].sendall(data)


@pytest.fixture
def server() -> Iterator[dict[str, str]]:
    """A PostgreSQL with a user and a database for Dagster: the variables that name it."""
    with postgres_server() as (postgres, host):
        postgres.psql(f"create role dagster login password '{PASSWORD}'")
        postgres.psql("create database instance owner dagster")
        forward = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Forward)
        forward.daemon_threads = True
        forward.target = f"{host}/.s.PGSQL.5432"  # type: ignore[attr-defined]  # ours
        threading.Thread(target=forward.serve_forever, daemon=True).start()
        yield {
            "DAGSTER_PG_HOST": "127.0.0.1",
            "DAGSTER_PG_PORT": str(forward.server_address[1]),
            "DAGSTER_PG_USERNAME": "dagster",
            "DAGSTER_PG_PASSWORD": PASSWORD,
            "DAGSTER_PG_DB": "instance",
        }
        forward.shutdown()
        forward.server_close()


def test_runs_and_ticks_of_separate_processes_are_in_postgres(
    server: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    files = [PROJECT_ROOT / "orchestration" / f"dagster{x}.yaml" for x in ("", "-postgres")]
    config = "".join(file.read_text(encoding="utf-8") for file in files)
    (home / "dagster.yaml").write_text(config, encoding="utf-8")
    code, web = free_port(), free_port()
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text(
        "load_from:\n"
        f"  - grpc_server: {{host: 127.0.0.1, port: {code}, location_name: tokenshare}}\n"
        "  - python_file:\n"
        f"      relative_path: {PROJECT_ROOT / 'tests' / 'integration' / 'every_minute.py'}\n"
        "      location_name: every_minute\n",
        encoding="utf-8",
    )
    environment = {
        **os.environ,
        **server,
        "DAGSTER_HOME": str(home),
        "TOKENSHARE_DATA_DIR": str(settings.data_dir),
        "PYTHONUTF8": "1",
    }
    commands = {
        "code": ["dagster", "code-server", "start", "-m", "orchestration.definitions",
                 "-h", "127.0.0.1", "-p", f"{code}"],
        "web": ["dagster-webserver", "-w", str(workspace), "-h", "127.0.0.1", "-p", f"{web}"],
        "daemon": ["dagster-daemon", "run", "-w", str(workspace)],
    }  # fmt: skip

    def ask(query: str, **variables: str) -> dict[str, Any]:
        answer = httpx.post(
            f"http://127.0.0.1:{web}/graphql",
            json={"query": query, "variables": variables},
            timeout=PATIENCE,
        ).json()
        assert "errors" not in answer, answer
        return dict(answer["data"])

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{web}/server_info").is_success
        except httpx.TransportError:
            return False

    def code_is_served() -> bool:
        log = (tmp_path / "code.log").read_text(encoding="utf-8", errors="replace")
        return "Started Dagster code proxy server" in log

    with ExitStack() as processes:
        for name, (program, *arguments) in commands.items():
            command = [str(BIN / program), *arguments]
            processes.enter_context(running(command, environment, tmp_path / f"{name}.log"))
            if name == "code":
                wait_for(code_is_served, "the start of the code server")
        wait_for(answers, "an answer of the webserver")
        launched = ask(LAUNCH)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id = launched["run"]["runId"]

        def finished() -> dict[str, Any] | None:
            state = ask(STATE, run=run_id)
            ticks = state["scheduleOrError"]["scheduleState"]["ticks"]
            succeeded = [t for t in ticks if t["status"] == "SUCCESS" and t["runIds"]]
            done = state["runOrError"]["status"] in ("SUCCESS", "FAILURE")
            return state if done and succeeded else None

        state = wait_for(finished, "the end of the run and a tick of the schedule")
    assert state["runOrError"]["status"] == "SUCCESS"
    assert not list(home.rglob("*.db")), "nothing is in SQLite"
    for log in tmp_path.glob("*.log"):
        assert PASSWORD not in log.read_text(encoding="utf-8", errors="replace"), log
    assert PASSWORD not in config
