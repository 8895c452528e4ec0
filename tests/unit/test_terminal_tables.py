"""What a reader sees of a table in 80 columns, in a pipe, and what a script gets with `--json`."""

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from orchestration.cli import main
from orchestration.publication.retention import own_vintages
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.terminal import NO_BREAK, print_labeled, print_table

Output = pytest.CaptureFixture[str]


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """Exit code of the entry point."""
    monkeypatch.setattr(sys, "argv", ["tokenshare", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def vintage_ids(settings: Settings) -> tuple[str, str]:
    """The ids of the first and the second vintage of `restated`."""
    newest, oldest = own_vintages(settings)
    return oldest.name, newest.name


def _of_slugs(*lists: str) -> Callable[[Any], Iterator[str]]:
    """Slugs, days and months that `registry check` names in these lists."""

    def ids(document: Any) -> Iterator[str]:
        for row in (row for name in lists for row in document[name][:15]):
            yield from (row["base_slug"], row["last_day"], row["best_month"][:7])

    return ids


def _of_difference(document: Any) -> Iterator[str]:
    yield from (document["before"]["name"], document["after"]["name"])
    for row in (*document["origins"], *document["rows"][:20]):
        yield f"{row['tokens_before']:,}"
        yield f"{row['tokens_changed']:+,}"
    for row in document["rows"][:20]:
        yield from (row["model_permaslug"], row["usage_date"])


def _of_explained(document: Any) -> Iterator[str]:
    yield document["slug"]
    for usage in document["usage"]:
        yield from (f"{usage['tokens']:,}", usage["first_day"], usage["best_month"][:7])
    for table in document["rows"].values():
        yield from (row["evidence_url"] for row in table if row.get("evidence_url"))


# A command, and what of its JSON document must be in its text, whole. {a} and {b} are the starts
# of the ids of two vintages.
TABLES: dict[str, Callable[[Any], Iterator[str]]] = {
    "show": lambda d: (
        word for f in d["headline"] for word in (f["period_start"], f"{f['tokens']:,}")
    ),
    "show --vintage {a}": lambda d: iter([d["vintage_id"]]),
    "claims": lambda d: (c["claim_id"] for c in d["claims"]),
    "claims cn_47_percent_june_2026": lambda d: (
        word for c in d["claims"] for word in (c["claim_id"], c["url"])
    ),
    "diff {a}": _of_difference,
    "diff {a} {b} --limit 50": _of_difference,
    "vintages diff {a} latest": _of_difference,
    "vintages list": lambda d: (
        word
        for v in d["vintages"]
        for word in (v["vintage_id"], v["newest_days"]["openrouter_rankings"])
    ),
    "vintages prune": lambda d: iter(d["vintages"]),
    "status": lambda d: (
        word for word in (d["vintage"]["vintage_id"], d["next_run"], d["sources"][0]["newest_day"])
    ),
    "archive": lambda d: (a["name"] for a in d),
    "reduce": lambda d: (day["usage_date"] for day in d["days"]),
    "registry check": _of_slugs("unmapped", "models_without_row", "unknown_license"),
    "registry check --registry {a} --all": _of_slugs(),
    "registry explain openai/gpt-4o": _of_explained,
    "registry draft": lambda d: iter(d["slugs"][:15]),
    "registry audit": lambda d: (
        word for row in d["rows"][:15] for word in (row["registry_row"], f"{row['tokens']:,}")
    ),
    "registry diff": lambda d: iter([d["a"]["version"]]),
}


@pytest.fixture
def published(restated: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Two vintages that differ."""
    monkeypatch.setenv("TOKENSHARE_DATA_DIR", str(restated.data_dir))
    return restated


def documented_keys(command: str) -> set[str]:
    """What docs/operations.md says about the document of a command."""
    name = re.match(r"(registry |vintages )?\w+", command)
    page = (PROJECT_ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\|[^|]*`{name and name[0]}`[^|]*\|(.*)\|$", page, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", row))


def said(command: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> str:
    """What a command prints to stdout; it must not fail."""
    before, after = (vintage_id[:-4] for vintage_id in vintage_ids(settings))
    code = call(monkeypatch, *shlex.split(command.format(a=before, b=after)))
    printed = capsys.readouterr()
    assert code in ((12,) if command.startswith("status") else (0,)), printed.err
    return printed.out


@pytest.mark.parametrize("command", TABLES)
def test_no_word_of_a_table_is_cut(
    command: str, published: Settings, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """At 80 columns there is each word of the wide output, and of the JSON document; in the wide
    output, a row is a line."""
    found = {}
    for width in (80, 40, 1000):
        monkeypatch.setenv("COLUMNS", str(width))
        found[width] = said(command, published, monkeypatch, capsys)
        assert not set("…│┃┌━") & set(found[width])
    document = json.loads(said(f"{command} --json", published, monkeypatch, capsys))
    for narrow in (80, 40):
        words = found[narrow].split()
        assert set(words) >= set(found[1000].split())
        for line in found[narrow].splitlines():
            # Only the last word of a line may stand out, if it is longer than its cell.
            assert len(line) <= narrow or len(line.rpartition(" ")[0]) <= narrow, line
        for word in TABLES[command](document):
            assert any(word in w for w in words), word
    if isinstance(document, dict) and command != "status":
        assert set(document) <= documented_keys(command)
    assert not any(line != line.rstrip() for line in found[80].splitlines())


def test_a_table_wraps_between_words_then_stacks_then_lists(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    table = (
        ("model", "about", ">tokens"),
        [
            ("a/model-2026-01-01", f"one{NO_BREAK}two\nthree", "1,000"),
            ("智谱/m", "[red] :free:", "20,000,000"),
        ],
    )
    expected = {
        60: """\
            model               about              tokens
            a/model-2026-01-01  one two three       1,000
            智谱/m              [red] :free:   20,000,000
            """,
        39: """\
            model               about        tokens
            a/model-2026-01-01  one two       1,000
                                three
            智谱/m              [red]    20,000,000
                                :free:
            """,
        36: """\
            model
              about              tokens
            a/model-2026-01-01
              one two three       1,000
            智谱/m
              [red] :free:   20,000,000
            """,
        14: """\
            - model   a/model-2026-01-01
              about   one two
                      three
              tokens  1,000
            - model   智谱/m
              about   [red]
                      :free:
              tokens  20,000,000
            """,
    }
    for width, text in expected.items():
        monkeypatch.setenv("COLUMNS", str(width))
        print_table(*table)
        assert capsys.readouterr().out == textwrap.dedent(text), width


def test_a_label_stands_beside_its_lines(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    print_labeled("url", "see 20261128T024500Z-1a2b3c4d or 智谱智谱智谱 x", 5)
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        "url    see", "       20261128T024500Z-1a2b3c4d", "       or", "       智谱智谱智谱",
        "       x",
    ]  # fmt: skip
    assert cell_len(printed[3]) == 19


def test_a_row_in_a_pipe_is_one_line(published: Settings) -> None:
    """By the real program, with nobody who asks for a width."""
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    program = Path(sys.executable).with_name("tokenshare")
    lines = subprocess.run(
        [program, "claims"], env=environment, capture_output=True, encoding="utf-8", check=True
    ).stdout.splitlines()
    (line,) = [line for line in lines if "cn_majority_of_three_groups_since_2026_02_02" in line]
    assert line.split()[0] == "cn_majority_of_three_groups_since_2026_02_02"
    assert line.endswith("not decidable")


def test_notices_go_to_stderr_beside_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    asked = ("registry", "check", "--json", "--data-dir", tmp_path / "data")
    assert call(monkeypatch, *asked) == 0
    printed = capsys.readouterr()
    (notice,) = json.loads(printed.out)["notices"]
    assert printed.err == f"note {notice}\n"


@pytest.mark.parametrize(
    ("filters", "is_chosen"),
    [
        (("--verdict", "not_decidable"), lambda c: c["verdict"] == "not_decidable"),
        (
            ("--verdict", "not_decidable", "--verdict", "not_reproduced"),
            lambda c: c["verdict"] in ("not_decidable", "not_reproduced"),
        ),
        (("--asked-by", "us"), lambda c: c["asked_by"] == "us"),
        (("--by", "TECH times"), lambda c: "Tech Times" in c["published_by"]),
        (("--about", "2026-02-16"), lambda c: "2026-02-16" in c["window"]),
        (("--about", "SHARE of"), lambda c: "share of" in c["statement"].lower()),
        (
            ("--asked-by", "publisher", "--about", "majority"),
            lambda c: c["asked_by"] == "publisher" and "majority" in c["claim_id"] + c["statement"],
        ),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)  # fmt: skip
def test_filters_choose_claims(
    filters: tuple[str, ...],
    is_chosen: Callable[[Any], bool],
    published: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
) -> None:
    everything = json.loads(said("claims --json", published, monkeypatch, capsys))["claims"]
    chosen = json.loads(
        said(shlex.join(["claims", "--json", *filters]), published, monkeypatch, capsys)
    )
    expected = [claim for claim in everything if is_chosen(claim)]
    assert chosen["claims"] == expected
    assert 0 < len(expected) < len(everything)
    text = said(shlex.join(["claims", *filters]), published, monkeypatch, capsys)
    assert {c["claim_id"] for c in everything if c["claim_id"] in text.split()} == {
        c["claim_id"] for c in expected
    }


def test_filters_that_choose_nothing_say_so(
    published: Settings, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    printed = said("claims --by nobody", published, monkeypatch, capsys)
    assert printed == "no claim is chosen by these filters\n"


NAMED = [
    "verify {name}", "show --vintage {name}", "claims --vintage {name}", "diff {name} latest",
    "vintages diff {name}", "vintages pin {name} --reason x", "vintages rollback {name} --reason x",
    "registry check --registry {name}", "registry diff {name} working",
    "registry explain openai/gpt-4o --registry {name}",
]  # fmt: skip


@pytest.mark.parametrize("command", NAMED)
def test_a_vintage_is_named_in_the_same_ways_everywhere(
    command: str, published: Settings, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    oldest, newest = vintage_ids(published)
    for name in (oldest, oldest[:-3], str(published.vintages_dir / oldest)):
        arguments = shlex.split(command.format(name=name))
        assert call(monkeypatch, *arguments) == 0, capsys.readouterr().err
        assert oldest in capsys.readouterr().out
        if "rollback" in command:  # and forward again
            assert call(monkeypatch, "vintages", "rollback", newest, "--reason", "x") == 0
    for name in ("1999", newest[:1]):
        assert call(monkeypatch, *shlex.split(command.format(name=name))) == 1
        assert f"{oldest}, {newest}" in capsys.readouterr().err


def test_verify_takes_the_latest_vintage_by_default(
    published: Settings, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    newest = vintage_ids(published)[1]
    for arguments in ((), ("latest",), (published.published_dir,)):
        assert call(monkeypatch, "verify", *arguments) == 0
        assert capsys.readouterr().out.startswith(f"verified vintage {newest}: ")
