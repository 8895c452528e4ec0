"""OpenRouter's own logs: the activity export in its layouts, and days of the two APIs."""

import json
import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.errors import RefusedDumpError
from orchestration.landing.store import land
from orchestration.request_logs import find_log
from orchestration.settings import PROJECT_ROOT, Settings
from tests.request_logs import files_with, quarantined, reduced, totals

FIXTURES = PROJECT_ROOT / "tests" / "fixtures" / "request_logs"
EXPORTS = FIXTURES / "openrouter_activity"
ANSWERS = FIXTURES / "openrouter_activity_daily"
SHARED = PROJECT_ROOT.parent / "shared" / "data"
SECRET = "canary-7f3a"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", shipped_history=False)


def copied(file: Path, folder: Path, name: str) -> Path:
    """A copy of a file under a name with the time that it was made."""
    return Path(shutil.copy(file, folder / name))


def test_every_layout_of_the_export_is_read_by_name(tmp_path: Path, settings: Settings) -> None:
    files = [
        copied(EXPORTS / "22-columns.csv", tmp_path, "2025-12-10T00-00-00Z.csv"),
        copied(EXPORTS / "23-columns.csv", tmp_path, "2026-02-26T00-00-00Z.csv"),
        copied(EXPORTS / "24-columns-app-first.csv", tmp_path, "2026-08-18T00-00-00Z.csv"),
        copied(EXPORTS / "24-columns-app-last.csv", tmp_path, "2026-08-19T00-00-00Z.csv"),
    ]
    rows = reduced(files, settings)
    assert totals(rows) == {
        "requests": 8,
        "requests_with_tokens": 7,
        "prompt_tokens": 7300,
        # 5 of them in a row that does not state its prompt
        "cache_read_tokens": 805,
        "cache_write_tokens": 0,
        "completion_tokens": 417,
        "reasoning_tokens": 180,
        "requests_with_cost": 7,
        # cost_total alone: cost_cache is in it, and what own keys cost is kept apart.
        "cost_usd": Decimal("0.0068"),
        "own_key_cost_usd": Decimal("0.0345"),
        "outcomes": {"succeeded": 6, "cancelled": 1, "failed": 1},
    }
    # 23:59:59.999 without a zone is UTC.
    assert {r["usage_date"] for r in rows} == {
        date(2025, 12, 8),
        date(2026, 2, 25),
        date(2026, 8, 17),
    }
    assert {(r["model_name"], r["provider_name"]) for r in rows} == {
        ("example/reasoner-20251101", "Example Cloud"),
        ("example/reasoner-20251101:free", "Example Cloud"),
        ("example/chat-20260101", "Example Cloud"),
        ("example/chat-20260101:free", "Example Cloud"),
        ("example/chat-20260101", "novita"),
        ("example/chat-20260101", "stealth"),
        ("example/chat-20260101", None),
    }
    assert [
        (q["row_number"], q["scope"], q["code"], q["field"]) for q in quarantined(settings)
    ] == [
        (2, "field", "larger_than_whole", "tokens_cached"),
        (2, "field", "larger_than_whole", "tokens_reasoning"),
    ]
    assert files_with("example/chat", settings)
    assert files_with(SECRET, settings) == []


def test_a_cached_part_above_the_prompt_is_not_known(settings: Settings) -> None:
    (row,) = reduced([EXPORTS / "24-columns-app-first.csv"], settings)
    assert (row["requests"], row["prompt_tokens"], row["completion_tokens"]) == (2, 2300, 50)
    assert (row["cache_read_tokens"], row["reasoning_tokens"]) == (0, 0)


def test_days_of_an_account_come_whole_from_the_newest_answer(
    tmp_path: Path, settings: Settings
) -> None:
    activity = copied(ANSWERS / "activity.json", tmp_path, "2026-06-05T01-00-00Z.json")
    rows = reduced([activity], settings)
    third = [r for r in rows if r["usage_date"] == date(2026, 6, 3)]
    assert {
        (r["model_name"], r["provider_name"], r["requests"], r["prompt_tokens"]) for r in third
    } == {
        ("example/chat-20260101", "Example Cloud", 10, 9000),
        ("example/chat-20260101", "stealth", 3, 300),
        ("example/chat-20260101:free", "Example Cloud", 2, 20),
    }
    found = totals(rows)
    assert (found["requests"], found["requests_with_tokens"], found["requests_with_cost"]) == (
        16,
        16,
        16,
    )
    assert found["outcomes"] == {"succeeded": 16}
    assert (found["cost_usd"], found["own_key_cost_usd"]) == (
        Decimal("0.500000100"),
        Decimal("0.012345679"),
    )
    assert found["reasoning_tokens"] == 400, "six of five are not known"
    # The analytics answer has the third of June too, under one key: the day is not counted twice.
    analytics = copied(ANSWERS / "analytics.json", tmp_path, "2026-06-06T01-00-00Z.json")
    rows = reduced([analytics], settings)
    found = totals(rows)
    assert (found["requests"], found["prompt_tokens"], found["completion_tokens"]) == (
        15 + 1 + 4,
        9320 + 5 + 40,
        1032 + 5 + 4,
    )
    # total_usage less byok_usage, the activity API's day, and credits_usage
    assert found["cost_usd"] == Decimal("0.5") + Decimal("0.0000001") + Decimal("0.2025")
    assert found["own_key_cost_usd"] == Decimal("0.012345679") + Decimal("0.05")
    assert found["cache_read_tokens"] == 2000
    assert {r["model_name"] for r in rows if r["usage_date"] == date(2026, 6, 5)} == {
        "example/chat-20260101:free"
    }
    assert [(q["row_number"], q["code"], q["field"]) for q in quarantined(settings)] == [
        (4, "larger_than_whole", "reasoning_tokens")
    ]
    assert files_with(SECRET, settings) == []


