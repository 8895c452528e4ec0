"""Every snippet that a reader may copy from README.md and docs/ does what the page says.

An HTML comment above a block says what to expect: `<!-- rows: 168 -->` above SQL, `<!-- weekly: 405
rows -->` above Python (a name of the snippet), `<!-- today: 2026-11-25 -->` above a transcript that
holds the day on which it was made, `<!-- as root -->` above commands that set up a server: of these
it is only checked that what they name exists, `<!-- on PostgreSQL -->` above SQL for another
server, `<!-- on Spark -->` above commands that need the extra `spark` and minutes, and
`<!-- backup -->` and `<!-- restore -->` above commands that run here in other folders.
A block in another language, or with another command, fails until this file knows how to run it.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.publication.vintage import Vintage
from orchestration.settings import PROJECT_ROOT, Settings
from tests import builders

Shipped = tuple[Settings, Vintage]
PAGES = [PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"^(?:<!-- (?P<said>[^\n]*) -->\n)?```(?P<language>[^\n]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
FEED = builders.feed(builders.days("2026-01-01", 42))


def blocks(*languages: str) -> list[Any]:
    """(language, text, what the comment says) of each block, as parameters of a test."""
    found = []
    for page in PAGES:
        content = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(content):
            if not languages or match["language"] in languages:
                line = content[: match.start("text")].count("\n")
                found.append(
                    pytest.param(
                        match["language"], match["text"], match["said"] or "",
                        id=f"{page.name}:{line}",
                    )
                )  # fmt: skip
    return found


def test_this_file_knows_how_to_run_every_block() -> None:
    for block in blocks():
        language, text, said = block.values
        assert text.strip(), block.id
        # A diagram is drawn by the reader's browser, and a text is what somebody got; nothing runs.
        kinds = ("sql", "python", "console", "sh", "mermaid", "text", "json")
        assert language in kinds, block.id
        if language in ("sql", "python"):
            says_how_many = re.fullmatch(r"rows: \d+|\w+: \d+ rows|on PostgreSQL", said)
            assert says_how_many, f"{block.id}: say how many rows it gives"


def test_every_fence_of_the_pages_is_a_block() -> None:
    fences = sum(p.read_text(encoding="utf-8").count("```") for p in PAGES)
    assert fences == 2 * len(blocks()) > 0


@pytest.mark.parametrize(("language", "text", "said"), blocks("sql"))
def test_sql_runs_on_the_database_and_no_row_comes_twice(
    language: str, text: str, said: str, shipped: Shipped
) -> None:
    if said == "on PostgreSQL":
        return  # see test_bi.py and tests/integration/test_pull_litellm.py
    database = str(shipped[1].path / "tokenshare.duckdb")
    with duckdb.connect(database, read_only=True) as connection:
        relation = connection.sql(text)
        assert f"rows: {len(relation.fetchall())}" == said
        # What a reader takes for one thing has one figure: nothing but numbers beside its names.
        names = [
            c for c, t in zip(relation.columns, relation.types, strict=True)
            if str(t) in ("VARCHAR", "DATE")
        ]  # fmt: skip
        assert len(relation.aggregate(", ".join(names)).fetchall()) == int(said.split()[-1])


@pytest.mark.parametrize(("language", "text", "said"), blocks("python"))
def test_python_runs_beside_the_data(
    language: str,
    text: str,
    said: str,
    shipped: Shipped,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "data").symlink_to(shipped[0].data_dir)
    monkeypatch.chdir(tmp_path)
    # What our own code does not need.
    monkeypatch.syspath_prepend(str(Path(sys.prefix) / "readers" / "polars"))
    names: dict[str, object] = {}
    exec(compile(text, "snippet", "exec"), names)
    name = said.split(":")[0]
    assert f"{name}: {len(names[name])} rows" == said  # type: ignore[arg-type]  # a frame


# What a reader does next, in another process: matplotlib is in a folder of its own.
PLOTTED = """
import sys
sys.path.insert(0, sys.argv[1])
import matplotlib
matplotlib.use("agg")
names = {}
exec(sys.argv[2], names)
frame = names[sys.argv[3]]
assert frame["period_start"].dt.year.between(2025, 2026).all()
plain = frame.dropna(axis="columns")
numbers = [c for c in plain if c.startswith(("tokens", "share", "spend_share", "list_spend_usd"))]
months = frame.resample("MS", on="period_start")[numbers].sum()
axes = frame.plot(x="period_start", y=numbers)
for line, column in zip(axes.get_lines(), numbers, strict=True):
    assert list(line.get_ydata()) == frame[column].tolist()
