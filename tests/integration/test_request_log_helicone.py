"""Helicone's exports: CSV, JSON lines and JSON, with the errors of its exporter."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.errors import RefusedDumpError
from orchestration.request_logs import find_log
from orchestration.settings import Settings
from tests.request_logs import quarantined, reduced, totals

FIXTURES = Path(__file__).parents[1] / "fixtures" / "request_logs" / "helicone"
SECRET = "canary-5c02"
# Of each call: outcome, prompt, read from cache, written to it, completion, reasoning.
CALLS = {
    "gpt-4o-mini": ("succeeded", 120, 0, 0, 30, 0),
    "claude-sonnet-4-5": ("succeeded", 48183, 47105, 1076, 714, 0),
    "o3": ("succeeded", 500, 400, 0, 84, 64),
    "failed": ("failed", 0, 0, 0, 0, 0),
    "cancelled": ("cancelled", 80, 0, 0, 3, 0),
    "cached": ("cached", 0, 0, 0, 0, 0),
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", shipped_history=False)


def calls(rows: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    names = (
        "outcome",
        "prompt_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "completion_tokens",
        "reasoning_tokens",
    )
    return {row["model_name"]: tuple(row[n] for n in names) for row in rows}


def test_every_request_counts_once_with_all_its_tokens(tmp_path: Path, settings: Settings) -> None:
    rows = reduced([FIXTURES / "export.jsonl"], settings)
    assert calls(rows) == CALLS
    assert {r["model_name"]: r["cost_usd"] for r in rows if r["requests_with_cost"]} == {
        "gpt-4o-mini": Decimal("0.000036"),
        "claude-sonnet-4-5": Decimal("0.031"),
        "o3": Decimal("0.0021"),
    }
    assert {r["provider_name"] for r in rows} == {"OPENAI", "ANTHROPIC"}

    # The same requests again, as the JSON that the exporter writes, with its last comma.
    lines = (FIXTURES / "export.jsonl").read_text(encoding="utf-8").splitlines()
    objects = [json.dumps(json.loads(line), indent=2) for line in lines]
    text = "[\n" + "".join(f"{o},\n" for o in objects) + "]\n"
    (tmp_path / "export.json").write_text(text, encoding="utf-8")
    assert totals(reduced([tmp_path / "export.json"], settings)) == totals(rows)
    for file in settings.data_dir.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file


def test_the_csv_names_the_model_only_in_the_body(tmp_path: Path, settings: Settings) -> None:
    rows = reduced([FIXTURES / "export.csv"], settings)
    # It has no prompt cache, no reasoning, and does not say what came from the gateway's cache.
    assert {name: call[:2] + call[4:5] for name, call in calls(rows).items()} == {
        "gpt-4o-mini": ("succeeded", 120, 30),
        "claude-sonnet-4-5": ("succeeded", 2, 714),
        "o3": ("succeeded", 100, 20),
        "failed": ("failed", 0, 0),
        "cancelled": ("cancelled", 80, 3),
        "cached": ("succeeded", 0, 0),
    }
    for file in settings.data_dir.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file


def test_a_bad_value_is_named_but_not_shown(tmp_path: Path, settings: Settings) -> None:
    lines = (FIXTURES / "export.jsonl").read_text(encoding="utf-8").splitlines()
    good, number, late = (json.loads(line) for line in lines[:3])
    number["prompt_tokens"] = SECRET
    late["request_created_at"] = None
    path = tmp_path / "bad.jsonl"
    lines = [json.dumps(row) for row in (good, number, late)]
    path.write_text("\n".join([*lines, "{"]) + "\n", encoding="utf-8")
    found = totals(reduced([path], settings))
    assert (found["requests"], found["prompt_tokens"]) == (2, 120 + 47105 + 1076)
    assert [
        (q["row_number"], q["code"], q["field"], q["value"]) for q in quarantined(settings)
    ] == [
        (2, "not_an_integer", "prompt_tokens", f"{len(SECRET)} characters"),
        (3, "missing_value", "request_created_at", None),
        (4, "missing_value", "request_id", None),
    ]


def test_what_is_no_export_is_not_taken_for_one(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_bytes(b"request_id,request_created_at,prompt_tokens,completion_tokens\n1,2,3,4\n")
    with pytest.raises(RefusedDumpError, match="is nearly usage_events"):
        find_log(path)
