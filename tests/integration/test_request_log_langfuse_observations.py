"""Langfuse's exports: every layout and format, which rows are calls, how their tokens add up."""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.errors import RefusedDumpError
from orchestration.request_logs import REQUEST_LOGS, find_log
from orchestration.request_logs.checks import good_rows
from orchestration.settings import PROJECT_ROOT, Settings
from tests.request_logs import quarantined, reduced, totals

FIXTURES = Path(__file__).parents[1] / "fixtures" / "request_logs" / "langfuse_observations"
SECRET = "canary-3b91"
REAL = PROJECT_ROOT.parent / "shared" / "data" / "request-logs" / "langfuse"
# Prompt and completion tokens of the calls of each real export, as people counted them.
REAL_CALLS = {
    "ui-trace-agno-2025-06-11.json": (4, 2936, 903),
    "ui-trace-autogen-2025-06-06.json": (1, 41, 3),
    "ui-trace-google-adk-2025-08-28.json": (2, 67, 9),
    "ui-trace-google-gemini-2025-08-01.json": (1, 6, 2055),
    "ui-trace-google-vertex-tools-langchain-2025-09-19.json": (1, 1200, 15),
    "ui-trace-koog-2025-08-26.json": (2, 215, 125),
    "ui-trace-langgraph-2025-08-22.json": (2, 168, 66),
    "ui-trace-llamaindex-2025-06-05.json": (1, 13, 81),
    "ui-trace-openai-agents-2025-09-30.json": (2, 140, 44),
    "ui-trace-openai-assistants-2024-05-29.json": (1, 49, 40),
    "ui-trace-pydantic-ai-tools-2025-12-04.json": (4, 1315, 209),
}
# Of each call: prompt, read from cache, written to it, completion, reasoning.
CALLS = {
    "all kinds beside": (550, 400, 50, 100, 70),
    "all kinds inside": (500, 400, 0, 200, 110),
    "only input beside": (100, 90, 0, 50, 20),
    "only output beside": (100, 40, 0, 40, 30),
    "as much cached as thought": (120, 20, 0, 50, 20),
    "by modality": (100, 40, 0, 20, 0),
    "cache by lifetime": (48183, 47105, 1076, 714, 0),
    "more cached than input": (100, 90, 0, 5, 0),
    "a total of more kinds": (14, 4, 0, 5, 0),
    "no total": (7, 0, 0, 3, 0),
    "only a total": (25, 0, 0, 0, 0),
    "embedding": (50, 0, 0, 0, 0),
    "evaluator with tokens": (8, 0, 0, 2, 0),
    "failed before the model": (0, 0, 0, 0, 0),
    "failed after the model": (30, 0, 0, 1, 0),
    "only a cost": (0, 0, 0, 0, 0),
}
CALLS_OF_UI = {
    "of the UI, inside": (6, 0, 0, 2055, 1104),
    "of the UI, beside": (10000, 9000, 0, 100, 80),
    "of the oldest UI": (1200, 0, 0, 15, 0),
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", shipped_history=False)


def observations() -> list[dict[str, Any]]:
    """The rows of the scheduled export."""
    lines = (FIXTURES / "observations_v2.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    """As Langfuse writes CSV: objects and lists as JSON, nothing for null."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=rows[0])
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()}
        )
    return text.getvalue().encode()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    """With the types that ClickHouse gives the columns of Langfuse's table."""
    types = {
        "start_time": pa.timestamp("ms", tz="UTC"),
        "usage_details": pa.map_(pa.string(), pa.uint64()),
        "cost_details": pa.map_(pa.string(), pa.decimal128(18, 12)),
        "total_cost": pa.decimal128(18, 12),
    }

    def value(name: str, given: Any) -> Any:
        if name == "start_time":
            return datetime.fromisoformat(given).replace(tzinfo=UTC)
        if name == "usage_details":
            return list(given.items())
        if name == "cost_details":
            return [(k, Decimal(str(v))) for k, v in given.items()]
        if name == "total_cost":
            return Decimal(str(given))
        return json.dumps(given) if isinstance(given, dict) else given

    # Parquet has no prices.
    names = [n for n in rows[0] if not n.endswith("_price")]
    table = pa.table({n: pa.array([value(n, row[n]) for row in rows], types.get(n)) for n in names})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def camel(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{re.sub(r"_(.)", lambda m: m[1].upper(), k): v for k, v in row.items()} for row in rows]


FORMATS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "x.csv": as_csv,
    "x.csv.gz": lambda rows: gzip.compress(as_csv(rows)),
    "x.parquet": as_parquet,
    "x.json": lambda rows: json.dumps(rows).encode(),
    "pretty.json": lambda rows: json.dumps(rows, indent=1).encode(),
    "x.jsonl.gz": lambda rows: gzip.compress(jsonl(rows)),
    "camel.jsonl": lambda rows: jsonl(camel(rows)),
    "camel.csv": lambda rows: as_csv(camel(rows)),
}


def typed(path: Path) -> list[tuple[Any, ...]]:
    """The typed good rows that are landed of a file."""
    found = find_log(path)
    assert found is not None
    log, head, _ = found
    numbered = f"(select *, row_number() over () as row_number from ({log.rows(head)}))"
    nothing = "(select 0 as row_number, '' as scope, '' as field limit 0)"
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        return connection.sql(good_rows(log.table, numbered, nothing, log.time_field)).fetchall()


def calls(rows: list[dict[str, Any]]) -> dict[str, tuple[int, ...]]:
    names = (
        "prompt_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "completion_tokens",
        "reasoning_tokens",
    )
    return {row["model_name"]: tuple(row[n] for n in names) for row in rows}


