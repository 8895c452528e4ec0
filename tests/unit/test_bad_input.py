"""A dump that is not what it claims is refused whole; a row that cannot be believed is set aside.

Nothing is dropped silently: good rows and quarantined rows are together the rows of the dump.
"""

import csv
import gzip
import io
import json
import os
import re
import tracemalloc
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestration.errors import RefusedDumpError, TransformError
from orchestration.ingestion.ingest import ingest, ingest_all
from orchestration.landing.store import land, list_dumps
from orchestration.settings import Settings
from orchestration.sources import Dump, find_source, parse
from orchestration.sources.checks import split_rows
from orchestration.transformation.raw_tables import create_working_database
from tests import builders

Drop = Callable[[str, bytes], Path]
DAY = "2026-01-01"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ROWS = builders.feed(builders.days(DAY, 2))
CSV3 = builders.csv3(ROWS)
CSV5 = builders.csv5(ROWS)
JSON = builders.api_json(ROWS)
HTML = b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>"
# Row number of a row that is put after the feed: lines count from the header, which is line 1.
NEXT = len(ROWS) + 2


def changed(content: bytes, **document: Any) -> bytes:
    """A JSON dump with some of its top-level fields replaced; None removes one."""
    merged = {**json.loads(content), **document}
    return json.dumps({k: v for k, v in merged.items() if v is not None}).encode()


def meta(**fields: Any) -> bytes:
    """The API's answer with changed `meta`."""
    return changed(JSON, meta={**json.loads(JSON)["meta"], **fields})


def columns(*order: int) -> bytes:
    """The three-column layout with its columns chosen and ordered by position."""
    lines = [("date", "model_permaslug", "total_tokens"), *ROWS]
    return "\n".join(",".join(line[i] for i in order) for line in lines).encode()


