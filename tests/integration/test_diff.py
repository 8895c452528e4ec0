"""What changed between two states: the table `revisions`, and `tokenshare diff`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.console import Console
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.diff.usage import Side, compare
from orchestration.errors import TokenshareError, VerificationError
from orchestration.landing.store import land
from orchestration.publication.vintage import latest_vintage
from orchestration.settings import Settings
from tests import builders
from tests.conftest import GPT, LATER, NEWEST


def diff(settings: Settings, *arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(
        app, ["diff", *arguments, "--json", "--data-dir", str(settings.data_dir)]
    )
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def vintages(settings: Settings) -> list[str]:
    return sorted(p.name for p in settings.vintages_dir.iterdir())


def test_a_first_vintage_revises_nothing(small_base: Settings) -> None:
    vintage = latest_vintage(small_base)
    assert vintage is not None
    with duckdb.connect() as connection:
        file = vintage.path / "tables" / "revisions.parquet"
        assert connection.execute(f"select count(*) from '{file}'").fetchall() == [(0,)]


def test_revisions_are_what_a_dump_said_otherwise_than_the_one_before(
    restated_base: Settings,
) -> None:
    vintage = latest_vintage(restated_base)
    assert vintage is not None
    with duckdb.connect() as connection:
        rows = connection.execute(
            "select usage_date::varchar, model_permaslug, tokens_after - tokens_before, origin, "
            "dump_sha256_before, dump_sha256_after, "
            "share_after > share_before, origin_share_after > origin_share_before "
            f"from '{vintage.path / 'tables' / 'revisions.parquet'}'"
        ).fetchall()
    dumps = [
        entry["sha256"]
        for entry in sorted(vintage.manifest["inputs"], key=lambda entry: entry["as_of"])
        if entry["source"] == "openrouter_rankings"
    ]
    assert rows == [(NEWEST, GPT, 10_000_000, "US", *dumps, True, True)]


def test_diff_of_vintages_and_of_their_dumps_say_the_same(restated_base: Settings) -> None:
    first, second = vintages(restated_base)
    found = diff(restated_base, first, "latest")
    assert found["before"]["name"] == first
    assert found["after"]["name"] == second
    assert found["days_compared"] == 42
    assert found["days_only_before"] == []
    assert found["days_only_after"] == ["2026-02-12"]
    assert (found["rows_changed"], found["tokens_moved"]) == (1, 10_000_000)
    (row,) = found["rows"]
    assert (row["usage_date"], row["model_permaslug"], row["tokens_changed"]) == (
        NEWEST, GPT, 10_000_000,
    )  # fmt: skip
    heaviest = found["origins"][0]
    assert (heaviest["origin"], heaviest["tokens_changed"]) == ("US", 10_000_000)
    assert sum(o["share_moved"] for o in found["origins"]) == pytest.approx(0, abs=1e-12)

    inputs = latest_vintage(restated_base).manifest["inputs"]
    dumps = [i["sha256"] for i in inputs if i["source"] == "openrouter_rankings"]
    by_dumps = diff(restated_base, "--dumps", dumps[0][:8], dumps[1])
    same = ("days_compared", "days_only_after", "rows_changed", "tokens_moved", "origins", "rows")
    assert {k: by_dumps[k] for k in same} == {k: found[k] for k in same}
    backwards = diff(restated_base, "--dumps", dumps[1], dumps[0])
    assert backwards["rows"][0]["tokens_changed"] == -10_000_000


def test_a_registry_that_changed_between_two_vintages_moves_shares_and_no_tokens() -> None:
    """A model of another origin than before is named, one that stayed is not."""
    with duckdb.connect() as connection:
        for side, origin in (("before", "unidentified"), ("after", "CN")):
            connection.execute(
                f"create table {side} as select 's' as source, date '2026-01-01' as usage_date, "
                "* from (values ('stealth/m', 1::bigint, $1), ('openai/m', 3::bigint, 'US')) "
                "as v(model_permaslug, tokens, origin)",
                [origin],
            )
        found = compare(connection, Side("vintage", "a", "x"), Side("vintage", "b", "y"))
    assert (found.tokens_before, found.tokens_after, found.tokens_moved) == (4, 4, 0)
    (row,) = found.rows
    assert (row["model_permaslug"], row["origin_before"], row["origin_after"]) == (
        "stealth/m", "unidentified", "CN",
    )  # fmt: skip
    assert [(o["origin"], o["tokens_changed"], o["share_moved"]) for o in found.origins] == [
        ("CN", 1, 0.25), ("unidentified", -1, -0.25),
    ]  # fmt: skip


def test_diff_of_dumps_needs_no_vintage_and_no_database(
    settings: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    dumps = []
    for n, as_of in enumerate((builders.AS_OF, LATER)):
        rows = builders.feed(builders.days("2026-01-01", 2), scale=1_000_000 + n)
        file = drop(f"{n}.csv", builders.csv3(rows))
        dumps.append(land(file, settings, as_of=as_of).record.sha256)
    assert diff(settings, "--dumps", *dumps)["rows_changed"] == 16


def test_diff_in_words_is_heaviest_first(
    restated: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A console of its own: the width must not depend on the tests before this one.
    monkeypatch.setattr("orchestration.terminal.output", Console(width=200, markup=False))
    first, second = vintages(restated)
    result = CliRunner().invoke(app, ["diff", first, second, "--data-dir", str(restated.data_dir)])
    assert "1 rows differ, 10,000,000 tokens moved" in result.output
    assert "+10,000,000" in result.output
    assert GPT in result.output
    same = CliRunner().invoke(app, ["diff", second, second, "--data-dir", str(restated.data_dir)])
    assert "no row differs on these days" in same.output


def test_what_is_no_vintage_is_said_with_those_there_are(small_base: Settings) -> None:
    result = CliRunner().invoke(
        app, ["diff", "1999", "latest", "--data-dir", str(small_base.data_dir)]
    )
    assert isinstance(result.exception, TokenshareError)
    assert vintages(small_base)[0] in str(result.exception)


def test_a_vintage_that_was_changed_is_not_compared(restated: Settings) -> None:
    first, second = vintages(restated)
    path = restated.vintages_dir / first / "tables" / "usage_daily.parquet"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"x")
    result = CliRunner().invoke(app, ["diff", first, second, "--data-dir", str(restated.data_dir)])
    assert isinstance(result.exception, VerificationError)
