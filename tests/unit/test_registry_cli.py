"""`tokenshare registry`: what a terminal and a machine get, and the promised exit codes."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli import app, main
from orchestration.settings import Settings
from tests import registries

Output = pytest.CaptureFixture[str]
COMMANDS = ("audit", "check", "diff", "draft", "explain")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A data folder of its own, and the width that the tables are made for."""
    monkeypatch.setenv("TOKENSHARE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    return registries.write_registry(tmp_path / "seeds")


@pytest.fixture
def published(tmp_path: Path) -> Settings:
    settings = Settings(data_dir=tmp_path / "data")
    registries.publish_usage(settings)
    return settings


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """Exit code of the entry point."""
    monkeypatch.setattr(sys, "argv", ["tokenshare", "registry", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_help_shows_an_example_and_where_the_exit_codes_are() -> None:
    for command in COMMANDS:
        result = CliRunner().invoke(app, ["registry", command, "--help"])
        text = " ".join(result.output.split())
        assert result.exit_code == 0, command
        assert f"tokenshare registry {command}" in text.split("Example", 1)[1]
        assert "Exit codes: `tokenshare --help`." in text


def test_explain_reads_well_at_a_hundred_columns(
    published: Settings, seeds: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    assert call(monkeypatch, "explain", "~Alpha/One:free", "--registry", seeds) == 0
    said = capsys.readouterr().out
    lines = [line.rstrip() for line in said.splitlines()]
    assert max(map(len, lines)) <= 100
    assert lines[0] == "alpha/one-20260101, as known now"
    text = " ".join(said.split())
    for part in (
        "class attributed", "lab Alpha Lab (aa)", "origin by author_hq CN",
        "origin by base_lineage CN base by aa", "origin by serving_hq not known",
        "license open_weight MIT", "use 1,100 tokens 2026-01-31 to 2026-02-01, 2 days; 55.00% of",
        "2026-01-31 to 2026-01-31 attributed aa CN CN closed",
        "standard 2026-01-01 → 2026-02-01 1.5 6", "standard 2026-02-01 → open 1 6",
        "alpha/one-20260101 license closed open_weight third_party_labels",
        "vintage 20260301T000000Z-00000000",
    ):  # fmt: skip
        assert part in text


def test_markup_in_a_note_is_said_as_it_is(
    published: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    models = registries.MODELS.replace(
        f"alpha/one,aa,,,,{registries.EVIDENCE}",
        f"alpha/one,aa,,,,https://example.org/[red]:free:,{registries.STATES} [i],2026-11-01,high,"
        "[/bold] :free: [x]",
    )
    seeds = registries.write_registry(tmp_path / "marked", models=models)
    assert call(monkeypatch, "explain", "beta/tune", "--registry", seeds) == 0
    said = capsys.readouterr().out
    assert "[/bold] :free: [x]" in said
    assert f"says: {registries.STATES} [i]" in " ".join(said.split())
    assert "https://example.org/[red]:free:" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "openrouter/ghost"],
        ["check", "--max-age-days", "1"],
        ["diff", "{seeds}", "working"],
    ],
    ids=lambda a: a[0],
)  # fmt: skip
def test_json_is_one_document_on_stdout(
    arguments: list[str],
    published: Settings,
    seeds: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
) -> None:
    extra = [] if arguments[0] == "diff" else ["--registry", str(seeds)]
    asked = [a.replace("{seeds}", str(seeds)) for a in arguments]
    assert call(monkeypatch, *asked, *extra, "--json") == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["vintage"] == "20260301T000000Z-00000000"
    assert said.err == ""


def test_an_unknown_slug_exits_1_with_near_ones(
    published: Settings, seeds: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    assert call(monkeypatch, "explain", "alpha/onee", "--registry", seeds) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(
        "error 'alpha/onee' is not in the registry, usage or prices; expected author/model; "
        "did you mean alpha/one-20260101"
    )
    assert said.err.count("\n") == 1


def test_check_informs_and_strict_refuses(
    published: Settings, seeds: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    arguments = ("check", "--registry", seeds, "--max-age-days", "100000")
    assert call(monkeypatch, *arguments) == 0
    said = capsys.readouterr()
    assert max(len(line.rstrip()) for line in said.out.splitlines()) <= 100
    assert "Unmapped slugs: 1, together 2.50% of all tokens" in said.out
    assert "Contradictions with second opinions: 2, 0 of them judged" in said.out
    assert said.err == ""
    assert call(monkeypatch, *arguments, "--strict") == 9
    assert (
        "error the registry needs work: 1 unmapped slugs above 0.1% of a month; "
        "2 contradictions without a judgement\n"
    ) in capsys.readouterr().err


def test_strict_passes_a_registry_that_lacks_nothing(
    published: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = registries.OPINIONS.splitlines()[0] + "\n"
    seeds = registries.write_registry(
        tmp_path / "whole",
        authors=registries.AUTHORS + registries.GAMMA,
        second_opinions=header,
    )
    arguments = ("check", "--strict", "--registry", seeds, "--max-age-days")
    assert call(monkeypatch, *arguments, "100000") == 0
    assert call(monkeypatch, *arguments, "0") == 9


def test_an_outdated_judgement_exits_9_even_without_strict(
    published: Settings, seeds: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    judgements = seeds / "registry_judgements.yml"
    judgements.write_text(
        "- {id: mine, source: epoch_ai, key: bb, field: headquarters, expect: FR, value: US, "
        "reason: r, evidence: e, checked_on: 2026-11-01}\n",
        encoding="utf-8",
    )
    assert call(monkeypatch, "check", "--registry", seeds) == 9
    assert capsys.readouterr().err == (
        f"error {judgements}: judge again:\n"
        "mine: epoch_ai states GB for bb headquarters; expected FR\n"
    )


def test_check_without_a_vintage_says_so_and_strict_needs_one(
    seeds: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    assert call(monkeypatch, "check", "--registry", seeds) == 0
    assert "note nothing is published yet" in capsys.readouterr().err
    assert call(monkeypatch, "check", "--registry", seeds, "--strict") == 1
    assert "--strict needs usage" in capsys.readouterr().err


def test_diff_shows_rows_points_and_months(
    published: Settings,
    seeds: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
) -> None:
    other = registries.write_registry(tmp_path / "b", authors=registries.AUTHORS + registries.GAMMA)
    assert call(monkeypatch, "diff", seeds, other) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Rows from A to B: 1 added, 0 removed, 0 changed" in said
    assert "+ authors gamma lab_id cc" in said
    assert "author_hq FR 0.00% 2.50% +2.500 2026-01 +5.00" in said
    assert "author_hq gamma/x unidentified FR 2.500 2026-01-31 to 2026-01-31" in said


@pytest.mark.parametrize(
    "arguments",
    [["explain"], ["diff", "a", "b", "c"], ["diff", "a", "b", "--view", "later"],
     ["check", "--max-age-days", "-1"], ["check", "--max-age-days", "soon"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_exits_2(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    assert call(monkeypatch, *arguments) == 2
    assert "tokenshare registry" in capsys.readouterr().err


def _cpu_seconds(*arguments: str) -> float:
    """Of a process of its own, the best of three: load of the machine does not count."""
    best = float("inf")
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "orchestration.cli", *arguments], check=True, capture_output=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def test_explain_answers_within_a_second(published: Settings) -> None:
    """0.8 s on an idle machine with two cores, 2.2 times what `version` needs to start; dbt,
    the gate or pandas among the imports would cost a second or more each."""
    assert _cpu_seconds("registry", "explain", "alpha/one") < 3 * _cpu_seconds("version")
