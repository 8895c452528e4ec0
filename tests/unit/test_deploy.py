"""The systemd units, the compose file and the workflow: judged by their own tools where these are
installed, and by their schemas."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from orchestration import __version__
from orchestration.cli import app
from orchestration.settings import PROJECT_ROOT, Settings
from tests import builders

DEPLOY = PROJECT_ROOT / "deploy"
UNITS = sorted(p.name for p in (DEPLOY / "systemd").glob("tokenshare-*.*") if p.is_file())
SYSTEMD = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(SYSTEMD is None, reason="systemd is not installed here")


def analyze(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """systemd-analyze on the units as they are here: the project and its environment are those of
    this checkout, so that a program that does not exist is an error."""
    shutil.copytree(DEPLOY / "systemd", folder, dirs_exist_ok=True)
    for path in (p for p in folder.rglob("*") if p.is_file()):
        text = path.read_text(encoding="utf-8").replace("/opt/tokenshare/.venv", sys.prefix)
        path.write_text(text.replace("/opt/tokenshare", str(PROJECT_ROOT)), encoding="utf-8")
    return subprocess.run(
        [SYSTEMD or "", *arguments],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"},
        capture_output=True, encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip


@needs_systemd
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    folder = tmp_path / "units"
    units = [str(folder / name) for name in UNITS]
    assert len(units) == 7
    shutil.copytree(DEPLOY / "systemd", folder)
    # The optional part is in place too, for each service that may run the nights.
    for service in ("tokenshare-night", "tokenshare-daemon"):
        (folder / f"{service}.service.d").mkdir()
        shutil.copy(DEPLOY / "signing.conf", folder / f"{service}.service.d" / "20-signing.conf")
    verified = analyze(folder, "verify", "--man=no", "--recursive-errors=no", *units)
    assert (verified.returncode, verified.stderr) == (0, "")


@needs_systemd
def test_the_services_may_do_little(tmp_path: Path) -> None:
    """systemd's own measure of exposure, from 0 to 10; 2.0 is the most that is accepted."""
    services = [name for name in UNITS if name.endswith(".service")]
    limited = ["security", "--offline=true", "--no-pager", "--threshold=20"]
    judged = analyze(tmp_path / "units", *limited, *services)
    assert judged.returncode == 0, judged.stdout
    assert judged.stdout.count("Overall exposure level") == len(services)


def test_the_timer_and_the_schedule_agree() -> None:
    timer = (DEPLOY / "systemd" / "tokenshare-night.timer").read_text(encoding="utf-8")
    assert f"OnCalendar=*-*-* {Settings().nightly_at:%H:%M:%S} UTC" in timer
    # YAML 1.1 reads the key `on` as true.
    assert workflow()[True]["schedule"] == [{"cron": Settings().nightly_cron}]


def compose_tool() -> list[str] | None:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            tried = subprocess.run([*command, "version"], capture_output=True, check=False)
            if tried.returncode == 0:
                return command
    return None


def test_the_citation_file_is_accepted() -> None:
    """By the schema that the owners of the Citation File Format publish."""
    file = PROJECT_ROOT / "CITATION.cff"
    judged = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema",
         "vendor.citation-file-format", file],
        capture_output=True, encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip
    assert judged.returncode == 0, judged.stdout
    stated = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert (stated["version"], stated["license"]) == (__version__, "Apache-2.0")


def test_the_compose_file_is_accepted_and_asks_for_the_password() -> None:
    """By the schema that the owners of Compose publish, and by Compose if it is installed."""
    judged = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
         DEPLOY / "compose.yaml"],
        capture_output=True, encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip
    assert judged.returncode == 0, judged.stdout
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    # `:?` refuses an empty value.
    assert set(re.findall(r"\$\{DAGSTER_PG_PASSWORD(.{2})", text)) == {":?"}
    if (tool := compose_tool()) is None:
        return

    def config(password: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*tool, "-f", str(DEPLOY / "compose.yaml"), "config"],
            env={**os.environ, "DAGSTER_PG_PASSWORD": password},
            capture_output=True, encoding="utf-8", check=False, timeout=60,
        )  # fmt: skip

    accepted = config("x")
    assert accepted.returncode == 0, accepted.stderr
    services = yaml.safe_load(accepted.stdout)["services"]
    assert set(services) == {"postgres", "daemon", "webserver", "reports"}
    refused = config("")
    assert refused.returncode != 0
    assert "DAGSTER_PG_PASSWORD" in refused.stderr