def test_which_rows_are_calls_and_how_their_tokens_add_up(
    tmp_path: Path, settings: Settings
) -> None:
    traces = [FIXTURES / "trace.json", FIXTURES / "trace_oldest.json"]
    rows = reduced([FIXTURES / "observations_v2.jsonl", *traces], settings)
    assert calls(rows) == CALLS | CALLS_OF_UI
    found = totals(rows)
    assert found["outcomes"] == {"succeeded": len(CALLS | CALLS_OF_UI) - 2, "failed": 2}
    assert {r["model_name"] for r in rows if r["outcome"] == "failed"} == {
        "failed before the model",
        "failed after the model",
    }
    assert {r["model_name"]: r["cost_usd"] for r in rows if r["cost_usd"]} == {
        "all kinds beside": Decimal("0.00175"),
        "only a cost": Decimal("0.04"),
        "of the UI, inside": Decimal("0.0051"),
        "of the oldest UI": Decimal("0.00011"),
    }
    assert found["requests_with_tokens"] == found["requests"] - 2

    # The older layout of the same observations, exported too, and a trace of them from the UI
    older = [
        {k: v for k, v in row.items() if k not in ("user_id", "trace_name", "tags", "session_id")}
        for row in observations()
    ]
    (tmp_path / "older.csv").write_bytes(as_csv(older))
    again = {"trace": {"id": "t"}, "observations": camel(observations())}
    (tmp_path / "again.json").write_text(json.dumps(again), encoding="utf-8")
    rows = reduced([tmp_path / "older.csv", tmp_path / "again.json"], settings)
    assert totals(rows) == found
    for file in settings.data_dir.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_lands_the_same_rows(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FORMATS[name](observations()))
    assert typed(path) == typed(FIXTURES / "observations_v2.jsonl")


def test_groups_of_columns_that_are_not_needed_may_be_absent(tmp_path: Path) -> None:
    core = ("id", "type", "start_time", "end_time", "trace_id", "project_id")
    needed = (*core, "provided_model_name", "usage_details", "cost_details", "total_cost")
    rows = [{k: v for k, v in row.items() if k in needed} for row in observations()]
    path = tmp_path / "few.parquet"
    path.write_bytes(as_parquet(rows))
    full = typed(FIXTURES / "observations_v2.jsonl")
    names = [f.name for f in REQUEST_LOGS["langfuse_observations"].table.fields]
    level = names.index("level") + 2
    assert [r[:level] + r[level + 1 :] for r in typed(path)] == [
        r[:level] + r[level + 1 :] for r in full
    ]
    without = [{k: v for k, v in row.items() if k != "usage_details"} for row in observations()]
    path = tmp_path / "no usage.jsonl"
    path.write_bytes(jsonl(without))
    with pytest.raises(RefusedDumpError, match=r"expected an export .* usage_details"):
        find_log(path, "langfuse_observations")


def test_a_bad_value_is_named_but_not_shown(tmp_path: Path, settings: Settings) -> None:
    good, text, number, late = (dict(observations()[1], id=i) for i in "abcd")
    text["usage_details"] = SECRET
    number["usage_details"] = {"input": 5, "input_modality_1": SECRET, "output": -1}
    late["start_time"] = None
    path = tmp_path / "bad.csv"
    path.write_bytes(as_csv([good, text, number, late]))
    found = totals(reduced([path], settings))
    # A bad number counts as none; the row without a map of usage has a cost all the same.
    assert (found["requests"], found["prompt_tokens"]) == (3, 555)
    assert [
        (q["row_number"], q["code"], q["field"], q["value"]) for q in quarantined(settings)
    ] == [
        (2, "bad_form", "usage_details", "9 characters"),
        (3, "not_an_integer", "usage_input_by_modality", f"{len(SECRET)} characters"),
        (3, "too_small", "usage_output", "2 characters"),
        (4, "missing_value", "start_time", None),
    ]


@pytest.mark.parametrize("shape", ["trace", "observations", "list"])
def test_a_document_longer_than_what_is_read_of_it_is_recognized(
    tmp_path: Path, shape: str
) -> None:
    long = "x" * 5_000_000
    document = json.loads((FIXTURES / "trace.json").read_text(encoding="utf-8"))
    if shape == "trace":
        document["trace"]["input"] = long
    elif shape == "observations":
        document["observations"][0]["input"] = long
    else:
        document = observations()
        document[1]["input"] = long
    path = tmp_path / "long.json"
    path.write_text(json.dumps(document, indent=2), encoding="utf-8")
    same = FIXTURES / ("observations_v2.jsonl" if shape == "list" else "trace.json")
    assert typed(path) == typed(same)


@pytest.mark.skipif(not REAL.exists(), reason="needs the real exports in ../shared/data")
def test_real_exports_of_the_ui_have_the_right_totals(settings: Settings) -> None:
    rows = reduced([REAL / name for name in REAL_CALLS], settings)
    by_day = {row["usage_date"]: row for row in rows}
    assert len(rows) == len(by_day)
    for name, expected in REAL_CALLS.items():
        row = by_day[date.fromisoformat(name[-15:-5])]
        assert (row["requests"], row["prompt_tokens"], row["completion_tokens"]) == expected, name
    assert sum(row["reasoning_tokens"] for row in rows) == 1104
    gemini = by_day[date(2025, 8, 1)]
    assert gemini["cost_usd"] == Decimal("0.0051393")