def test_the_running_day_and_a_moment_that_is_no_day_are_quarantined(
    tmp_path: Path, settings: Settings
) -> None:
    document = json.loads((ANSWERS / "activity.json").read_text(encoding="utf-8"))
    document["data"][1]["date"] = "2026-06-03 05:00:00"
    path = tmp_path / "2026-06-04T23-00-00Z.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    landed = land(path, settings)
    assert (landed.good_rows, landed.quarantined_rows) == (2, 2)
    assert [(q["row_number"], q["code"]) for q in quarantined(settings)] == [
        (2, "impossible_date"),
        (4, "day_not_over"),
    ]


def changed(**values: Any) -> dict[str, Any]:
    """The analytics answer with other keys in its first row, and its metadata."""
    answer = json.loads((ANSWERS / "analytics.json").read_text(encoding="utf-8"))
    row = answer["data"]["data"][0]
    for key, value in values.items():
        if key == "truncated":
            answer["data"]["metadata"][key] = value
        elif value is None:
            del row[key]
        else:
            row[key] = value
    return answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (changed(truncated=True), "truncated is true"),
        (changed(model=None), "an analytics answer without model: its rows have"),
        (changed(date__day=None, date__week="2026-06-01"), "without date__day"),
        (changed(tokens_prompt=None), "without tokens_prompt"),
    ],
)
def test_an_answer_without_the_days_of_an_account_is_refused(
    tmp_path: Path, settings: Settings, answer: dict[str, Any], expected: str
) -> None:
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(answer), encoding="utf-8")
    with pytest.raises(RefusedDumpError, match=expected):
        land(path, settings)


def test_two_answers_in_one_file_are_refused(tmp_path: Path, settings: Settings) -> None:
    document = json.loads((ANSWERS / "activity.json").read_text(encoding="utf-8"))
    path = tmp_path / "appended.jsonl"
    path.write_text(2 * (json.dumps(document) + "\n"), encoding="utf-8")
    with pytest.raises(RefusedDumpError, match="expected one answer"):
        land(path, settings)


def test_an_export_without_a_needed_column_is_refused_by_name(
    tmp_path: Path, settings: Settings
) -> None:
    text = (EXPORTS / "22-columns.csv").read_text(encoding="utf-8")
    path = tmp_path / "export.csv"
    path.write_text(text.replace("tokens_prompt", "prompt"), encoding="utf-8")
    with pytest.raises(RefusedDumpError, match="tokens_prompt") as caught:
        land(path, settings, "openrouter_activity")
    assert SECRET not in str(caught.value)


@pytest.mark.skipif(not SHARED.exists(), reason="needs the samples beside the project")
def test_real_exports_have_their_known_totals(settings: Settings) -> None:
    folder = SHARED / "request-logs" / "openrouter-activity"
    names = ("2026-08-24_24col_cut", "2026-09-15_24col_cut")
    rows = reduced([folder / f"activity_{name}.csv" for name in names], settings)
    found = totals(rows)
    assert (found["requests"], found["outcomes"]) == (56, {"succeeded": 56})
    assert (found["prompt_tokens"], found["completion_tokens"]) == (
        2_187_211 + 3_962_215,
        6_809 + 14_990,
    )
    assert (found["reasoning_tokens"], found["cache_read_tokens"]) == (
        2_081 + 6_063,
        1_169_995 + 2_384_896,
    )
    assert found["cost_usd"] == Decimal("0.258123") + Decimal("0.146579")
    bad = land(folder / "activity_derived_fixture_cached_exceeds_prompt.csv", settings)
    assert (bad.good_rows, bad.quarantined_fields) == (2, 1)


@pytest.mark.skipif(not SHARED.exists(), reason="needs the samples beside the project")
def test_the_owners_analytics_example_is_refused_because_it_has_no_tokens() -> None:
    example = SHARED / "openrouter" / "api-examples" / "owner-openapi-example-analytics-query.json"
    with pytest.raises(RefusedDumpError, match="without model, tokens_prompt, tokens_completion"):
        find_log(example)