def test_compose_opens_ports_on_this_machine_alone_and_holds_no_secret() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    services = yaml.safe_load(text)["services"]
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)
    asked = set(re.findall(r"\$\{(\w+)", text))
    example = (DEPLOY / "example.env").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE))
    assert stated.keys() == asked | {"COMPOSE_PROJECT_NAME"}
    assert {stated[name] for name in asked} == {""}
    for service in services.values():
        for name, value in service["environment"].items():
            if re.search("PASSWORD|KEY|WEBHOOK", name):
                assert value.startswith("${"), name
    # Services that only read have none, and nothing runs as root in our image.
    assert services["reports"]["environment"] == {}
    image = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert image.index("USER tokenshare") < image.index("CMD")


@pytest.mark.parametrize("host", ["", "postgres"])
def test_the_instance_is_in_postgresql_if_a_host_is_set(tmp_path: Path, host: str) -> None:
    (tmp_path / "deploy").mkdir()
    (tmp_path / "orchestration").mkdir()
    script = shutil.copy(DEPLOY / "instance.sh", tmp_path / "deploy")
    for name in ("dagster", "dagster-postgres"):
        written = tmp_path / "orchestration" / f"{name}.yaml"
        written.write_text(f"{name}: 1\n", encoding="utf-8")
    home = tmp_path / "a home"
    environment = {"PATH": os.environ["PATH"], "DAGSTER_HOME": str(home), "DAGSTER_PG_HOST": host}
    for _ in range(2):
        subprocess.run([script], env=environment, check=True)
    said = (home / "dagster.yaml").read_text(encoding="utf-8")
    assert said == "dagster: 1\n" + ("dagster-postgres: 1\n" if host else "")
    assert len(list(home.iterdir())) == 1


def judged_by_schema(schema: str, file: Path) -> str:
    """What check-jsonschema says against a file, or "" if it accepts it."""
    judged = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, file],
        capture_output=True, encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip
    return "" if judged.returncode == 0 else judged.stdout + judged.stderr


WORKFLOW = DEPLOY / "github-pages.yml"


def workflow() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    return document


def test_the_workflow_is_accepted_by_the_schema_of_its_host(tmp_path: Path) -> None:
    for schema in ("vendor.github-workflows", "custom.github-workflows-require-timeout"):
        assert judged_by_schema(schema, WORKFLOW) == ""
    text = WORKFLOW.read_text(encoding="utf-8")
    wrong = builders.write(tmp_path, "wrong.yml", text.replace("runs-on:", "runs_on:").encode())
    assert "runs_on" in judged_by_schema("vendor.github-workflows", wrong)


def test_every_step_of_the_workflow_is_shell_with_commands_that_exist() -> None:
    steps = workflow()["jobs"]["night"]["steps"]
    scripts = [step["run"] for step in steps if "run" in step]
    assert len(scripts) == 7
    for script in scripts:
        subprocess.run(["sh", "-n"], input=script, encoding="utf-8", check=True)
        # What comes from outside is a variable of the shell, never a part of the script.
        assert "${{" not in script
        for path in re.findall(r"deploy/[\w.]+", script):
            assert os.access(PROJECT_ROOT / path, os.X_OK), path
        for line in re.findall(r"\.venv/bin/tokenshare (.*?)(?: \|\||$)", script, re.MULTILINE):
            asked = CliRunner().invoke(app, [*shlex.split(line), "--help"])
            assert asked.exit_code == 0, asked.output


def test_the_workflow_may_do_little_and_shows_each_secret_to_one_step() -> None:
    document = workflow()
    assert document["permissions"] == {}
    job = document["jobs"]["night"]
    assert job["permissions"] == {"contents": "write", "pages": "write", "id-token": "write"}
    assert not [v for v in job["env"].values() if "secrets." in v]
    shown = [
        name
        for step in job["steps"]
        for name in re.findall(r"secrets\.(\w+)", str(step.get("env")))
    ]
    assert len(shown) == len(set(shown)) == 4
    for name in shown:
        assert name.removeprefix("TOKENSHARE_").lower() in Settings.model_fields


