"""Traces of OpenTelemetry: every dialect, what is a request, what is refused, what never leaves."""

import csv
import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.contracts.odcs import tables
from orchestration.errors import RefusedDumpError
from orchestration.landing.store import land
from orchestration.request_logs import base, find_log
from orchestration.settings import DBT_PROJECT_DIR, PROJECT_ROOT, Settings
from tests.request_logs import files_with, quarantined, reduced, totals

FIXTURES = PROJECT_ROOT / "tests" / "fixtures" / "request_logs" / "otlp"
SAMPLES = PROJECT_ROOT.parent / "shared" / "data" / "request-logs" / "otlp"
# What the fixtures have in every field that must not be read.
SECRET = "canary-7f3a"

MEASURES = (
    "requests",
    "prompt_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "cost_usd",
)
# Model, provider, outcome: the measures
OPENROUTER = {
    # Not here: children of a generation of the day before
    # Delivered twice, with attempts and other children
    ("anthropic/claude-haiku-4.5", "Amazon Bedrock", "succeeded"): (
        *(1, 1000, 600, 100, 200, 50),
        Decimal("0.002"),
    ),
    ("deepseek/deepseek-v4-flash", "Novita", "cancelled"): (1, 80, 0, 0, 0, 0, 0),
    ("qwen/qwen3-coder-next", None, "failed"): (2, 0, 0, 0, 0, 0, 0),
    # Costs nothing, like a cancelled one, but has ended
    ("meta-llama/llama-4-scout:free", "Groq", "succeeded"): (1, 60, 0, 0, 6, 0, 0),
    ("openai/gpt-4-turbo", "OpenAI", "test"): (1, 50, 0, 0, 100, 0, Decimal("0.02")),
    (None, None, "test"): (1, 0, 0, 0, 0, 0, 0),
    # In names and texts of early 2026
    ("anthropic/claude-sonnet-4.5", "Anthropic", "succeeded"): (
        *(1, 1200, 1024, 0, 340, 0),
        Decimal("0.013542"),
    ),
    # An application has it twice as well: above it, and with the same generation id
    ("openai/gpt-5.4-mini", "OpenAI", "succeeded"): (1, 300, 0, 0, 30, 0, Decimal("0.0004")),
}
INSTRUMENTS = {
    ("openinference", "google", "succeeded"): (1, 50000, 40000, 5000, 200, 30, 0),
    # The span of the proxy has the same call within it
    ("litellm", "anthropic", "succeeded"): (1, 100, 20, 10, 40, 0, Decimal("0.001")),
    ("litellm-cached", "anthropic", "cached"): (1, 100, 20, 10, 40, 0, 0),
    ("pydantic-ai", "openai", "succeeded"): (2, 240, 60, 0, 80, 10, 0),
    # Its agent says so only by its name
    ("pydantic-ai-old", "openai", "succeeded"): (2, 100, 0, 0, 10, 0, 0),
    # Cache beside the input, as the total says
    ("vercel-bedrock", "amazon-bedrock", "succeeded"): (1, 10216, 4482, 100, 178, 0, 0),
    # The total says that only reads are beside; but then there is more cache than input
    ("vercel-odd", None, "succeeded"): (1, 350, 50, 200, 7, 0, 0),
    ("vercel-embed", None, "succeeded"): (1, 12, 0, 0, 0, 0, 0),
    # Cache beside the input, because there is more of it
    ("vercel-anthropic", "anthropic.messages", "succeeded"): (1, 5100, 5000, 0, 7, 0, 0),
    ("openlit", "openai", "succeeded"): (1, 14, 0, 0, 96, 0, Decimal("0.000151")),
    ("openllmetry", "OpenAI", "succeeded"): (1, 14, 0, 0, 173, 0, 0),
    # Cache and reasoning beside input and output
    ("langfuse", None, "succeeded"): (1, 100, 20, 10, 50, 20, Decimal("0.0021")),
    ("spring-ai", "openai", "succeeded"): (1, 11, 0, 0, 13, 0, 0),
    # Twice, with ids in base64 and in hexadecimal digits; its system is a framework
    ("strands", None, "succeeded"): (1, 24, 0, 0, 10, 0, 0),
    # Cache beside the input, reasoning inside the output
    ("openclaw", "anthropic", "succeeded"): (1, 200, 40, 10, 25, 5, 0),
    ("openclaw", "anthropic", "failed"): (1, 0, 0, 0, 0, 0, 0),
    ("cloudflare", "workers-ai", "succeeded"): (1, 7, 0, 0, 3, 0, Decimal("0.5")),
    # More reasoning than output stays as it is stated; without an output it is left out
    ("adk", None, "succeeded"): (2, 10, 0, 0, 50, 60, 0),
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", shipped_history=False)


def span(**values: Any) -> dict[str, Any]:
    """A span with 10 prompt tokens."""
    return {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331",
        "name": "chat",
        "startTimeUnixNano": "1793527200000000000",
        "attributes": [{"key": "gen_ai.usage.input_tokens", "value": {"intValue": "10"}}],
        **values,
    }


def body(*spans: Any) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


def write(path: Path, *bodies: Any) -> Path:
    lines = [b if isinstance(b, str) else json.dumps(b) for b in bodies]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_every_dialect_counts_each_request_once(settings: Settings) -> None:
    rows = reduced(
        [FIXTURES / "openrouter-broadcast.jsonl", FIXTURES / "instruments.json"], settings
    )
    found = {
        (row["model_name"], row["provider_name"], row["outcome"]): tuple(
            row[name] for name in MEASURES
        )
        for row in rows
    }
    assert found == OPENROUTER | INSTRUMENTS
    assert len(rows) == len(found)
    assert {row["region"] for row in rows} == {None, "us-east-1"}
    # Reasoning alone says nothing of what was used.
    assert [(q["scope"], q["field"], q["code"]) for q in quarantined(settings)] == [
        ("row", "input_tokens", "missing_value")
    ]
    assert files_with(SECRET, settings) == []


def test_the_region_of_a_slug_is_kept_and_a_quantization_is_not(
    tmp_path: Path, settings: Settings
) -> None:
    with (DBT_PROJECT_DIR / "seeds" / "cloud_regions.csv").open(encoding="utf-8") as file:
        regions = {(row["cloud"], row["region"]) for row in csv.DictReader(file) if row["country"]}
    assert {"eastus2", "swedencentral", "us-gov-west-1", "europe-west4"} < {r for _, r in regions}
    others = ["fp8", "bf16", "int4", "unknown", "turbo", "plus", "low-latency", "fp8-fast"]
    slugs = [*regions, *(("novita", other) for other in others)]
    spans = [
        span(
            spanId=f"{number:016x}",
            attributes=[
                {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "10"}},
                {"key": "openrouter.provider_name", "value": {"stringValue": cloud}},
                {"key": "openrouter.provider_slug", "value": {"stringValue": f"{cloud}/{name}"}},
                # What its own spans have
                {"key": "gen_ai.response.id", "value": {"stringValue": f"gen-{number}"}},
            ],
        )
        for number, (cloud, name) in enumerate(slugs, start=1)
    ]
    document = body(*spans)
    document["resourceSpans"][0]["scopeSpans"][0]["scope"] = {"name": "openrouter"}
    rows = reduced([write(tmp_path / "2026-11-02T00-00-00Z.jsonl", document)], settings)
    found = {(row["provider_name"], row["region"]): row["requests"] for row in rows}
    assert found == dict.fromkeys(regions, 1) | {("novita", None): len(others)}


