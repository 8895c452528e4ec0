"""The systemd units and the compose file: judged by their own tools where these are installed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from orchestration import __version__
from orchestration.settings import PROJECT_ROOT, Settings

DEPLOY = PROJECT_ROOT / "deploy"
UNITS = sorted(p.name for p in (DEPLOY / "systemd").glob("tokenshare-*.*") if p.is_file())
SYSTEMD = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(SYSTEMD is None, reason="systemd is not installed here")


def analyze(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """systemd-analyze on the units as they are here: the project and its environment are those of
    this checkout, so that a program that does not exist is an error."""
    shutil.copytree(DEPLOY / "systemd", folder)
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
    assert len(units) == 5
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