def branches(checkout: Path, data: Path, what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "deploy" / "branches.sh", what],
        env={"PATH": os.environ["PATH"], "HOME": "/", "TOKENSHARE_DATA_DIR": str(data)},
        capture_output=True, encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@localhost", *arguments],
        capture_output=True, encoding="utf-8", check=True,
    ).stdout.strip()  # fmt: skip


@pytest.fixture
def forgetful(tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    """A machine that has nothing but a shallow clone, and the data folder of its night."""
    origin, first = tmp_path / "origin.git", tmp_path / "first"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(first))
    (first / "deploy").mkdir()
    shutil.copy(DEPLOY / "branches.sh", first / "deploy")
    (first / ".gitignore").write_text("landing\n*.gz\n", encoding="utf-8")
    git(first, "add", ".")
    git(first, "commit", "--quiet", "-m", "code")
    git(first, "push", "--quiet", str(origin), "main")

    def machine(name: str) -> tuple[Path, Path]:
        checkout = tmp_path / name
        git(tmp_path, "clone", "--quiet", "--depth", "1", origin.as_uri(), str(checkout))
        return checkout, tmp_path / f"{name} data"

    return machine


def written(data: Path) -> dict[str, bytes]:
    return {p.relative_to(data).as_posix(): p.read_bytes() for p in data.rglob("*") if p.is_file()}


def test_the_branches_carry_the_data_from_night_to_night(
    forgetful: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    checkout, data = forgetful("monday")
    said = branches(checkout, data, "restore")
    assert said.stdout.count("not there yet") == 3, said.stderr
    first = {"landing/s/1/dump.csv.gz": b"\x1f\x8b\r\n1", "landing/s/1/sidecar.json": b"{}\r\n",
             "pulls/state.json": b"1", "published/vintages/a/t.parquet": b"a",
             "published/latest.json": b"a"}  # fmt: skip
    for name, content in first.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(content)
    said = branches(checkout, data, "save")
    assert (said.returncode, said.stdout.count(": saved")) == (0, 3), said.stderr
    # The checkout is as it was.
    assert git(checkout, "status", "--porcelain") == ""
    assert branches(checkout, data, "save").stdout.count("nothing new") == 3

    checkout, data = forgetful("tuesday")
    branches(checkout, data, "restore")
    assert written(data) == first
    (data / "pulls/state.json").write_bytes(b"2")
    (data / "landing/s/2").mkdir()
    (data / "landing/s/2/dump.csv.gz").write_bytes(b"2")
    shutil.rmtree(data / "published/vintages/a")
    (data / "published/vintages/b").mkdir()
    (data / "published/vintages/b/t.parquet").write_bytes(b"b")
    said = branches(checkout, data, "save")
    assert said.returncode == 0, said.stderr
    second = written(data)

    origin = tmp_path / "origin.git"
    assert git(origin, "rev-list", "--count", "tokenshare-landing") == "2"
    assert git(origin, "rev-list", "--count", "tokenshare-published") == "1"
    checkout, data = forgetful("wednesday")
    branches(checkout, data, "restore")
    assert written(data) == second

    # A night that was overtaken pushes nothing.
    other, late = forgetful("late")
    branches(other, late, "restore")
    (data / "pulls/state.json").write_bytes(b"3")
    assert branches(checkout, data, "save").returncode == 0
    (late / "pulls/state.json").write_bytes(b"4")
    said = branches(other, late, "save")
    assert said.returncode != 0
    assert "stale info" in said.stderr
    assert git(origin, "show", "tokenshare-pulls:state.json") == "3"


def test_a_server_that_does_not_answer_is_not_a_first_night(
    forgetful: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    checkout, data = forgetful("monday")
    (tmp_path / "origin.git").rename(tmp_path / "away.git")
    said = branches(checkout, data, "restore")
    assert said.returncode != 0
    assert "not there yet" not in said.stdout