@pytest.mark.skipif(not SAMPLES.exists(), reason="needs the samples in ../shared/data")
def test_samples_have_the_totals_that_are_right(settings: Settings) -> None:
    files = [f for f in sorted(SAMPLES.iterdir()) if f.name != "dialects-expected.json"]
    rows = reduced(files, settings)
    expected = json.loads((SAMPLES / "dialects-expected.json").read_text(encoding="utf-8"))
    usable = [e["expected"] for e in expected if e["expected"]]
    dialects = next(i for i in files if i.suffix == ".jsonl")
    sha256 = land(dialects, settings).record.sha256
    found = totals(row for row in rows if row["dump_sha256"] == sha256)
    # One more, which has its tokens only in an attribute of Langfuse
    assert found["requests"] == len(usable) + 1
    assert {
        "prompt": found["prompt_tokens"] - 123,
        "cached": found["cache_read_tokens"],
        "write": found["cache_write_tokens"],
        "completion": found["completion_tokens"] - 456,
        "reasoning": found["reasoning_tokens"],
    } == {
        name: sum(e[name] for e in usable)
        for name in ("prompt", "cached", "write", "completion", "reasoning")
    }
    assert found["cost_usd"] == Decimal("0.000151") + Decimal("0.0021")
    others = [row for row in rows if row["dump_sha256"] != sha256]
    assert sorted(
        (row["model_name"], row["requests"], row["prompt_tokens"], row["completion_tokens"])
        for row in others
    ) == [
        ("anthropic/claude-haiku-4.5", 1, 30, 163),
        ("anthropic/claude-sonnet-4.5", 1, 1200, 340),
        ("claude-opus-4-6", 1, 150, 25),
        ("deepseek/deepseek-v4-flash", 1, 25, 236),
        ("gpt-5", 1, 11, 13),
        ("openai/gpt-4", 1, 100, 50),
        ("openai/gpt-4.1-nano", 1, 24, 10),
        ("openai/gpt-5.4-mini", 1, 27, 109),
        ("qwen/qwen3-coder-next", 1, 29, 143),
    ]
    assert {row["region"] for row in others} == {None, "global"}


