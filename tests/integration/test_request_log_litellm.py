"""LiteLLM's spend logs: the layouts of its files, the counts of tokens, and what never leaves them.

Requests are made up in the layouts of tests/fixtures/request_logs/litellm_spendlogs.
"""

import csv
import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.errors import RefusedDumpError
from orchestration.landing.store import land
from orchestration.settings import PROJECT_ROOT, Settings
from tests.request_logs import quarantined, reduced, totals

FIXTURES = PROJECT_ROOT / "tests" / "fixtures" / "request_logs" / "litellm_spendlogs"
SAMPLES = PROJECT_ROOT.parent / "shared" / "data" / "request-logs" / "litellm"
CANARY = b"canary-litellm-51c9"

# Of spendlogs.jsonl, added up by hand.
EXPECTED = {
    "requests": 10,
    "requests_with_tokens": 8,
    "prompt_tokens": 1200 + 30505 + 30505 + 100 + 1200 + 8 + 1010 + 20,
    "cache_read_tokens": 1024 + 30000 + 30000 + 1024 + 1000,
    "cache_write_tokens": 500 + 500,
    "completion_tokens": 300 + 467 + 100 + 250 + 300 + 0 + 5 + 30,
    "reasoning_tokens": 128 + 200 + 128 + 30,
    "requests_with_cost": 8,
    "cost_usd": Decimal("0.036560160"),
    "own_key_cost_usd": 0,
    "outcomes": {"succeeded": 7, "cached": 1, "failed": 2},
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", shipped_history=False)


def rows() -> list[dict[str, Any]]:
    lines = (FIXTURES / "spendlogs.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """As the cells of a CSV file or a Parquet file."""
    return {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()}


def as_csv(folder: Path) -> Path:
    """With a dump in a prompt."""
    dump = {"messages": "\nCOPY public.t (a, b) FROM stdin;\n1\t2\n\\.\n"}
    with (folder / "spendlogs.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows()[0]))
        writer.writeheader()
        writer.writerows({**flat(row), **dump} for row in rows())
    return folder / "spendlogs.csv"


def as_array(folder: Path) -> Path:
    """With a prompt that is longer than the beginning of a file that is looked at."""
    long = [{**row, "messages": CANARY.decode() * 250_000} for row in rows()[1:2]]
    path = folder / "spendlogs.json"
    path.write_text(json.dumps([*rows()[:1], *long, *rows()[2:]], indent=1), encoding="utf-8")
    return path


def as_parquet(folder: Path) -> Path:
    pq.write_table(pa.Table.from_pylist([flat(r) for r in rows()]), folder / "spendlogs.parquet")
    return folder / "spendlogs.parquet"


def as_lines(folder: Path) -> Path:
    path = folder / "spendlogs.jsonl.gz"
    path.write_bytes(gzip.compress((FIXTURES / "spendlogs.jsonl").read_bytes()))
    return path


def as_dump(folder: Path) -> Path:
    return FIXTURES / "pg_dump.sql"


def assert_no_canary(settings: Settings) -> None:
    for file in settings.data_dir.rglob("*"):
        if not file.is_file():
            continue
        assert CANARY not in file.read_bytes(), file
        if file.suffix == ".parquet":
            assert CANARY not in str(pq.read_table(file).to_pylist()).encode(), file


def landed_rows(path: Path, settings: Settings) -> list[dict[str, Any]]:
    record = land(path, settings).record
    return sorted(
        pq.read_table(settings.landing_dir / record.path).to_pylist(), key=lambda r: r["request_id"]
    )


def test_every_layout_of_the_table_has_the_same_rows(tmp_path: Path, settings: Settings) -> None:
    lines = landed_rows(as_lines(tmp_path), settings)
    assert len(lines) == 12
    for number, layout in enumerate((as_csv, as_array, as_parquet, as_dump)):
        own = Settings(data_dir=tmp_path / f"{number}", shipped_history=False)
        found = landed_rows(layout(tmp_path), own)
        # The same number, in other digits
        assert [{**r, "spend": float(r["spend"])} for r in found] == [
            {**r, "spend": float(r["spend"])} for r in lines
        ], layout
        assert_no_canary(own)
    found = reduced([], settings)
    assert totals(found) == EXPECTED
    assert quarantined(settings) == []
    assert_no_canary(settings)
    by_day = {f"{r['usage_date']}": 0 for r in found}
    for row in found:
        by_day[f"{row['usage_date']}"] += row["requests"]
    assert by_day == {"2026-11-01": 8, "2026-11-02": 2}
    served = {(r["model_name"], r["provider_name"], r["outcome"]) for r in found}
    assert ("claude-sonnet-4-5", "bedrock", "succeeded") in served
    assert (None, None, "failed") in served


def test_the_payloads_of_the_loggers(tmp_path: Path, settings: Settings) -> None:
    """As lines, and as objects one after the other without a line break, as `cat` puts them. A
    request that is there as a row of the table too counts once."""
    lines = (FIXTURES / "standard_logging_payloads.jsonl").read_text(encoding="utf-8")
    row = rows()[0] | {"request_id": "no-price", "startTime": "2026-11-03 09:30:00", "spend": 1}
    (tmp_path / "2026-11-04.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "2026-11-05").write_text(lines.replace("\n", ""), encoding="utf-8")
    (tmp_path / "2026-11-03T23-00-00Z.json").write_text(json.dumps(row), encoding="utf-8")
    landed = land(tmp_path / "2026-11-05", settings)
    assert (landed.record.layout, landed.good_rows) == ("json/standard_logging_payload", 5)
    found = reduced(
        [tmp_path / "2026-11-04.jsonl", tmp_path / "2026-11-03T23-00-00Z.json"], settings
    )
    assert totals(found) == {
        "requests": 5,
        "requests_with_tokens": 4,
        "prompt_tokens": 10 + 1200 + 10 + 7,
        "cache_read_tokens": 4 + 1024,
        "cache_write_tokens": 0,
        "completion_tokens": 20 + 300 + 20 + 3,
        "reasoning_tokens": 128,
        "requests_with_cost": 3,
        "cost_usd": Decimal("0.005575000"),
        "own_key_cost_usd": 0,
        "outcomes": {"succeeded": 3, "cached": 1, "failed": 1},
    }
    assert {f"{r['usage_date']}" for r in found} == {"2026-11-03"}
    assert quarantined(settings) == []
    assert_no_canary(settings)


def test_bad_cells_are_named_and_not_shown(tmp_path: Path, settings: Settings) -> None:
    secret = CANARY.decode()
    first = rows()[0]
    bad = [
        {**first, "request_id": "a", "metadata": f"{{not json {secret}"},
        {**first, "request_id": "b", "cache_hit": secret, "status": secret},
        {**first, "request_id": "c", "startTime": secret},
        {**first, "request_id": "d", "metadata": {"usage_object": [secret]}},
        {**first, "request_id": "e", "call_type": f"a prompt {secret}"},
    ]
    path = tmp_path / "bad.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in bad), encoding="utf-8")
    assert land(path, settings).good_rows == 4
    # A quarantined field is NULL, a quarantined row is not counted.
    assert [
        (q["row_number"], q["scope"], q["code"], q["field"]) for q in quarantined(settings)
    ] == [
        (2, "field", "bad_form", "status"),
        (2, "field", "too_long", "cache_hit"),
        (3, "row", "impossible_time", "startTime"),
        (5, "field", "bad_form", "call_type"),
    ]
    for file in settings.data_dir.rglob("*"):
        if file.is_file() and file.name != "rows.parquet":
            assert CANARY not in file.read_bytes(), file


def test_a_dump_that_was_cut(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "cut.sql"
    text = (FIXTURES / "pg_dump.sql").read_text(encoding="utf-8")
    path.write_text(text[: text.index("chatcmpl-writes-within") + 30], encoding="utf-8")
    assert land(path, settings).good_rows == 2
    assert [(q["row_number"], q["code"], q["field"]) for q in quarantined(settings)] == [
        (3, "missing_value", "request_id")
    ]


def test_another_table_of_a_dump_is_refused(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "keys.sql"
    text = (FIXTURES / "pg_dump.sql").read_text(encoding="utf-8")
    path.write_text(text[text.index('COPY public."LiteLLM_VerificationToken"') :], encoding="utf-8")
    with pytest.raises(
        RefusedDumpError, match="is not litellm_spendlogs: its columns are token, key_name"
    ):
        land(path, settings, "litellm_spendlogs")


@pytest.mark.skipif(not SAMPLES.exists(), reason="needs the owner's samples in ../shared/data")
def test_the_owners_samples(settings: Settings) -> None:
    names = ("spendlogs_row_owner_test.json", "standard_logging_payload_owner_test_cut.json")
    found = reduced([SAMPLES / name for name in names], settings)
    names = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cost_usd")
    assert [[row[n] for n in names] for row in found] == [[10, 20, 0, Decimal("0.000225000")]] * 2


@pytest.mark.skipif(not SAMPLES.exists(), reason="needs the owner's samples in ../shared/data")
def test_the_fixture_has_the_owners_columns() -> None:
    text = (SAMPLES / "spendlogs_columns_0.4.110.csv").read_text(encoding="utf-8")
    assert list(rows()[0]) == [line.split(",")[0] for line in text.splitlines()[1:]]
