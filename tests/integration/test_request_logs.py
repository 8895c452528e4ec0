"""Request logs on their way to days: landing, quarantine, deduplication, late rows."""

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestration.errors import RefusedDumpError
from orchestration.landing.store import land, read_records
from orchestration.request_logs.kept import connect
from orchestration.settings import Settings
from tests import builders
from tests.request_logs import quarantined, reduced, totals

SECRET = "canary-7f3a"


def event(request_id: str, **values: Any) -> dict[str, Any]:
    """A row of usage_events, with a prompt, an answer and a user that must never leave the file."""
    return {
        "request_id": request_id,
        "started_at": "2026-11-01T10:00:00Z",
        "model": "openai/gpt-4o",
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "user": SECRET,
        "messages": [{"role": "user", "content": SECRET}],
        **values,
    }


def write(path: Path, rows: Iterable[dict[str, Any] | str]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", shipped_history=False)


def test_a_request_counts_once_as_its_newest_dump_has_it(
    tmp_path: Path, settings: Settings
) -> None:
    first = write(
        tmp_path / "2026-11-02T00-00-00Z.jsonl",
        [event("a"), event("b"), event("b"), event("c", status="failed", prompt_tokens=None)],
    )
    found = totals(reduced([first], settings))
    assert (found["requests"], found["prompt_tokens"]) == (3, 200)
    assert found["outcomes"] == {"succeeded": 2, "failed": 1}
    later = write(
        tmp_path / "2026-11-03T00-00-00Z.jsonl",
        [event("b", prompt_tokens=150), event("d", started_at="2026-11-02T00:00:00+02:00")],
    )
    rows = reduced([later], settings)
    # 00:00 at +02:00 is 22:00 UTC of the day before: a late row, which opens that day again.
    assert {row["usage_date"] for row in rows} == {date(2026, 11, 1)}
    found = totals(rows)
    assert (found["requests"], found["prompt_tokens"]) == (4, 350)


def test_only_days_with_new_rows_are_reduced_again(tmp_path: Path, settings: Settings) -> None:
    def files() -> dict[str, int]:
        return {p.name: p.stat().st_mtime_ns for p in settings.requests_dir.rglob("*.parquet")}

    one = write(tmp_path / "one.jsonl", [event("a"), event("b", started_at="2026-11-02T10:00:00Z")])
    reduced([one], settings)
    before = files()
    assert len(before) == 2
    reduced([], settings)
    assert files() == before
    reduced([write(tmp_path / "two.jsonl", [event("c")])], settings)
    after = files()
    assert len(after) == 2
    assert len(after.items() & before.items()) == 1, "the second of November must stay"


def test_a_part_that_is_larger_than_its_whole_is_not_part_of_it(
    tmp_path: Path, settings: Settings
) -> None:
    path = write(
        tmp_path / "x.jsonl",
        [
            event("inside", cache_read_tokens=60, cache_write_tokens=40, reasoning_tokens=10),
            event("beside", cache_read_tokens=60, cache_write_tokens=41, reasoning_tokens=11),
        ],
    )
    found = totals(reduced([path], settings))
    assert (found["prompt_tokens"], found["completion_tokens"]) == (100 + 201, 10 + 21)


def test_bad_rows_are_quarantined_without_what_they_say(tmp_path: Path, settings: Settings) -> None:
    path = write(
        tmp_path / "bad.jsonl",
        [
            event("good"),
            "{not json " + SECRET,
            event("no time", started_at=SECRET),
            event("bad field", prompt_tokens=SECRET),
            event("future", started_at="2999-01-01T00:00:00Z"),
        ],
    )
    found = totals(reduced([path], settings))
    assert (found["requests"], found["requests_with_tokens"], found["prompt_tokens"]) == (2, 2, 100)
    assert [
        (q["row_number"], q["scope"], q["code"], q["field"]) for q in quarantined(settings)
    ] == [
        (2, "row", "missing_value", "request_id"),
        (3, "row", "impossible_time", "started_at"),
        (4, "field", "not_an_integer", "prompt_tokens"),
        (5, "row", "time_in_future", "started_at"),
    ]
    assert {q["value"] for q in quarantined(settings)} == {
        None,
        f"{len(SECRET)} characters",
        "20 characters",
    }
    for file in settings.data_dir.rglob("*"):
        if file.is_file() and file.name != "rows.parquet":
            assert SECRET.encode() not in file.read_bytes(), file


def test_the_sidecar_has_the_hashes_of_the_file_and_of_what_is_kept(
    tmp_path: Path, settings: Settings
) -> None:
    path = write(tmp_path / "x.jsonl", [event("a")])
    landed = land(path, settings, now=datetime(2026, 11, 2, tzinfo=UTC))
    (record,) = read_records(settings)
    assert record == landed.record
    assert record.kept_sha256 not in (None, record.sha256)
    assert (record.window_start, record.window_end) == (date(2026, 11, 1), date(2026, 11, 1))
    again = land(path, settings, now=datetime(2026, 11, 3, tzinfo=UTC))
    assert (again.is_new, again.record) == (False, record)


def test_a_log_may_be_larger_than_any_other_dump(tmp_path: Path, settings: Settings) -> None:
    small = settings.model_copy(
        update={
            "max_dump_bytes": 1, "max_decompressed_bytes": 1, "max_json_bytes": 1,
            "max_dump_rows": 1,
        }
    )  # fmt: skip
    lines = write(tmp_path / "2026-11-02T00-00-00Z.jsonl", [event("a"), event("b")]).read_bytes()
    files = {
        "l.jsonl": lines,
        "g.jsonl.gz": gzip.compress(lines.replace(b'"b"', b'"c"')),
        "d.json": b"[" + lines.strip().replace(b"\n", b",") + b"]",
        "c.csv": b"request_id,started_at,model,prompt_tokens,completion_tokens\n"
        + b"a,2026-11-01T10:00:00Z,m,1,1\nb,2026-11-01T10:00:00Z,m,1,1\n",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        assert land(tmp_path / name, small).good_rows == 2
    other = tmp_path / "o.csv"
    other.write_bytes(builders.csv3(builders.feed(builders.days("2026-01-01", 2))))
    with pytest.raises(RefusedDumpError, match="raise TOKENSHARE_MAX_DUMP_BYTES"):
        land(other, small)


def test_a_log_without_a_good_row_is_refused(tmp_path: Path, settings: Settings) -> None:
    path = write(tmp_path / "x.jsonl", [event("a", started_at=SECRET)])
    with pytest.raises(
        RefusedDumpError, match="row 1, field started_at: impossible_time"
    ) as caught:
        land(path, settings)
    assert SECRET not in str(caught.value)
    assert not list(settings.landing_dir.glob("usage_events/*"))


def test_a_file_that_is_nearly_of_a_format_is_refused_by_the_columns_that_it_lacks(
    tmp_path: Path, settings: Settings
) -> None:
    row = {name: value for name, value in event("a").items() if name != "started_at"}
    path = write(tmp_path / "x.jsonl", [{**row, "begin": "2026-11-01"}])
    with pytest.raises(
        RefusedDumpError, match="is nearly usage_events, but has no column"
    ) as caught:
        land(path, settings)
    assert "no column started_at. It has the columns" in str(caught.value)
    assert "begin" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_terminal_sees_the_progress_and_a_pipe_does_not(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for is_terminal in (True, False):
        monkeypatch.setattr("sys.stdout.isatty", lambda shown=is_terminal: shown)
        with connect(settings) as connection:
            ((shown,),) = connection.sql("select current_setting('enable_progress_bar')").fetchall()
        assert shown is is_terminal


def test_a_bad_field_is_null_also_in_days_and_a_bad_line_takes_no_row_away(
    tmp_path: Path, settings: Settings
) -> None:
    header = "request_id,started_at,model,prompt_tokens,completion_tokens"
    good = "2026-11-01T10:00:00Z,openai/gpt-4o"
    path = tmp_path / "x.csv"
    # Line 4 is not a row, and row 4 is good.
    lines = [header, f"a,{good},100,10", f"b,{good},-5,20", "c,too,few", f"d,{good},1,1",
             f"e,{good},1,1", f"f,{good},x,7"]  # fmt: skip
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = totals(reduced([path], settings))
    assert (found["requests"], found["prompt_tokens"], found["completion_tokens"]) == (5, 102, 39)
    assert [(q["scope"], q["code"], q["field"]) for q in quarantined(settings)] == [
        ("field", "too_small", "prompt_tokens"),
        ("row", "malformed_row", "*"),
        ("field", "not_an_integer", "prompt_tokens"),
    ]