print(len(months), *numbers)
"""


@pytest.mark.parametrize(
    ("language", "text", "said"), [b for b in blocks("python") if "duckdb" in b.values[1]]
)
def test_a_frame_has_dates_and_its_shares_and_money_plot(
    language: str, text: str, said: str, shipped: Shipped, tmp_path: Path
) -> None:
    (tmp_path / "data").symlink_to(shipped[0].data_dir)
    folder = Path(sys.prefix) / "readers" / "matplotlib"
    assert folder.is_dir(), f"{folder} is missing; `make readers` installs it"
    run = subprocess.run(
        [sys.executable, "-c", PLOTTED, folder, text, said.split(":")[0]],
        capture_output=True, encoding="utf-8", check=False, cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    months, *numbers = run.stdout.split()
    assert int(months) > 12
    assert {"tokens", "share"} <= set(numbers) or {"spend_share", "list_spend_usd"} <= set(numbers)


# What README.md says of the other ways to read a table.
FRAMES = """
import sys
sys.path.insert(0, sys.argv[1])
import matplotlib
matplotlib.use("agg")
import pandas as pd

def works(what):
    try:
        what()
    except Exception:
        return False
    return True

for options in ({}, {"dtype_backend": "pyarrow"}):
    frame = pd.read_parquet(sys.argv[2], **options)
    print(
        works(lambda: frame["period_start"].dt.year),
        works(lambda: frame.plot(x="period_start", y="list_spend_usd")),
        works(lambda: frame.plot(x="period_start", y="spend_share")),
        works(lambda: frame.resample("MS", on="period_start")["spend_share"].sum()),
        works(lambda: frame["list_spend_usd"] / 1000),
    )
"""


def test_the_readme_says_which_frames_can_do_what(shipped: Shipped) -> None:
    run = subprocess.run(
        [
            sys.executable, "-c", FRAMES, Path(sys.prefix) / "readers" / "matplotlib",
            shipped[1].path / "tables" / "spend_by_origin_weekly.parquet",
        ],
        capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    plain, arrow = run.stdout.splitlines()
    assert plain == "False False True False True"
    assert arrow == "True True True False False"


@pytest.mark.parametrize(("language", "text", "said"), blocks("console"))
def test_a_transcript_is_what_the_command_prints(
    language: str, text: str, said: str, shipped: Shipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line up to `…` is in the output, in this order; lines may be left out."""
    monkeypatch.setenv("TOKENSHARE_DATA_DIR", str(shipped[0].data_dir))
    command, _, transcript = text.partition("\n")
    program, *arguments = shlex.split(command.removeprefix("$ "))
    assert program == "tokenshare"
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    printed = result.output
    if said:
        printed = printed.replace(f"{datetime.now(UTC):%Y-%m-%d}", said.removeprefix("today: "))
    rest = words(printed)
    for line in lines_of(transcript):
        _, found, rest = rest.partition(words(line.split("…")[0]))
        assert found, line


def words(text: str) -> str:
    """The text without the lines of a table, one space between words."""
    return " ".join(re.sub("[│┌┐└┘─]", " ", text).split())


