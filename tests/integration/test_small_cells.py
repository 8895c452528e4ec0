"""Small cells of request logs: nothing that is published says anything about few requests."""

import functools
import itertools
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import jinja2
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestration import pipeline
from orchestration.errors import TokenshareError, VerificationError
from orchestration.files import read_json
from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import land, read_records
from orchestration.publication.manifest import MANIFEST_NAME, seal_manifest
from orchestration.publication.retention import made_for
from orchestration.publication.verify import verify
from orchestration.settings import DBT_PROJECT_DIR, Settings
from orchestration.transformation.request_days import REQUEST_DAYS_SCHEMA

MODEL = DBT_PROJECT_DIR / "models" / "intermediate" / "int_request_days.sql"
NAMELESS = "(suppressed)"
LEVELS = ("usage_date", "model_name", "provider_name", "region")


@dataclass(frozen=True)
class Cell:
    """A group of requests of a log, as its reduced day has it."""

    usage_date: date
    model_name: str | None
    provider_name: str | None
    region: str | None
    requests: int


cells = st.builds(
    Cell,
    st.sampled_from([date(2026, 1, 5), date(2026, 1, 6)]),
    st.sampled_from(["a", "b", "c", None]),
    st.sampled_from(["p", "q", None]),
    st.sampled_from(["e", "w", None]),
    st.integers(1, 14),
)
LARGEST = 8
logs = st.lists(cells, min_size=1, max_size=LARGEST)


@functools.cache
def statement() -> str:
    """The SQL of the model, made as dbt makes it."""
    macros = (DBT_PROJECT_DIR / "macros" / "model_names.sql").read_text(encoding="utf-8")
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)
    template = environment.from_string(macros + MODEL.read_text(encoding="utf-8"))
    return template.render(source=lambda _, name: name)


def published(log: Sequence[Cell], small_cells: int) -> list[dict[str, Any]]:
    """What the model makes of a log. Cell number i has 3^i tokens, so a sum or difference of cells
    names them."""
    rows = [
        {**dict.fromkeys(REQUEST_DAYS_SCHEMA.names), "source": "s", "dump_sha256": "d"}
        | {
            "usage_date": cell.usage_date,
            "model_name": cell.model_name,
            "provider_name": cell.provider_name,
            "region": cell.region,
            "outcome": "succeeded",
            "requests": cell.requests,
            "requests_with_tokens": cell.requests,
            "prompt_tokens": 3**number,
            "completion_tokens": 0,
        }
        for number, cell in enumerate(log)
    ]
    with duckdb.connect() as connection:
        connection.register("request_days", pa.Table.from_pylist(rows, REQUEST_DAYS_SCHEMA))
        connection.execute(f"create table run_settings as select {small_cells} as small_cells")
        return connection.sql(statement()).to_arrow_table().to_pylist()


