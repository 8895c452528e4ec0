"""The command line: help that helps, one clear message per failure, the promised exit codes."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from orchestration import __version__
from orchestration.cli import app, main
from orchestration.pipeline import writer_lock
from orchestration.publication.manifest import read_latest, seal_manifest, set_latest
from orchestration.request_logs import REQUEST_LOGS
from orchestration.run_log import read_runs
from orchestration.settings import Settings
from orchestration.sources import SOURCES
from orchestration.terminal import output, print_json, use_utf8
from tests import builders

COMMANDS = sorted(typer.main.get_command(app).commands)
CSV = builders.csv3(builders.feed(builders.days("2026-01-01", 2)))
SECRET = "sk-or-v1-not-to-be-said"  # made up
Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A data folder of its own and a secret that no message may repeat."""
    monkeypatch.setenv("TOKENSHARE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("OPENROUTER_API_KEY", SECRET)
    monkeypatch.setenv("COLUMNS", "100")


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """Exit code of the entry point."""
    monkeypatch.setattr(sys, "argv", ["tokenshare", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def script(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The real console script, in a process of its own."""
    return subprocess.run(
        [Path(sys.executable).with_name("tokenshare"), *arguments],
        capture_output=True, encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip


def test_the_commands_are_the_documented_ones() -> None:
    assert COMMANDS == [
        "archive", "claims", "demo-server", "diff", "land", "mcp", "publish", "pull", "reduce",
        "registry", "replay", "run", "serve", "serve-to", "show", "simulate", "site", "status",
        "verify",
        "version", "vintages",
    ]  # fmt: skip


def test_help_has_an_example_per_line_and_one_page_has_the_exit_codes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for command in COMMANDS:
        result = CliRunner().invoke(app, [command, "--help"])
        assert result.exit_code == 0, command
        examples = result.output.split("Example", 1)[1].split("Exit codes: `tokenshare --help`.")
        first = examples[0].splitlines()[1:]
        shown = [line.strip() for line in first[: [*map(str.strip, first), ""].index("")]]
        assert shown
        assert all(line.startswith(f"tokenshare {command}") or line == "tokenshare --version"
                   for line in shown), shown  # fmt: skip
        assert "│" not in examples[1]
    codes = CliRunner().invoke(app, ["--help"]).output.split("Exit codes:")[1]
    listed = [line.split()[0] for line in codes.splitlines() if line.strip()]
    assert listed == [*map(str, range(15)), "130", "143"]


def test_the_version_is_an_option_too(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    assert call(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"tokenshare {__version__}\n"


def test_help_says_the_defaults_that_are_not_values() -> None:
    text = " ".join(CliRunner().invoke(app, ["land", "--help"]).output.replace("│", "").split())
    assert "[default: (recognized by its content)]" in text
    assert "[default: (TOKENSHARE_DATA_DIR or data/)]" in text


def test_json_is_utf_8_and_what_a_terminal_cannot_show_is_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stdout = io.TextIOWrapper(io.BytesIO(), "ascii", write_through=True)
    monkeypatch.setattr("sys.stdout", stdout)
    use_utf8()
    print_json({"lab": "智谱"})
    output.print("· 智谱")
    assert stdout.buffer.getvalue() == '{\n  "lab": "智谱"\n}\n'.encode() + b"? ??\n"


def test_a_path_that_duckdb_would_not_find_is_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """A name in Latin-1; under UTF-8 Python reads its bytes as halves of characters."""
    monkeypatch.setenv("TOKENSHARE_DATA_DIR", os.fsdecode(b"/tmp/d\xe4ta"))
    assert call(monkeypatch, "show") == 1
    said = capsys.readouterr().err
    assert "TOKENSHARE_DATA_DIR: Value error, DuckDB opens only paths in UTF-8" in said


def test_a_bad_dump_exits_3_with_one_message_and_no_traceback(tmp_path: Path) -> None:
    bad = builders.write(tmp_path, "page.csv", b"<html>502 Bad Gateway</html>")
    result = script("land", bad)
    assert result.returncode == 3
    assert result.stdout == ""
    assert result.stderr.startswith("error page.csv: is an HTML or XML page")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_a_good_dump_lands_once(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    path = builders.write(tmp_path, "2026-08-22T00-05-21Z.csv", CSV)
    assert call(monkeypatch, "land", path) == 0
    first = capsys.readouterr()
    assert first.out.startswith(
        "2026-08-22T00-05-21Z.csv: landed: openrouter_rankings, csv/history, "
        "as of 2026-08-22T00:05:21Z (from file_name), 16 rows, 0 quarantined, sha256 "
    )
    assert first.err == ""
    assert call(monkeypatch, "land", path) == 0
    assert "already landed, nothing to do" in capsys.readouterr().out


def test_quarantine_is_counted_and_a_guessed_time_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    path = builders.write(tmp_path, "r.csv", CSV + b"2026-01-02,a/b,-1\n")
    assert call(monkeypatch, "land", path) == 0
    said = capsys.readouterr()
    assert "16 rows, 1 quarantined" in said.out
    assert "note r.csv: nothing states when it was made" in said.err


def test_fields_that_were_not_believed_are_counted_beside_the_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    content = builders.catalogue({"a/b": ("0.1", "0.1")}, {"a/b": {"context_length": "N/A"}})
    path = builders.write(tmp_path, "2026-08-23T00-05-21Z.json", content)
    assert call(monkeypatch, "land", path) == 0
    said = capsys.readouterr().out
    assert "1 rows, 0 quarantined, 1 field(s) of good rows quarantined, sha256" in said


def test_a_wrong_time_is_put_right_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    path = builders.write(tmp_path, "d.json", builders.api_json(builders.feed(["2026-02-01"])))
    right = ("--as-of", "2026-02-28T01:46Z")
    assert call(monkeypatch, "land", path, *right, "--correct") == 2
    assert "--correct needs --as-of and --reason" in capsys.readouterr().err
    assert call(monkeypatch, "land", path, "--reason", "x") == 2
    assert call(monkeypatch, "land", path) == 0
    assert call(monkeypatch, "land", path, *right) == 3
    capsys.readouterr()
    assert call(monkeypatch, "land", path, *right, "--correct", "--reason", "a wrong clock") == 0
    said = capsys.readouterr()
    assert "landed before, as_of updated" in said.out
    assert "was landed before with as_of 2026-03-01T01:46:00Z (from meta); it is now" in said.err
    monkeypatch.setenv("TOKENSHARE_LOCK_TIMEOUT_SECONDS", "0")
    with writer_lock(Settings()):
        assert call(monkeypatch, "land", path, *right, "--correct", "--reason", "x") == 7


def test_one_refused_dump_does_not_keep_the_others_from_landing(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    bad = builders.write(tmp_path, "bad.csv", b"")
    good = builders.write(tmp_path, "2026-08-22.csv", CSV)
    assert call(monkeypatch, "land", bad, tmp_path / "none.csv", good) == 3
    said = capsys.readouterr()
    assert "2026-08-22.csv: landed" in said.out
    assert "bad.csv: is empty" in said.err
    assert "none.csv: cannot be read: No such file or directory" in said.err


def test_a_dump_that_is_being_written_is_not_landed(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    path = tmp_path / "2026-08-22.csv"
    with path.open("wb") as copy:
        copy.write(CSV)
        copy.flush()
        assert call(monkeypatch, "land", path) == 3
        assert "2026-08-22.csv: is being written right now" in capsys.readouterr().err
    assert call(monkeypatch, "land", path) == 0


def test_a_manifest_among_the_files_is_read_beside_its_dump(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    export = builders.csv5(builders.feed(builders.days("2026-01-01", 2)))
    dump = builders.write(tmp_path, "2026-09-08.csv", export)
    manifest = builders.write(
        tmp_path, "2026-09-08.manifest.json", builders.export_manifest(export)
    )
    assert call(monkeypatch, "land", dump, manifest) == 0
    assert "as of 2026-09-08T01:46:15.433000Z (from manifest)" in capsys.readouterr().out
    assert call(monkeypatch, "land", manifest) == 3


def test_a_name_that_cannot_be_printed_is_said_in_one_plain_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    for content, code in ((b"<html>", 3), (CSV, 0)):
        path = tmp_path / "a\n\x1b[31m\udcff\u202e.csv"
        path.write_bytes(content)
        assert call(monkeypatch, "land", path, "--as-of", "2026-08-22") == code
        said = capsys.readouterr()
        assert r"a\n\x1b[31m\udcff\u202e.csv: " in said.out + said.err
        assert (said.out + said.err).replace("\n", "").isprintable()


def test_a_changed_landed_dump_exits_4(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    path = builders.write(tmp_path, "2026-08-22.csv", CSV)
    call(monkeypatch, "land", path)
    (stored,) = (tmp_path / "data").rglob("dump.csv")
    stored.write_bytes(b"changed")
    capsys.readouterr()
    assert call(monkeypatch, "land", path) == 4
    assert f"error {stored}: was landed with sha256 " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cell", "name"),
    [("[/red]", "x.csv"), ("[bold]", "x.csv"), ("a:free:b", "x.csv"), ("-1", "[red]:free:.csv")],
)
def test_markup_in_a_dump_or_its_name_is_said_as_it_is(
    cell: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    row = f"2026-01-01,a/b,{cell}\n"
    bad = builders.write(tmp_path, name, b"date,model_permaslug,total_tokens\n" + row.encode())
    assert call(monkeypatch, "land", bad) == 3
    assert f"error {name}: " in (said := capsys.readouterr().err)
    assert f"value '{cell}'" in said
    good = builders.write(tmp_path, name, CSV)
    assert call(monkeypatch, "land", good) == 0
    assert capsys.readouterr().out.startswith(f"{name}: landed: ")


@pytest.mark.parametrize("command", [["verify"], ["diff"], ["show", "--vintage"]])
@pytest.mark.parametrize("name", ["nowhere", "[/nowhere]", "a_file", "empty"])
def test_a_path_to_no_vintage_is_not_a_changed_vintage(
    name: str,
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
    tmp_path: Path,
) -> None:
    (tmp_path / "a_file").write_text("x", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    assert call(monkeypatch, *command, tmp_path / name) == 1
    said = capsys.readouterr()
    assert said.out == ""
    what = "does not exist" if "nowhere" in name else "is not the folder of a vintage"
    assert said.err.startswith(f"error '{tmp_path / name}': this path {what}; expected a folder")


def test_a_vintage_without_its_manifest_is_a_changed_one(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    folder = tmp_path / "20261124T120000Z-1a2b3c4d"
    folder.mkdir()
    assert call(monkeypatch, "verify", folder) == 6
    assert f"error {folder}/manifest.json: missing or not readable" in capsys.readouterr().err


def test_a_second_run_while_the_lock_is_held_exits_7(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    """By every command that writes; nothing is written but that it was tried."""
    monkeypatch.setenv("TOKENSHARE_LOCK_TIMEOUT_SECONDS", "0")
    with writer_lock(Settings()):
        for command in ("run", "publish"):
            assert call(monkeypatch, command) == 7
            assert "another run has held the writer's lock for 0 s" in capsys.readouterr().err
    assert {p.name for p in (tmp_path / "data").iterdir()} == {".writer.lock", "runs"}
    assert [r.exit_code for r in read_runs(Settings())] == [7, 7]


def test_a_run_with_a_refused_inbox_file_exits_3_after_all_else_is_done(
    small: Settings, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    small.inbox_dir.mkdir()
    (small.inbox_dir / "page.json").write_bytes(b"<html>502</html>")
    assert call(monkeypatch, "run", "--data-dir", small.data_dir) == 3
    said = capsys.readouterr()
    assert "nothing new: no dump and no code has changed" in said.out
    assert "page.json" in said.err.splitlines()[-1]
    assert "HTML" in said.err


@pytest.mark.parametrize("pointer", ["", "[]", "{}", '{"path": 5}', '{"path": "vintages/gone"}'])
def test_verify_of_a_broken_published_folder_exits_6(
    pointer: str, monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    (tmp_path / "latest.json").write_text(pointer, encoding="utf-8")
    assert call(monkeypatch, "verify", tmp_path) == 6
    assert "error " in capsys.readouterr().err


@pytest.mark.parametrize("command", ["show", "claims", "verify"])
def test_with_nothing_published_it_exits_1_with_advice(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    assert call(monkeypatch, command) == 1
    said = capsys.readouterr()
    assert said.out == ""
    folder = tmp_path / "data" / "published"
    assert said.err == (f"error nothing is published yet in {folder}; `tokenshare run` publishes\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["land"],
        ["land", "x.csv", "--as-of", "yesterday"],
        ["land", "x.csv", "--unknown"],
        ["claims", "--verdict", "true"],
        ["claims", "--asked-by", "them"],
        ["diff", "--dumps", "b5b4ca5f"],
        ["nonsense"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    assert call(monkeypatch, *arguments) == 2
    assert "Usage: tokenshare" in capsys.readouterr().err


def test_a_data_folder_that_cannot_be_one_exits_1_with_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    path = builders.write(tmp_path, "2026-08-22.csv", CSV)
    assert call(monkeypatch, "land", path, "--data-dir", path) == 1
    said = capsys.readouterr().err
    assert said.startswith("error ")
    assert str(path) in said


def test_a_wrong_setting_exits_1_with_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("TOKENSHARE_DBT_THREADS", SECRET)
    assert call(monkeypatch, "show") == 1
    said = capsys.readouterr().err
    assert said.startswith("error the settings are wrong: TOKENSHARE_DBT_THREADS: ")
    assert SECRET not in said


@pytest.mark.parametrize("debug", ["", "1"])
def test_an_unexpected_crash_shows_no_variable_and_no_environment(
    debug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says that it is a bug, and where; the traceback is for who asks for it."""
    monkeypatch.setenv("TOKENSHARE_DEBUG", debug)
    code = (
        "import os\n"
        "from orchestration.cli import app, main\n"
        "@app.command()\n"
        "def crash():\n"
        "    held = os.environ['OPENROUTER_API_KEY']\n"
        "    raise RuntimeError('a bug')\n"
        "main()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "crash"],
        capture_output=True, encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip
    assert result.returncode == 1
    assert "error this is a bug in tokenshare: RuntimeError: a bug (<string>, line 6)" in (
        result.stderr
    )
    assert ("Traceback" in result.stderr) == bool(debug)
    assert SECRET not in result.stdout + result.stderr
    assert os.environ["OPENROUTER_API_KEY"] == SECRET


@pytest.mark.parametrize("name", [b"\x1b[31mred", b"caf\xe9", b"a\nb"])
def test_a_name_of_control_characters_or_no_utf_8_is_said_plainly(
    name: bytes, monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    folder = tmp_path / os.fsdecode(name)
    for command in (("verify", folder), ("diff", folder, folder), ("claims", "--data-dir", folder)):
        assert call(monkeypatch, *command) in (1, 6)
        said = capsys.readouterr().err
        assert said.startswith("error ")
        assert "\x1b" not in said
        assert "Traceback" not in said
        assert "bug" not in said


def test_verify_compares_the_pointer_with_the_vintage(
    small: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pointer = json.loads(small.latest_path.read_text(encoding="utf-8"))
    small.latest_path.write_text(
        json.dumps({**pointer, "manifest_sha256": "0" * 64}), encoding="utf-8"
    )
    monkeypatch.setattr("sys.argv", ["tokenshare", "verify", str(small.published_dir)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 6
    assert "latest.json" in capsys.readouterr().err


def test_claims_are_listed_shown_and_given_as_json(
    small: Settings, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The small feed holds January and February 2026: most claims are about other days."""
    monkeypatch.setenv("COLUMNS", "160")
    folder = ("--data-dir", small.data_dir)
    assert call(monkeypatch, "claims", *folder) == 0
    listed = capsys.readouterr().out
    assert "us_startups_80_percent" in listed
    assert "not measurable" in listed
    assert "Source: OpenRouter" in listed
    assert call(monkeypatch, "claims", "cn_tokens_2026_06_22", *folder) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "The data do not cover the window." in shown
    assert "20.39 T" in shown
    assert "haberlergpt.com.tr" in shown
    assert call(monkeypatch, "claims", "--json", *folder) == 0
    document = json.loads(capsys.readouterr().out)
    verdicts = {c["claim_id"]: c["verdict"] for c in document["claims"]}
    # Two claims of one statement are about weeks that the small feed has.
    assert verdicts.pop("cn_of_three_groups_2026_01_05") == "not_reproduced"
    assert verdicts.pop("cn_majority_of_three_groups_since_2026_02_02") == "not_decidable"
    assert set(verdicts.values()) == {"not_measurable"}
    assert document["citations"]
    (found,) = [c for c in document["claims"] if c["claim_id"] == "cn_first_lead_2026_02_09"]
    assert (found["published_date"], found["published_value"]) == ("2026-02-09", None)


def test_a_claim_that_is_not_there_is_said_with_those_that_are(
    small: Settings, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(monkeypatch, "claims", "cn_48_percent", "--data-dir", small.data_dir) == 1
    said = capsys.readouterr().err
    assert said.startswith("error 'cn_48_percent' is not a claim; expected one of: all_tokens_")
    assert "cn_47_percent_june_2026" in said


def test_a_vintage_of_before_the_claims_says_so(
    small: Settings, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in small.vintages_dir.glob("*/tables/claims.parquet"):
        path.unlink()
    assert call(monkeypatch, "claims", "--data-dir", small.data_dir) == 1
    assert "it is of an earlier version; `tokenshare run`" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["cut", "garbled", "another table"])
def test_a_damaged_table_is_said_and_is_no_bug(
    damage: str, small: Settings, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = small.vintages_dir.glob("*/tables/claims.parquet")
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(
        {
            "cut": content[:100],
            "garbled": content[:4] + b"\xff" * 2000 + content[2004:],
            "another table": path.with_name("quarantine.parquet").read_bytes(),
        }[damage]
    )
    assert call(monkeypatch, "claims", "--data-dir", small.data_dir) == 6
    assert f"error {path}: cannot be read: " in capsys.readouterr().err


def test_headline_figures_of_another_version_are_said(
    small: Settings, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, manifest = read_latest(small.published_dir) or pytest.fail("nothing is published")
    del manifest["manifest_sha256"]
    sealed = seal_manifest({**manifest, "headline": [{"week": "2026-01-05"}]})
    (folder / "manifest.json").write_bytes(sealed)
    set_latest(small.published_dir, json.loads(sealed))
    assert call(monkeypatch, "show", "--data-dir", small.data_dir) == 6
    assert "does not have the fields of this version: 'period_start'" in capsys.readouterr().err


def test_the_help_of_land_names_every_source_and_its_layouts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "600")
    invented = replace(SOURCES["openrouter_models"], name="a_new_one", layouts="a new layout")
    monkeypatch.setitem(SOURCES, invented.name, invented)
    for _ in range(2):
        said = CliRunner().invoke(app, ["land", "--help"]).output
        for source in SOURCES.values():
            assert said.count(f"{source.name}: {source.layouts}.") == 1
        for log in REQUEST_LOGS.values():
            assert said.count(f"{log.name}: {log.title}; {log.layouts}.") == 1