# name of the file, its content, what the message must say
REFUSED: dict[str, tuple[str, bytes, str]] = {
    "truncated gzip": ("d.csv.gz", gzip.compress(CSV3)[:-20], r"broken gzip after \d+ bytes"),
    "gzip cut in its head": ("d.csv.gz", gzip.compress(CSV3)[:5], "broken gzip after 5 bytes"),
    "damaged gzip": ("d.csv.gz", gzip.compress(CSV3)[:40] + b"\0" * 99, "broken gzip"),
    "gzip with a tail": ("d.csv.gz", gzip.compress(CSV3) + b"junk", "broken gzip"),
    "other columns": ("d.csv", b"a,b,c\n1,2,3\n", "begins with 'a,b,c', which no source recog"),
    "missing column": ("d.csv", columns(0, 1), r"line 1: unknown columns \(missing: total_tokens"),
    "sixth column": (
        "d.csv",
        CSV5.replace(b"_tokens\r", b"_tokens,x\r").replace(b"0.1\r", b"0.1,1\r"),
        r"line 1: unknown columns \(not expected: 'x'\); expected exactly date,model_permaslug",
    ),
    "fourth column": ("d.csv", columns(0, 1, 2, 2), "line 1: unknown columns .*order, or one"),
    "reordered columns": ("d.csv", columns(1, 0, 2), "line 1: unknown columns .*another order"),
    "no header": ("d.csv", CSV3.split(b"\n", 1)[1], "which no source recognizes"),
    "byte order mark": ("d.csv", b"\xef\xbb\xbf" + CSV3, "byte order mark ef bb bf; expected"),
    "UTF-16": ("d.csv", CSV3.decode().encode("utf-16"), "byte order mark"),
    "UTF-16 without a mark": ("d.csv", CSV3.decode().encode("utf-16-le"), "no source recognizes"),
    "Latin-1": (
        "d.csv",
        CSV3 + f"{DAY},mistralai/modèle,5\n".encode("latin-1"),
        rf"line {NEXT}: byte 0xe8 at offset \d+ is not UTF-8; expected UTF-8",
    ),
    "empty": ("d.csv", b"", r"is empty \(0 bytes\)"),
    "empty gzip": ("d.csv.gz", gzip.compress(b""), "is empty"),
    "whitespace": ("d.csv", b" \r\n\t\n", "is empty"),
    "header only": ("d.csv", CSV3.split(b"\n")[0] + b"\n", "valid csv/history header but no rows"),
    "five columns, header only": ("d.csv", CSV5.split(b"\n")[0], "keyless_export header but no"),
    "HTML as .json": ("d.json", HTML, "is an HTML or XML page"),
    "HTML as .csv": ("d.csv", b"\n  " + HTML.lower(), "is an HTML or XML page"),
    "XML error": ("d.json", b'<?xml version="1.0"?><Error/>', "is an HTML or XML page"),
    "data: null": ("d.json", changed(JSON).replace(b'"data": [', b'"data": null, "x": ['), "null"),
    "data: object": ("d.json", changed(JSON, data={}), "`data` is dict; expected a list of rows"),
    "no data": ("d.json", changed(JSON, data=None), "field `data` is null; expected a list"),
    "no rows": ("d.json", changed(JSON, data=[]), "valid json/api header but no rows"),
    "API error": ("d.json", b'{"error": {"code": 429, "message": "m"}}', r"API error.*code 429"),
    "API error as text": ("d.json", b'{"error": "no"}', "is an API error answer"),
    "no meta": ("d.json", changed(JSON, meta=None), "has no `meta`; expected"),
    "wrong version": ("d.json", meta(version="v2"), "meta.version is 'v2'; expected 'v1'"),
    "no version": ("d.json", meta(version=None), "meta.version is None; expected 'v1'"),
    "no as_of": ("d.json", meta(as_of=None), "meta.as_of: None is not an ISO-8601 time"),
    "wrong as_of": ("d.json", meta(as_of="yesterday"), "meta.as_of: 'yesterday' is not an ISO"),
    "as_of before time": (
        "d.json", meta(as_of="0001-01-01T00:00:00+14:00"), "meta.as_of: '0001-01-01T00:00:00.14:00'"
    ),
    "window after time": (
        "d.json", meta(end_date="9999-12-31T23:00:00-14:00"), "meta.end_date: '9999-12-31T23:00:00-"
    ),
    "wrong window": ("d.json", meta(start_date="2026-02-30"), "start_date: '2026-02-30' is not an"),
    "not JSON": ("d.json", b"not json at all", "line 1, column 1: not JSON"),
    "cut JSON": ("d.json", JSON[: len(JSON) // 2], r"line 1, column \d+: not JSON"),
    "a JSON list": ("d.json", b"[1, 2]", "expected a JSON object with `data`, got list"),
    "a field said twice": (
        "d.json",
        JSON.replace(b'"total_tokens": ', b'"total_tokens": "1", "total_tokens": ', 1),
        "field 'total_tokens' is more than once in the same object",
    ),
    "endless nesting": ("d.json", b'{"data":' + b"[" * 100_000, "is nested too deeply"),
    "endless objects": ("d.json", b'{"data":' * 100_000, "is nested too deeply"),
    "a huge field": ("d.csv", CSV3 + b"x" * 200_000, f"line {NEXT}: not CSV: field larger than"),
    "an open quote": ("d.csv", CSV3 + f'{DAY},"a/b,5\n'.encode(), "not CSV: unexpected end"),
    "all rows bad": (
        "d.csv",
        builders.csv3([(d, s, "n/a") for d, s, _ in ROWS]),
        "none of its 16 rows is valid; the first, row 2, field total_tokens, value 'n/a': "
        "not_an_integer, expected a whole decimal number",
    ),
    "all JSON rows bad": (
        "d.json",
        changed(JSON, data=[1, None, "x"]),
        r"none of its 3 rows is valid; the first, row 1, field \*, value 'a str'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_dump_is_refused_whole(case: str, settings: Settings, drop: Drop) -> None:
    name, content, message = REFUSED[case]
    source = "openrouter_rankings" if case in NAMED else None
    path = drop_raw(drop, name, content)
    with pytest.raises(RefusedDumpError, match=f"(?s)^{re.escape(name)}: .*{message}") as refused:
        land(path, settings, source, as_of=builders.AS_OF)
    assert refused.value.exit_code == 3
    assert not settings.data_dir.exists()


# Files that say nothing of themselves; the user says what they are and gets a closer diagnosis.
NAMED = {
    "data: null", "data: object", "no data", "no rows", "API error", "API error as text",
    "not JSON", "a JSON list", "all JSON rows bad",
}  # fmt: skip


def drop_raw(drop: Drop, name: str, content: bytes) -> Path:
    """Write the bytes as they are, whatever the name says."""
    path = drop("placeholder", content)
    return path.rename(path.with_name(name))


@pytest.mark.parametrize("case", sorted(NAMED))
def test_it_is_refused_without_naming_the_source_too(
    case: str, settings: Settings, drop: Drop
) -> None:
    name, content, _ = REFUSED[case]
    with pytest.raises(RefusedDumpError, match=f"^{name}: "):
        land(drop(name, content), settings)
    assert not settings.data_dir.exists()


@pytest.mark.parametrize("name", ["missing.csv", ".", "pipe", "/dev/zero", "nul\0.csv", "x" * 300])
def test_a_file_that_cannot_be_read_is_refused_at_once(
    name: str, settings: Settings, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RefusedDumpError, match="cannot be read: ") as refused:
        land(tmp_path / name, settings)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("setting", "limit", "name", "content", "what"),
    [
        ("max_dump_bytes", 99, "d.csv", CSV3, "99 bytes"),
        ("max_decompressed_bytes", 5_000_000, "d.csv.gz", b"0" * 50_000_000, "decompressed bytes"),
        ("max_json_bytes", 99, "d.json", JSON, "99 bytes of JSON"),
        ("max_dump_rows", 15, "d.csv", CSV3, "15 rows"),
        ("max_dump_rows", 15, "d.json", JSON, "15 rows"),
    ],
)
def test_what_is_too_large_is_refused_with_the_setting(
    setting: str,
    limit: int,
    name: str,
    content: bytes,
    what: str,
    settings: Settings,
    drop: Drop,
) -> None:
    path, small = drop(name, content), settings.model_copy(update={setting: limit})
    tracemalloc.start()
    with pytest.raises(RefusedDumpError) as refused:
        land(path, small)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    said = f"{what}; if it is really a dump, raise TOKENSHARE_{setting.upper()}"
    assert said in str(refused.value)
    assert peak < 20_000_000


def test_a_large_dump_is_not_held_several_times() -> None:
    rows = [(DAY, f"author/model-{i}", "5") for i in range(20_000)]
    content = gzip.compress(builders.csv3(rows), compresslevel=1)
    parse(Dump("d.csv", CSV3), find_source(Dump("d.csv", CSV3)))  # what is made once
    tracemalloc.start()
    dump = Dump("d.csv.gz", content)
    parsed = parse(dump, find_source(dump))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(parsed.rows) == len(rows)
    assert peak / len(rows) < 250, "tuples of strings and the whole text took 390"
    assert [*parsed.rows][19_999] == rows[19_999]


@pytest.mark.parametrize("at", [0, 1, 2**20 - 1, 2**20, 2**21 + 1])
def test_text_is_checked_across_the_pieces_in_which_it_is_read(at: int) -> None:
    line = b"x" * 9 + b"\n"
    content = (line * (at // 10 + 1))[:at] + "é".encode() + b"y"
    assert Dump("d", content).inspected.bytes == at + 3
    for broken in (content[:-2], content[: at + 1] + b"\n" + content[at + 2 :]):
        said = f"d: line {at // 10 + 1}: byte 0xc3 at offset {at} is not UTF-8"
        with pytest.raises(RefusedDumpError, match=said):
            assert Dump("d", broken).inspected


HOSTILE_JSON = [
    b'{"data": [%s]}', b'{"data": {"classifications": %s}}', b'{"data": [{"app_id": %s}]}',
    b'{"data": [{"model_permaslug": %s}], "meta": {"version": %s}}',
    b'{"data": [{"model_permaslug": %s}], "meta": {"version": "v1", "as_of": %s}}',
    b'{"data": [{"pricing": %s, "id": %s}]}', b'{"data": [{"slug": %s, "headquarters": %s}]}',
    b'{"error": {"code": %s}}', b'{"dataset": "rankings-daily", "rows": [], "snapshot_date": %s}',
    b'{"data": {"classifications": [], "macro_categories": [], "as_of": %s, "window_days": %s}}',
    b'{"data": {"classifications": [], "as_of": "2026-01-01", "window_days": %s}}',
    b'{"data": [{"app_id": 1, "rank": %s, "total_tokens": %s}], "meta": {"version": "v1", '
    b'"as_of": "2026-01-01", "start_date": "2026-01-01", "end_date": "2026-01-01"}}',
]  # fmt: skip


@pytest.mark.parametrize("shape", HOSTILE_JSON)
@pytest.mark.parametrize(
    "value", [b"9" * 5000, b'"%s"' % (b"9" * 5000), b"NaN", b'"\\u001b[31m\\n"', b"[[[[1]]]]"]
)
def test_nothing_in_a_json_dump_ends_in_a_traceback_or_in_control_characters(
    shape: bytes, value: bytes, settings: Settings, drop: Drop
) -> None:
    try:
        land(drop("d.json", shape.replace(b"%s", value)), settings, now=NOW)
    except RefusedDumpError as refused:
        assert str(refused).isprintable()
        assert len(str(refused)) < 1200


def landed_rows(
    path: Path, settings: Settings
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    """Good rows, what is quarantined and the number of rows in the sidecar of a dump that lands."""
    landed = land(path, settings, as_of=builders.AS_OF)
    ingested = ingest(landed.record, settings)
    good = pq.read_table(ingested.rows_path).to_pylist()
    bad = pq.read_table(ingested.quarantine_path).to_pylist()
    scopes = [b["scope"] for b in bad]
    assert (len(good), scopes.count("row"), scopes.count("field")) == (
        landed.good_rows,
        landed.quarantined_rows,
        landed.quarantined_fields,
    )
    assert len(good) + scopes.count("row") == landed.record.rows
    return good, bad, landed.record.rows


def as_text(row: dict[str, Any]) -> builders.Row:
    return (row["usage_date"].isoformat(), row["model_permaslug"], str(row["tokens"]))


SLUG = "a/b"
INTEGER = "a whole decimal number"
CALENDAR = "a calendar date YYYY-MM-DD"
BEFORE = "a day before 2026-03-01, the as_of"
# date, slug, tokens; code, field, expected
BAD_ROWS: dict[str, tuple[builders.Row, str, str, str]] = {
    "words": ((DAY, SLUG, "many"), "not_an_integer", "total_tokens", INTEGER),
    "negative": ((DAY, SLUG, "-5"), "too_small", "total_tokens", "0 or more"),
    "minus zero": ((DAY, SLUG, "-0"), "too_small", "total_tokens", "0 or more"),
    "2^63": ((DAY, SLUG, str(2**63)), "too_large", "total_tokens", f"at most {2**63 - 1}"),
    "50 digits": ((DAY, SLUG, "9" * 50), "too_large", "total_tokens", f"at most {2**63 - 1}"),
    "5000 digits": ((DAY, SLUG, "9" * 5000), "too_large", "total_tokens", f"at most {2**63 - 1}"),
    "decimal": ((DAY, SLUG, "12.5"), "not_an_integer", "total_tokens", INTEGER),
    "exponent": ((DAY, SLUG, "1e6"), "not_an_integer", "total_tokens", INTEGER),
    "hexadecimal": ((DAY, SLUG, "0x10"), "not_an_integer", "total_tokens", INTEGER),
    "underscore": ((DAY, SLUG, "1_000"), "not_an_integer", "total_tokens", INTEGER),
    "plus": ((DAY, SLUG, "+5"), "not_an_integer", "total_tokens", INTEGER),
    "empty": ((DAY, SLUG, ""), "missing_value", "total_tokens", "a value"),
    "blank before": ((DAY, SLUG, " 12"), "not_an_integer", "total_tokens", INTEGER),
    "blank after": ((DAY, SLUG, "12 "), "not_an_integer", "total_tokens", INTEGER),
    "foreign digits": ((DAY, SLUG, "１２"), "not_an_integer", "total_tokens", INTEGER),
    "NUL": ((DAY, SLUG, "5\0"), "not_an_integer", "total_tokens", INTEGER),
    "SQL": ((DAY, SLUG, "1'); --"), "not_an_integer", "total_tokens", INTEGER),
    "no such day": (("2026-02-30", SLUG, "5"), "impossible_date", "date", CALENDAR),
    "US date": (("01/02/2026", SLUG, "5"), "impossible_date", "date", CALENDAR),
    "short date": (("2026-1-2", SLUG, "5"), "impossible_date", "date", CALENDAR),
    "time": ((f"{DAY}T00:00", SLUG, "5"), "impossible_date", "date", CALENDAR),
    "no date": (("", SLUG, "5"), "missing_value", "date", "a value"),
    "infinity": (("infinity", SLUG, "5"), "impossible_date", "date", CALENDAR),
    "year 0": (("0000-01-01", SLUG, "5"), "date_too_early", "date", "2025-01-01 or later"),
    "year 12026": (("12026-01-01", SLUG, "5"), "impossible_date", "date", CALENDAR),
    "before history": (("2024-12-31", SLUG, "5"), "date_too_early", "date", "2025-01-01 or later"),
    "future": (("2026-03-02", SLUG, "5"), "date_in_future", "date", BEFORE),
    "far future": (("9999-12-31", SLUG, "5"), "date_in_future", "date", BEFORE),
    "running day": (("2026-03-01", SLUG, "5"), "day_not_over", "date", BEFORE),
    "no slug": ((DAY, "", "5"), "missing_value", "model_permaslug", "a value"),
    "no author": ((DAY, "gpt-4o", "5"), "bad_form", "model_permaslug", "text of the form "),
    "blank in slug": ((DAY, "a/b c", "5"), "bad_form", "model_permaslug", "text of the form "),
    "blank before slug": ((DAY, " a/b", "5"), "bad_form", "model_permaslug", "text of the form "),
    "Other": ((DAY, "Other", "5"), "bad_form", "model_permaslug", "text of the form "),
    "long slug": (
        (DAY, "a/" + "b" * 100_000, "5"), "too_long", "model_permaslug", "at most 200 characters"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_is_quarantined_and_the_others_stay(
    case: str, settings: Settings, drop: Drop
) -> None:
    row, code, field, expected = BAD_ROWS[case]
    good, (bad,), rows = landed_rows(drop("d.csv", builders.csv3([*ROWS, row])), settings)
    assert [as_text(r) for r in good] == ROWS
    assert (bad["row_number"], bad["code"], bad["field"]) == (NEXT, code, field)
    assert bad["value"] == row[("date", "model_permaslug", "total_tokens").index(field)][:80]
    assert bad["expected"].startswith(expected)
    assert len(good) + 1 == rows


def test_the_last_day_that_is_over_and_the_first_of_history_are_good(
    settings: Settings, drop: Drop
) -> None:
    rows = [("2025-01-01", SLUG, "5"), ("2026-02-28", SLUG, "5")]
    good, bad, _ = landed_rows(drop("d.csv", builders.csv3(rows)), settings)
    assert [as_text(r) for r in good] == rows
    assert bad == []


def test_an_identical_copy_counts_once(settings: Settings, drop: Drop) -> None:
    good, (bad,), _ = landed_rows(drop("d.csv", builders.csv3([*ROWS, ROWS[3]])), settings)
    assert [as_text(r) for r in good] == ROWS
    assert (bad["row_number"], bad["code"]) == (NEXT, "duplicate_row")
    assert bad["field"] == "date, model_permaslug"
    assert bad["value"] == ", ".join(ROWS[3][:2])


@pytest.mark.parametrize("position", [3, 7], ids=["model", "other"])
def test_rows_that_contradict_each_other_are_all_quarantined(
    position: int, settings: Settings, drop: Drop
) -> None:
    day, slug, tokens = ROWS[position]
    rows = [*ROWS, (day, slug, tokens + "1"), ROWS[position]]
    good, bad, total = landed_rows(drop("d.csv", builders.csv3(rows)), settings)
    assert [as_text(r) for r in good] == [r for r in ROWS if r != ROWS[position]]
    assert [(b["row_number"], b["code"]) for b in bad] == [
        (position + 2, "conflicting_rows"),
        (NEXT, "conflicting_rows"),
        (NEXT + 1, "duplicate_row"),
    ]
    assert {b["value"] for b in bad} == {f"{day}, {slug}"}
    assert len(good) + len(bad) == total


@pytest.mark.parametrize(("count", "believed"), [(51, True), (52, False)])
def test_a_day_has_at_most_51_rows(
    count: int, believed: bool, settings: Settings, drop: Drop
) -> None:
    day = "2026-01-09"
    crowded = [(day, f"a/m{i}", "5") for i in range(count - 1)] + [(day, "other", "5")]
    good, bad, _ = landed_rows(drop("d.csv", builders.csv3([*ROWS, *crowded])), settings)
    assert [as_text(r) for r in good] == ([*ROWS, *crowded] if believed else ROWS)
    assert {(b["code"], b["field"], b["value"]) for b in bad} == (
        set() if believed else {("too_many_rows", "date", day)}
    )
    assert len(bad) == (0 if believed else count)


def test_counts_that_cannot_be_added_up_name_their_dump_and_day(
    settings: Settings, drop: Drop
) -> None:
    """Each of them is within its contract; a newer dump of the day mends it."""
    huge = [(day, slug, str(2**63 - 1) if slug == "other" else n) for day, slug, n in ROWS]
    bad = land(drop("huge.csv", builders.csv3(huge[:8])), settings, as_of=builders.AS_OF).record
    land(drop("feed.csv", builders.csv3(ROWS[8:])), settings, as_of=builders.AS_OF)
    with pytest.raises(TransformError) as raised:
        create_working_database(ingest_all(list_dumps(settings), settings), settings)
    day_total = 2**63 - 1 + sum(int(n) for *_, n in ROWS[:7])
    assert f"dump {bad.sha256[:12]} ({bad.path}), {DAY}: {day_total:,} tokens" in str(raised.value)
    land(drop("mended.json", builders.api_json(ROWS, "2026-03-02T01:46:00Z")), settings)
    create_working_database(ingest_all(list_dumps(settings), settings), settings)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (f"{DAY},a/b", "2 fields instead of 3"),
        (f"{DAY},a/b,5,6", "4 fields instead of 3"),
        (f"{DAY},a,/b,5", "4 fields instead of 3"),
        (f"{DAY}", "1 fields instead of 3"),
    ],
)
def test_a_row_with_too_few_or_too_many_fields_spoils_only_itself_and_its_day(
    line: str, what: str, settings: Settings, drop: Drop
) -> None:
    content = CSV3 + b"\n" + line.encode() + b"\n"
    good, (bad,), rows = landed_rows(drop("d.csv", content), settings)
    assert [as_text(r) for r in good] == ROWS
    assert (bad["row_number"], bad["code"], bad["value"]) == (NEXT + 1, "malformed_row", what)
    assert bad["usage_date"] == date.fromisoformat(DAY)
    assert rows == len(ROWS) + 1


@pytest.mark.parametrize(
    ("row", "code", "value"),
    [
        ([DAY, SLUG, "5"], "malformed_row", "a list"),
        (None, "malformed_row", "a NoneType"),
        ({"date": DAY, "model_permaslug": ["a/b"], "total_tokens": "5"}, "malformed_row",
         "model_permaslug is a list"),
        ({"date": DAY, "model_permaslug": SLUG, "total_tokens": {"n": 5}}, "malformed_row",
         "total_tokens is a dict"),
        ({"date": DAY, "model_permaslug": SLUG, "total_tokens": True}, "malformed_row",
         "total_tokens is a bool"),
        ({"date": DAY, "model_permaslug": "a/\ud800", "total_tokens": "5"}, "malformed_row",
         r"model_permaslug is not Unicode: 'a/\ud800'"),
        ({"date": DAY, "model_permaslug": SLUG, "total_tokens": float("nan")}, "not_an_integer",
         "NaN"),
        ({"date": DAY, "model_permaslug": SLUG, "total_tokens": 5.0}, "not_an_integer", "5.0"),
        ({"date": DAY, "model_permaslug": SLUG, "total_tokens": None}, "missing_value", None),
        ({"date": DAY, "model_permaslug": SLUG}, "missing_value", None),
        ({}, "missing_value", None),
        ({"date": "2025-12-31", "model_permaslug": SLUG, "total_tokens": "5"}, "outside_window",
         "2025-12-31"),
        ({"date": "2026-01-03", "model_permaslug": SLUG, "total_tokens": "5"}, "outside_window",
         "2026-01-03"),
    ],
)  # fmt: skip
def test_a_bad_json_row_is_quarantined_and_the_others_stay(
    row: object, code: str, value: str | None, settings: Settings, drop: Drop
) -> None:
    content = changed(JSON, data=[*json.loads(JSON)["data"], row])
    good, (bad,), rows = landed_rows(drop("d.json", content), settings)
    assert [as_text(r) for r in good] == ROWS
    assert (bad["row_number"], bad["code"], bad["value"]) == (len(ROWS) + 1, code, value)
    assert rows == len(ROWS) + 1


@pytest.mark.parametrize(
    ("entry", "code", "value"),
    [
        ('{"id": "a/b"}', "malformed_row", "an entry without `pricing`"),
        ('"a/b"', "malformed_row", "an entry without `pricing`"),
        ('{"id": ["a/b"], "pricing": {}}', "malformed_row", "id is a list"),
        ('{"id": "", "pricing": {}}', "missing_value", None),
        ('{"id": "a b", "pricing": {}}', "bad_form", "a b"),
        ('{"id": "z/z", "pricing": {"prompt": "0.1"}}', "duplicate_row", "z/z"),
    ],
)
def test_a_bad_catalogue_entry_is_quarantined_and_the_others_stay(
    entry: str, code: str, value: str | None, settings: Settings, drop: Drop
) -> None:
    content = f'{{"data": [{{"id": "z/z", "pricing": {{"prompt": "0.1"}}}}, {entry}]}}'
    (good,), (bad,), _ = landed_rows(drop("models.json", content.encode()), settings)
    assert good["model_id"] == "z/z"
    assert (bad["row_number"], bad["scope"], bad["code"], bad["value"]) == (2, "row", code, value)


@pytest.mark.parametrize(
    ("entry", "code", "value"),
    [
        ('{"id": "a/b", "pricing": {"prompt": "free"}}', "not_a_number", "free"),
        ('{"id": "a/b", "pricing": {"prompt": NaN}}', "not_a_number", "NaN"),
        ('{"id": "a/b", "pricing": {"prompt": "2"}}', "out_of_range", "2"),
        ('{"id": "a/b", "pricing": {"prompt": "-2"}}', "out_of_range", "-2"),
        ('{"id": "a/b", "pricing": {"prompt": "1e400"}}', "out_of_range", "1e400"),
        ('{"id": "a/b", "pricing": {"prompt": 1e99999999999}}', "out_of_range", "1e99999999999"),
        # A price too small for the contract's type would otherwise read as free.
        ('{"id": "a/b", "pricing": {"prompt": "1e-31"}}', "too_precise", "1e-31"),
        ('{"id": "a/b", "pricing": {}, "name": {}}', "malformed_field", "a dict"),
        (
            '{"id": "a/b", "pricing": {}, "canonical_slug": "a/\\ud800"}',
            "malformed_field",
            r"not Unicode: 'a/\ud800'",
        ),
        ('{"id": "a/b", "pricing": {}, "created": 1.5}', "not_an_integer", "1.5"),
        ('{"id": "a/b", "pricing": {}, "created": 1787336476000}', "too_large", "1787336476000"),
        ('{"id": "a/b", "pricing": {}, "context_length": -1}', "too_small", "-1"),
        (
            '{"id": "a/b", "pricing": {}, "context_length": 1048576.0}',
            "not_an_integer",
            "1048576.0",
        ),
        (
            '{"id": "a/b", "pricing": {}, "architecture": {"modality": ["text"]}}',
            "malformed_field",
            "a list",
        ),
        (
            '{"id": "a/b", "pricing": {"overrides": [{"weekday": 6, "prompt": "0.1"}]}}',
            "malformed_field",
            "a list with an entry by weekday",
        ),
        (
            '{"id": "a/b", "pricing": {"overrides": [{"utc_start": 100, "prompt": "0.1"}]}}',
            "malformed_field",
            "a list with an entry by utc_start",
        ),
        (
            '{"id": "a/b", "pricing": {"overrides": [{"min_prompt_tokens": 9, "prompt": "dear"}]}}',
            "malformed_field",
            "a list with an entry whose prices are not decimal numbers",
        ),
        (
            '{"id": "a/b", "pricing": {"overrides": [{"utc_start": 100, "utc_end": 160}]}}',
            "malformed_field",
            "a list with an entry by utc_end, utc_start",
        ),
        ('{"id": "a/b", "pricing": {"overrides": {}}}', "malformed_field", "a dict"),
        (
            '{"id": "a/b", "pricing": {}, "benchmarks": {"artificial_analysis": '
            '{"coding_index": 1287}}}',
            "out_of_range",
            "1287",
        ),
        (
            '{"id": "a/b", "pricing": {}, "benchmarks": {"artificial_analysis": '
            '{"agentic_index": "n/a"}}}',
            "not_a_number",
            "n/a",
        ),
    ],
)
def test_a_bad_field_of_a_catalogue_entry_costs_nothing_but_itself(
    entry: str, code: str, value: str, settings: Settings, drop: Drop
) -> None:
    entry = entry.replace('"pricing": {', '"pricing": {"request": "0.5", ').replace(", }", "}")
    content = f'{{"data": [{{"id": "z/z", "pricing": {{"prompt": "0.1"}}}}, {entry}]}}'
    (_, good), (bad,), _ = landed_rows(drop("models.json", content.encode()), settings)
    # All that was said besides stays; what was not believed is NULL.
    said = {"dump_sha256", "row_number", "model_id", "usd_per_request"}
    assert {k for k, v in good.items() if v is not None} == said
    assert (good["model_id"], good["usd_per_request"]) == ("a/b", Decimal("0.5"))
    assert (bad["row_number"], bad["scope"], bad["row_key"]) == (2, "field", "a/b")
    assert (bad["code"], bad["value"]) == (code, value)


def test_every_bad_field_of_an_entry_is_a_finding(settings: Settings, drop: Drop) -> None:
    content = (
        b'{"data": [{"id": "a/b", "pricing": {"prompt": "x", "completion": "0.1"}, "created": "y", '
        b'"name": []}, {"id": "c/d", "pricing": {}, "context_length": "z"}]}'
    )
    good, bad, _ = landed_rows(drop("models.json", content), settings)
    assert [g["usd_per_token_completion"] for g in good] == [Decimal("0.1"), None]
    assert [(b["row_number"], b["field"], b["value"]) for b in bad] == [
        (1, "pricing.prompt", "x"),
        (1, "created", "y"),
        (1, "name", "a list"),
        (2, "context_length", "z"),
    ]


PROVIDER = '{"slug": "z", "name": "Z", "headquarters": "US"}'


@pytest.mark.parametrize(
    ("entry", "code", "value"),
    [
        ('{"slug": "a", "name": "A"}', "malformed_row", "an entry without `headquarters`"),
        ('"a"', "malformed_row", "an entry without `headquarters`"),
        ('{"slug": null, "name": "A", "headquarters": "US"}', "missing_value", None),
        ('{"slug": "a", "name": "", "headquarters": "US"}', "missing_value", None),
        ('{"slug": "A b", "name": "A", "headquarters": "US"}', "bad_form", "A b"),
        ('{"slug": "a", "name": " A", "headquarters": "US"}', "bad_form", " A"),
        (PROVIDER, "duplicate_row", "z"),
    ],
)
def test_a_bad_provider_is_quarantined_and_the_others_stay(
    entry: str, code: str, value: str | None, settings: Settings, drop: Drop
) -> None:
    content = f'{{"data": [{PROVIDER}, {entry}]}}'
    (good,), (bad,), _ = landed_rows(drop("providers.json", content.encode()), settings)
    assert good["provider_slug"] == "z"
    assert (bad["row_number"], bad["scope"], bad["code"], bad["value"]) == (2, "row", code, value)


@pytest.mark.parametrize(
    ("entry", "code", "value"),
    [
        ('{"slug": "a", "name": "A", "headquarters": "us"}', "bad_form", "us"),
        ('{"slug": "a", "name": "A", "headquarters": "USA"}', "too_long", "USA"),
        ('{"slug": "a", "name": "A", "headquarters": "U1"}', "bad_form", "U1"),
        ('{"slug": "a", "name": "A", "headquarters": ["US"]}', "malformed_field", "a list"),
        ('{"slug": "a", "name": "A", "headquarters": null, "datacenters": ["US", "us"]}',
         "bad_form", "US,us"),
        ('{"slug": "a", "name": "A", "headquarters": null, "datacenters": ["US", "Ohio"]}',
         "bad_form", "US,Ohio"),
        ('{"slug": "a", "name": "A", "headquarters": null, "datacenters": [1]}', "bad_form", "1"),
        ('{"slug": "a", "name": "A", "headquarters": null, "datacenters": [null]}',
         "malformed_field", "a list"),
        ('{"slug": "a", "name": "A", "headquarters": null, "status_page_url": "javascript:x"}',
         "bad_form", "javascript:x"),
    ],
)  # fmt: skip
def test_a_bad_field_of_a_provider_costs_nothing_but_itself(
    entry: str, code: str, value: str, settings: Settings, drop: Drop
) -> None:
    content = f'{{"data": [{PROVIDER}, {entry}]}}'
    (_, good), (bad,), _ = landed_rows(drop("providers.json", content.encode()), settings)
    assert {k for k, v in good.items() if v is not None} == {
        "dump_sha256", "row_number", "provider_slug", "provider_name"
    }  # fmt: skip
    assert (bad["row_number"], bad["scope"], bad["row_key"]) == (2, "field", "a")
    assert (bad["code"], bad["value"]) == (code, value)


def test_a_provider_in_two_countries_is_believed_in_neither(settings: Settings, drop: Drop) -> None:
    moved = PROVIDER.replace("US", "SG")
    other = PROVIDER.replace('"z"', '"y"')
    content = f'{{"data": [{PROVIDER}, {moved}, {other}]}}'
    (good,), bad, _ = landed_rows(drop("providers.json", content.encode()), settings)
    assert good["provider_slug"] == "y"
    assert [(b["row_number"], b["code"]) for b in bad] == [
        (1, "conflicting_rows"),
        (2, "conflicting_rows"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"data": [{"slug": "a", "name": "A"}]}', "which no source recognizes"),
        (b'{"data": [{"name": "A", "headquarters": "US"}]}', "which no source recognizes"),
        (b'{"providers": [{"slug": "a", "headquarters": "US"}]}', "which no source recognizes"),
        (b'{"data": [{"slug": "a", "name": " A", "headquarters": "US"}]}',
         "none of its 1 rows is valid; the first, row 1, field name, value ' A': "
         "bad_form, expected text of the form"),
    ],
)  # fmt: skip
def test_what_is_no_provider_list_is_refused(
    content: bytes, message: str, settings: Settings, drop: Drop
) -> None:
    with pytest.raises(RefusedDumpError, match=message):
        land(drop("providers.json", content), settings)
    assert not settings.data_dir.exists()


# Any text or JSON in any cells of a healthy feed.

HOSTILE = [
    "", " ", "0", "-1", "007", "1e9", "NaN", "null", "\0", "'", '"', "a/b", "other", "~a/b",
    "2026-02-30", "2026-01-02", "0000-01-01", "99999-01-01", "infinity", str(2**63), "9" * 50,
    "';drop table judged;--", "{x}", "%Y", "\u0661", "a/\u00a0", "\r\n", "5\n", "[/red]",
]  # fmt: skip
CELLS = st.sampled_from(HOSTILE) | st.sampled_from([c for r in ROWS for c in r]) | st.text()
PLACES = st.tuples(st.integers(0, len(ROWS) - 1), st.integers(0, 2))
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | CELLS
    | st.text(st.characters(categories=["Cs", "L"]), max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


def split(content: bytes) -> tuple[list[dict[str, Any]], list[dict[str, Any]]] | None:
    """Good and quarantined rows, None if the dump is refused."""
    dump = Dump("fuzzed", content)
    try:
        source = find_source(dump, "openrouter_rankings")
        good, bad = split_rows(parse(dump, source), source.table, builders.AS_OF)
    except RefusedDumpError:
        return None
    return good.to_pylist(), bad.to_pylist()


def check_accounted(
    judged: tuple[list[dict[str, Any]], list[dict[str, Any]]], texts: list[list[str | None]]
) -> None:
    """Every row is good or quarantined, once, and a good one says what its input said."""
    good, bad = judged
    numbers = sorted(r["row_number"] for r in [*good, *bad])
    assert len(numbers) == len(set(numbers)) == len(texts)
    for row in good:
        day, slug, tokens = texts[numbers.index(row["row_number"])]
        assert (row["usage_date"].isoformat(), row["model_permaslug"]) == (day, slug)
        assert tokens is not None
        assert tokens.isascii()
        assert tokens.isdigit()
        assert row["tokens"] == int(tokens)
    assert all(r["code"] and r["field"] and r["expected"] for r in bad)


@given(st.dictionaries(PLACES, CELLS, min_size=1, max_size=12))
@hypothesis_settings(max_examples=30, deadline=None, derandomize=True, database=None)
def test_no_cell_of_a_csv_can_lose_change_or_crash_anything(
    cells: dict[tuple[int, int], str],
) -> None:
    rows: list[list[str | None]] = [list(r) for r in ROWS]
    for (row, column), cell in cells.items():
        rows[row][column] = cell
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_ALL)
    writer.writerows([("date", "model_permaslug", "total_tokens"), *rows])
    judged = split(written.getvalue().encode())
    assert judged is not None
    check_accounted(judged, rows)


@given(st.dictionaries(PLACES, ANY_JSON, max_size=8), st.lists(ANY_JSON, max_size=2))
@hypothesis_settings(max_examples=30, deadline=None, derandomize=True, database=None)
def test_no_value_of_a_json_dump_can_lose_change_or_crash_anything(
    cells: dict[tuple[int, int], Any], more: list[Any]
) -> None:
    names = ("date", "model_permaslug", "total_tokens")
    data: list[Any] = [dict(zip(names, r, strict=True)) for r in ROWS]
    for (row, column), cell in cells.items():
        data[row][names[column]] = cell
    texts = [[as_json_text(row[name]) for name in names] for row in data]
    judged = split(changed(JSON, data=[*data, *more]))
    assert judged is not None
    check_accounted(judged, texts + [[None] * 3 for _ in more])


def as_json_text(value: object) -> str | None:
    """What a good row may say of this value: text and whole numbers only."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


@given(st.integers(0, len(CSV3)), st.binary(max_size=8), st.integers(0, 8))
@hypothesis_settings(max_examples=30, deadline=None, derandomize=True, database=None)
def test_no_damaged_bytes_crash_anything(position: int, put: bytes, cut: int) -> None:
    for content in (CSV3, JSON, gzip.compress(CSV3, mtime=0)):
        at = position % len(content)
        judged = split(content[:at] + put + content[at + cut :])
        if judged is not None:
            numbers = [r["row_number"] for part in judged for r in part]
            assert len(numbers) == len(set(numbers)) > 0