def members(tokens: int) -> frozenset[int]:
    return frozenset(i for i in range(LARGEST) if tokens // 3**i % 3 == 1)


def grouped(rows: Sequence[dict[str, Any]]) -> dict[tuple[Any, ...], int]:
    """Tokens of the finest groups that any table may show."""
    sums: dict[tuple[Any, ...], int] = defaultdict(int)
    for row in rows:
        sums[tuple(row[level] for level in LEVELS)] += row["prompt_tokens"]
    return sums


@given(log=logs, least=st.integers(2, 15))
@hypothesis_settings(max_examples=60, deadline=None)
def test_no_group_of_few_requests_can_be_had_by_adding_and_subtracting(
    log: list[Cell], least: int
) -> None:
    shown = grouped(published(log, least))
    requests = {key: sum(log[i].requests for i in members(t)) for key, t in shown.items()}
    assert all(count >= least for count in requests.values()), requests
    # No request is lost but those of days with fewer, and none is counted twice.
    days = defaultdict(int)
    for cell in log:
        days[cell.usage_date] += cell.requests
    kept = {i for i, cell in enumerate(log) if days[cell.usage_date] >= least}
    assert sorted(i for t in shown.values() for i in members(t)) == sorted(kept)
    # No sums and differences of what is shown, in whatever table, are a small group of the log.
    reached = {0}
    for tokens in shown.values():
        reached = {value + sign * tokens for value in reached for sign in (-1, 0, 1)}
    for count in range(1, len(LEVELS) + 1):
        for levels in itertools.combinations(LEVELS, count):
            groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
            for i, cell in enumerate(log):
                groups[tuple(getattr(cell, level) for level in levels)].append(i)
            for group, own in groups.items():
                if sum(log[i].requests for i in own) < least:
                    assert sum(3**i for i in own) not in reached, (group, shown)


@given(log=logs, least=st.integers(2, 15))
@hypothesis_settings(max_examples=40, deadline=None)
def test_models_with_enough_requests_keep_their_names(log: list[Cell], least: int) -> None:
    """All but the smallest of a day whose small models are too few together."""
    days: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for cell in log:
        days[cell.usage_date][cell.model_name or "unnamed"] += cell.requests
    expected = set()
    for day, models in days.items():
        small = sum(count for count in models.values() if count < least)
        large = sorted((count, name) for name, count in models.items() if count >= least)
        expected |= {(day, name) for _, name in large[1 if 0 < small < least else 0 :]}
    rows = published(log, least)
    named = {(r["usage_date"], r["model_name"]) for r in rows} - {(day, NAMELESS) for day in days}
    assert named == expected
    plain = published(log, 0)
    assert len(plain) == len(log)
    finest = grouped(plain)
    if all(sum(log[i].requests for i in members(t)) >= least for t in finest.values()):
        assert grouped(rows) == finest


def test_every_table_of_a_log_comes_from_the_days_without_small_cells() -> None:
    readers = {
        path.stem
        for path in (DBT_PROJECT_DIR / "models").rglob("*.sql")
        if re.search(r"source\('raw', 'request_days'\)", path.read_text(encoding="utf-8"))
    }
    # The quarantine asks only which sources are logs.
    assert readers == {"int_request_days", "quarantine"}


SECRETS = ("project-zeus", "tiny-cloud", "ap-secret-9", "acme-finance", "9f3c-secret-id")


def log_of_a_company(folder: Path) -> Path:
    """Requests of two days: 40 and 30 of two models, and a few that must not be seen."""
    made = []

    def add(count: int, day: str, model: str, provider: str, region: str, tokens: int) -> None:
        for _ in range(count):
            made.append(
                {
                    "request_id": f"{SECRETS[4]}-{len(made)}", "started_at": f"{day}T10:00:00Z",
                    "model": model, "provider": provider, "region": region,
                    "prompt_tokens": tokens, "completion_tokens": 10, "cost_usd": "0.01",
                }
            )  # fmt: skip

    for day in ("2026-01-05", "2026-01-06"):
        add(40, day, "openai/gpt-4o", "azure", "eastus", 100)
        add(30, day, "deepseek/deepseek-chat-v3-0324", "amazon-bedrock", "us-east-1", 200)
        add(4, day, SECRETS[0], SECRETS[1], SECRETS[2], 7)
        add(7, day, "qwen/qwen3-max", "alibaba", "cn-beijing", 50)
    add(3, "2026-01-05", "openai/gpt-4o", "azure", SECRETS[2], 100)
    add(9, "2026-01-07", "openai/gpt-4o", "azure", "eastus", 100)
    lines = [json.dumps(row) for row in made]
    lines.append(json.dumps({**made[0], "request_id": "bad", "prompt_tokens": -5}))
    lines.append(json.dumps({**made[0], "request_id": "worse", "started_at": "2027-99-99"}))
    path = folder / f"{SECRETS[3]}.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def with_small_cells(settings: Settings, least: int) -> Settings:
    return settings.model_copy(update={"small_cells": least})


def test_a_vintage_shows_no_small_cell_and_says_so(small: Settings, tmp_path: Path) -> None:
    land(log_of_a_company(tmp_path), small)
    plain = pipeline.run(small).vintage
    assert plain.manifest["small_cells"] == 0
    safe = with_small_cells(small, 10)
    vintage = pipeline.run(safe).vintage
    assert vintage.is_new
    assert made_for(vintage.manifest, safe) == "other small cells"
    assert verify(vintage.path)["small_cells"] == 10

    with duckdb.connect(str(vintage.path / "tokenshare.duckdb"), read_only=True) as connection:
        served = connection.execute(
            "select usage_date, model_permaslug, provider_id, region, requests, tokens "
            "from served_daily order by all"
        ).fetchall()
        assert connection.execute("select count(*) from quarantine").fetchall() == [(0,)]
    first, second = date(2026, 1, 5), date(2026, 1, 6)
    # Two small models have 11 requests together; 3 in another region take the 41 with them, of
    # which one has no prompt tokens; the day of 9 is not there.
    deepseek = ("deepseek/deepseek-chat-v3-0324", "amazon-bedrock", "us-east-1", 30, 30 * 210)
    suppressed = ("other", "unidentified", "unidentified", 11, 4 * 17 + 7 * 60)
    assert served == [
        (first, *deepseek),
        (first, "openai/gpt-4o", "azure", "unidentified", 44, 43 * 110 + 10),
        (first, *suppressed),
        (second, *deepseek),
        (second, "openai/gpt-4o", "azure", "eastus", 40, 40 * 110),
        (second, *suppressed),
    ]
    assert list(secrets_in(vintage.path)) == []
    assert {secret for _, secret in secrets_in(plain.path)} == set(SECRETS) - {SECRETS[4]}
    (entry,) = [e for e in vintage.manifest["inputs"] if e["source"] == "usage_events"]
    assert {name for name, value in entry.items() if value is not None} == {
        "source", "layout", "sha256", "pulled_at", "as_of", "as_of_origin", "license", "citation",
        "sidecar_sha256", "path",
    }  # fmt: skip
    # A manifest that promises more than its tables keep is found out.
    document = read_json(vintage.path / MANIFEST_NAME)
    del document["manifest_sha256"]
    (vintage.path / MANIFEST_NAME).write_bytes(seal_manifest({**document, "small_cells": 41}))
    with pytest.raises(VerificationError, match=r"SMALL_CELLS.*at least 41 are expected"):
        verify(vintage.path)


def secrets_in(folder: Path) -> Iterator[tuple[str, str]]:
    """The files below a folder that contain a secret, with the secret."""
    for path in (p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            with duckdb.connect() as connection:
                content += str(connection.sql(f"from '{path}'").fetchall()).encode()
        yield from ((path.name, secret) for secret in SECRETS if secret.encode() in content)


def test_a_candidate_is_not_published_with_another_size_of_small_cells(
    small: Settings, tmp_path: Path
) -> None:
    land(log_of_a_company(tmp_path), small)
    pipeline.make_candidate(ingest_all(read_records(small), small), small)
    with pytest.raises(TokenshareError, match="what a small cell is"):
        pipeline.publish_newest(with_small_cells(small, 10))