def test_a_file_is_one_body_or_many_in_any_form(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first body is longer than the beginning that is looked at.
    monkeypatch.setattr(base, "_HEAD_BYTES", 1000)
    long = "x" * 5000
    bodies = [body(span(spanId="1", note=long), span(spanId="2")), body(span(spanId="3"))]
    files = {
        "lines.jsonl": "\n".join(map(json.dumps, bodies)),
        "line.json": json.dumps(bodies[0]),
        "pretty.json": json.dumps(bodies[0], indent=2),
        "array.json": json.dumps(bodies),
        "pretty-array.json": json.dumps(bodies, indent=2),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "lines.jsonl.gz").write_bytes(gzip.compress(files["lines.jsonl"].encode()))
    good = {path.name: land(path, settings).good_rows for path in tmp_path.glob("*.*")}
    assert good == {
        "lines.jsonl": 3,
        "line.json": 2,
        "pretty.json": 2,
        "array.json": 3,
        "pretty-array.json": 3,
        "lines.jsonl.gz": 3,
    }


def test_what_is_no_span_is_quarantined(tmp_path: Path, settings: Settings) -> None:
    path = write(
        tmp_path / "x.jsonl",
        body(span(spanId="1")),
        "{not json " + SECRET,
        {"resourceLogs": [{}]},
        {"resourceMetrics": [{}]},
        body(SECRET, span(spanId="2")),
        {"resourceSpans": [{"scopeSpans": [{"spans": SECRET}]}]},
        body(span(spanId="3", startTimeUnixNano="0")),
        body(span(spanId="4", attributes=[{"key": "llm.model_name", "value": {"intValue": 1}}])),
    )
    landed = land(path, settings)
    assert landed.good_rows == 2
    assert [(q["row_number"], q["field"], q["code"]) for q in quarantined(settings)] == [
        (2, "trace_id", "missing_value"),
        (3, "trace_id", "missing_value"),
        (5, "trace_id", "missing_value"),
        (6, "started_at", "impossible_time"),
        (7, "input_tokens", "missing_value"),
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"startTimeUnixNano": None, "name": "LLM Generation"}, "started_at: missing_value"),
        ({"startTimeUnixNano": "1793527200"}, "started_at: impossible_time"),
        ({"attributes": [], "name": "LLM Generation"}, "input_tokens: missing_value"),
        ({"attributes": [], "name": "GET /"}, "has no requests; expected OTLP JSON"),
    ],
)
def test_a_body_without_tokens_or_times_is_refused_with_the_reason(
    tmp_path: Path, settings: Settings, bad: dict[str, Any], reason: str
) -> None:
    path = write(tmp_path / "x.json", body(span(**bad)))
    with pytest.raises(RefusedDumpError, match=reason):
        land(path, settings)


def test_the_reader_gives_the_columns_of_the_contract(tmp_path: Path) -> None:
    found = find_log(write(tmp_path / "x.json", body(span())))
    assert found is not None
    log, head, _ = found
    with duckdb.connect() as connection:
        columns = connection.sql(log.rows(head)).columns
    assert columns == [f.source_name for f in tables("raw")["otlp"].fields]