def lines_of(text: str) -> list[str]:
    """Its lines without empty ones and comments."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize(("language", "text", "said"), blocks("json"))
def test_a_configuration_of_an_agent_names_a_command_that_there_is(
    language: str, text: str, said: str
) -> None:
    for server in json.loads(text)["mcpServers"].values():
        assert Path(server["command"]).name == "tokenshare"
        help_of(*server["args"])


# Files that the pages land, in the shapes that their comments name.
DUMPS = {
    "2026-10-11T00-27-00Z.csv.gz": builders.csv5(FEED),
    "rankings.json": builders.api_json(FEED),
    "2026-10-08.csv": builders.csv5(FEED),
    "mine.csv": builders.csv3(FEED),
    "requests.csv": (
        b"request_id,started_at,model,prompt_tokens,completion_tokens\n"
        b"a,2026-01-01T10:00:00Z,openai/gpt-4o,100,10\n"
    ),
    "models.json": builders.catalogue({"openai/gpt-4o": ("0.0000025", "0.00001")}),
    "providers.json": builders.providers({"openai": "US"}),
}
AS_OF = {
    "2026-10-11T00-27-00Z.csv.gz": "as of 2026-10-11T00:27:00Z",
    "rankings.json": "as of 2026-03-01T01:46:00Z",
    "2026-10-08.csv": "as of 2026-10-08T01:46:15.433000Z (from manifest)",
    "mine.csv": "as of 2026-10-11T00:27:00Z",
    "requests.csv": "landed: usage_events, csv/usage_events",
}


@pytest.mark.parametrize(("language", "text", "said"), blocks("sh"))
def test_shell_commands_do_what_stands_beside_them(
    language: str, text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENSHARE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    if said in ("backup", "restore"):
        return  # see test_a_backup_is_restored
    if said == "on Spark":
        subprocess.run(["sh", "-n"], input=text, encoding="utf-8", check=True)
        assert set(re.findall(r"TOKENSHARE_\w+", text)) <= environment_of_dbt()
        return
    if said == "as root":
        names_what_exists(text)
        return
    for line in lines_of(text):
        program, *arguments = shlex.split(line, comments=True)
        if program == "export":
            setting = arguments[0].split("=")[0].removeprefix("TOKENSHARE_").lower()
            assert setting in Settings.model_fields, line
        elif program == ".":
            assert arguments == [".venv/bin/activate"]
        elif program == "make":
            # `make run` is the fixture `shipped`, `make test` is this suite: that they are there.
            subprocess.run(
                ["make", "--dry-run", *arguments],
                cwd=PROJECT_ROOT, check=True, capture_output=True,
            )  # fmt: skip
        elif program == "tokenshare" and arguments[0] == "land":
            name = arguments[1]
            builders.write(tmp_path, name, DUMPS[name])
            if "manifest" in AS_OF[name]:
                manifest = builders.export_manifest(DUMPS[name], "2026-10-08T01:46:15.433Z")
                builders.write(tmp_path, name.replace(".csv", ".manifest.json"), manifest)
            result = CliRunner().invoke(app, arguments)
            assert result.exit_code == 0, result.output
            assert AS_OF[name] in words(result.output)
        elif program == "tokenshare":
            # A run costs half a minute and is the fixture `shipped`: that it takes these options.
            help_of(*arguments)
        elif program == "curl":
            fetched_without_network(line, tmp_path)
        elif program == ".venv/bin/dagster":
            options = {a for a in arguments if a.startswith("-")}
            command = [a for a in arguments[:2] if not a.startswith("-")]
            shown = subprocess.run(
                [sys.executable, "-m", "dagster", *command, "--help"],
                capture_output=True, encoding="utf-8", check=True,
            ).stdout  # fmt: skip
            assert options <= set(re.findall(r"(?<![\w-])--?[\w-]+", shown)), line
        else:
            raise AssertionError(f"nobody knows how to test {line!r}")


def environment_of_dbt() -> set[str]:
    """The variables that the dbt project reads."""
    files = [*(PROJECT_ROOT / "dbt_project" / "macros").glob("*.sql")]
    files.append(PROJECT_ROOT / "dbt_project" / "profiles.yml")
    read = " ".join(path.read_text(encoding="utf-8") for path in files)
    return set(re.findall(r"""env_var\(['"](\w+)""", read))


def names_what_exists(text: str) -> None:
    """The shell can read the block, and what it names of the project is there: files, targets of
    make, units of systemd, services of Compose, commands."""
    subprocess.run(["sh", "-n"], input=text, encoding="utf-8", check=True)
    units = {p.name for p in (PROJECT_ROOT / "deploy" / "systemd").iterdir()}
    compose = (PROJECT_ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
    for path in re.findall(r"/opt/tokenshare/(deploy[\w./-]*)", text):
        assert (PROJECT_ROOT / path).exists(), path
    for target in re.findall(r"make -C /opt/tokenshare (\w+)", text):
        subprocess.run(
            ["make", "--dry-run", target], cwd=PROJECT_ROOT, check=True, capture_output=True
        )
    for unit in re.findall(r"(?<=[\s/])tokenshare-[a-z]+(?:\.timer)?", text):
        assert unit in units or f"{unit}.service" in units, unit
    for service in re.findall(r"docker compose exec (\w+)", text):
        assert f"\n  {service}:\n" in compose, service
    for command in re.findall(r"(?:bin/|daemon )tokenshare ((?:[a-z]+ ?)+)$", text, re.MULTILINE):
        help_of(*command.split())


def test_a_backup_is_restored(
    shipped: Shipped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands of the runbook, as they are but for their folders: from the data of the shipped
    run into an archive, from there into an empty folder, and a run there finds nothing new."""
    here = {b.values[2]: b.values[1] for b in blocks("sh")}
    restored = tmp_path / "restored"
    folders = {
        "backup": {"/var/lib/tokenshare/data": shipped[0].data_dir, "/backup": tmp_path},
        "restore": {"/var/lib/tokenshare/data": restored, "/backup": tmp_path},
    }
    program = str(Path(sys.executable).with_name("tokenshare"))
    said = []
    for step, replaced in folders.items():
        script = here[step].replace("/opt/tokenshare/.venv/bin/tokenshare", program)
        for name, folder in replaced.items():
            script = script.replace(name, str(folder))
        lines = [line for line in script.splitlines() if not line.startswith("chown")]
        done = subprocess.run(
            ["sh", "-c", "\n".join(lines)], capture_output=True, encoding="utf-8", check=False
        )
        said.append(done.stdout + done.stderr)
    assert f"verified vintage {shipped[1].vintage_id}" in said[1], said
    assert "nothing new: no dump and no code has changed" in said[1]


def help_of(*arguments: str) -> None:
    """Its help is shown only if the command and all its options exist."""
    result = CliRunner().invoke(app, [*arguments, "--help"])
    assert result.exit_code == 0, result.output


def fetched_without_network(line: str, folder: Path) -> None:
    """Run the line by a shell with a `curl` that writes a dump of the builders; land its file."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "curl").write_text(
        f"#!{sys.executable}\nimport os, sys\nfrom pathlib import Path\n"
        "Path(sys.argv[sys.argv.index('-o') + 1]).write_bytes(os.environb[b'ANSWER'])\n",
        encoding="utf-8",
    )
    (tools / "curl").chmod(0o755)
    kind = line.split("/")[-1].split()[0]
    before = set(folder.iterdir())
    subprocess.run(
        ["sh", "-c", line], cwd=folder, check=True,
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}",
             "ANSWER": DUMPS[f"{kind}.json"].decode()},
    )  # fmt: skip
    (file,) = set(folder.iterdir()) - before
    result = CliRunner().invoke(app, ["land", str(file)])
    assert result.exit_code == 0, result.output
    assert f"openrouter_{kind}" in result.output
    assert f"as of {datetime.now(UTC):%Y-%m-%d}" in words(result.output)
    assert "(from file_name)" in words(result.output)


def inline_commands(program: str) -> list[str]:
    """Commands in backticks in the text of the pages."""
    found = set()
    for page in PAGES:
        text = BLOCK.sub("", page.read_text(encoding="utf-8"))
        found |= set(re.findall(rf"`({program} [^`…]+)`", text))
    return sorted(found)


def test_commands_and_options_named_in_the_text_exist() -> None:
    commands = inline_commands("tokenshare")
    assert len(commands) > 5
    for line in commands:
        help_of(*shlex.split(line)[1:])


def test_targets_named_in_the_text_exist() -> None:
    targets = inline_commands("make")
    assert targets
    for line in targets:
        subprocess.run(
            ["make", "--dry-run", *shlex.split(line)[1:]],
            cwd=PROJECT_ROOT, check=True, capture_output=True,
        )  # fmt: skip
