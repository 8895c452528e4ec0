"""Every real layout gives the same typed rows, and numbers arrive exactly as they were written."""

import csv
import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.errors import RefusedDumpError
from orchestration.landing.store import time_in_name
from orchestration.settings import DBT_PROJECT_DIR, PROJECT_ROOT
from orchestration.sources import Dump, find_source, parse
from orchestration.sources.checks import split_rows
from tests import builders

REAL_DUMPS = PROJECT_ROOT.parent / "shared" / "data" / "openrouter"
ROWS = builders.feed(builders.days("2026-01-01", 3))
LAYOUTS = {
    "json/api": builders.api_json(ROWS),
    "csv/keyless_export": builders.csv5(ROWS),
    "csv/history": builders.csv3(ROWS),
}


def typed(name: str, content: bytes, as_of: datetime | None = None) -> list[dict[str, Any]]:
    """Typed rows of a healthy dump, its source recognized and nothing quarantined."""
    dump = Dump(name, content)
    source = find_source(dump)
    table = source.table
    good, bad = split_rows(parse(dump, source), table, as_of or builders.AS_OF)
    assert bad.to_pylist() == [], name
    return good.drop_columns("row_number").to_pylist()


def prices(*entries: str) -> list[dict[str, Any]]:
    """Typed rows of a catalogue whose entries are given as JSON text."""
    return typed("models.json", f'{{"data": [{", ".join(entries)}]}}'.encode())


def priced(prompt: str) -> Decimal | None:
    """The prompt price that a catalogue with this JSON text for it comes to."""
    (row,) = prices(f'{{"id": "a/b", "pricing": {{"prompt": {prompt}}}}}')
    value: Decimal | None = row["usd_per_token_prompt"]
    return value


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_rankings_layout_gives_the_same_typed_rows(layout: str, compressed: bool) -> None:
    content = gzip.compress(LAYOUTS[layout]) if compressed else LAYOUTS[layout]
    dump = Dump("anything", content)
    assert parse(dump, find_source(dump)).layout == layout
    assert typed("anything", content) == [
        {"usage_date": date.fromisoformat(d), "model_permaslug": s, "tokens": int(t)}
        for d, s, t in ROWS
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("tokens", ["0", "9007199254740993", "9223372036854775807"])
def test_tokens_are_exact_up_to_64_bits(layout: str, tokens: str) -> None:
    content = LAYOUTS[layout].replace(ROWS[5][2].encode(), tokens.encode())
    assert typed("dump", content)[5]["tokens"] == int(tokens)


def test_tokens_given_as_json_numbers_are_exact_too() -> None:
    content = LAYOUTS["json/api"].replace(f'"{ROWS[0][2]}"'.encode(), b"9007199254740993")
    assert typed("dump.json", content)[0]["tokens"] == 9007199254740993


def test_variants_aliases_and_routers_keep_their_slug() -> None:
    slugs = ["a/b-20260101:free", "~a/b-latest", "openrouter/auto", "stealth/x", "a/b/c", "other"]
    rows = [("2026-01-01", slug, "1") for slug in slugs]
    assert [r["model_permaslug"] for r in typed("d.csv", builders.csv3(rows))] == slugs


def test_quoted_cells_and_old_line_ends_are_the_same_rows() -> None:
    quoted = "\r".join(
        ",".join(f'"{cell}"' for cell in row)
        for row in [("date", "model_permaslug", "total_tokens"), *ROWS]
    )
    assert typed("d.csv", quoted.encode()) == typed("d.csv", builders.csv3(ROWS))


def test_row_numbers_are_csv_lines_and_json_positions() -> None:
    for layout, first in (("csv/history", 2), ("csv/keyless_export", 2), ("json/api", 1)):
        dump = Dump("d", LAYOUTS[layout])
        expected = list(range(first, first + len(ROWS)))
        assert parse(dump, find_source(dump)).row_numbers == expected


def test_only_the_api_answer_says_its_own_time_and_window() -> None:
    parsed = {}
    for layout, content in LAYOUTS.items():
        dump = Dump("d", content)
        parsed[layout] = parse(dump, find_source(dump))
    assert parsed["json/api"].as_of == builders.AS_OF
    assert parsed["json/api"].window == (date(2026, 1, 1), date(2026, 1, 3))
    assert parsed["csv/history"].as_of is parsed["csv/keyless_export"].as_of is None


@pytest.mark.parametrize(
    ("content", "name"),
    [
        *((content, "openrouter_rankings") for content in LAYOUTS.values()),
        (builders.catalogue({"a/b": ("0.1", "0.2")}), "openrouter_models"),
        (builders.providers({"a": "US"}), "openrouter_providers"),
        (builders.app_rankings({7: 1}), "openrouter_app_rankings"),
        (builders.app_archive([{}]), "openrouter_app_rankings"),
        (builders.task_classifications({"math": {}}), "openrouter_task_classifications"),
    ],
)
def test_the_source_is_recognized_by_content_whatever_the_name(content: bytes, name: str) -> None:
    assert find_source(Dump("misleading.html.gz", content)).name == name


def test_an_unknown_source_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        RefusedDumpError, match=r"d\.csv: --source 'rankings' is not a source.*openrou"
    ):
        find_source(Dump("d.csv", LAYOUTS["csv/history"]), "rankings")


def test_an_unrecognized_dump_is_refused_with_the_layouts_that_would_do() -> None:
    with pytest.raises(
        RefusedDumpError, match=r"x\.csv: begins with 'a,b'.*rankings.*models.*providers"
    ):
        find_source(Dump("x.csv", b"a,b\n1,2\n"))


def test_a_missing_price_is_null_and_not_free() -> None:
    given, *missing = prices(
        '{"id": "a/given", "canonical_slug": "a/given-1", "pricing": {"prompt": "0", '
        '"completion": "0.5", "input_cache_read": "0.25", "input_cache_write": "1", '
        '"request": "0.01"}}',
        '{"id": "a/absent", "pricing": {}}',
        '{"id": "a/null", "canonical_slug": null, "pricing": {"prompt": null}}',
        '{"id": "a/empty", "canonical_slug": "", "pricing": {"prompt": "", "completion": ""}}',
    )
    assert given["canonical_slug"] == "a/given-1"
    assert [v for k, v in given.items() if k.startswith("usd")] == [
        Decimal("0"), Decimal("0.5"), Decimal("0.25"), Decimal("1"), Decimal("0.01"),
    ]  # fmt: skip
    for row in missing:
        assert {v for k, v in row.items() if k != "model_id"} == {None}, row["model_id"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"0.0000000028"', "0.0000000028"),
        ('"1.5e-07"', "0.00000015"),
        ("2.8e-9", "0.0000000028"),
        ("0.1", "0.1"),
        ("3E-06", "0.000003"),
        ('"-1"', "-1"),
        ("-1", "-1"),
        ('"0"', "0"),
        ('"0.000"', "0"),
        ('"0e-30"', "0"),
        ('"0.000000000000000001"', "0.000000000000000001"),
        ('"0.123456789012345678"', "0.123456789012345678"),
        # Float noise of real catalogues.
        ('"0.00000020000000000000002"', "0.00000020000000000000002"),
        ('"0.0000000833333333333333"', "0.0000000833333333333333"),
    ],
)
def test_prices_are_exact_decimals(text: str, value: str) -> None:
    assert priced(text) == Decimal(value)


def test_catalogue_variants_and_aliases_are_rows_of_their_own() -> None:
    given = {i: ("0", "0") for i in ("a/b", "a/b:free", "a/b:batch", "~a/b-latest")}
    rows = typed("models.json.gz", gzip.compress(builders.catalogue(given)))
    assert [r["model_id"] for r in rows] == list(given)
    assert [r["canonical_slug"] for r in rows] == ["a/b", "a/b", "a/b", "~a/b-latest"]


def test_what_the_catalogue_says_of_a_model_is_kept_as_it_stands() -> None:
    facts = {
        "name": "A: B", "created": 1685232000, "hugging_face_id": "A/B", "context_length": 0,
        "architecture": {"modality": "text+image->text"}, "expiration_date": "2098-12-31",
        "benchmarks": {
            "design_arena": [],
            "artificial_analysis": {
                "intelligence_index": 59.5, "coding_index": 52, "agentic_index": None,
            },
        },
    }  # fmt: skip
    given = {"a/b": ("0.1", "0.2"), "a/c": ("0.1", "0.2")}
    full, plain = typed("models.json", builders.catalogue(given, {"a/b": facts}))
    names = [
        "model_name", "created_unix", "hugging_face_id", "context_length", "modality",
        "expiration_date", "intelligence_index", "coding_index", "agentic_index",
    ]  # fmt: skip
    assert [full[n] for n in names] == [
        "A: B", 1685232000, "A/B", 0, "text+image->text", "2098-12-31", Decimal("59.5"),
        Decimal("52"), None,
    ]  # fmt: skip
    assert [plain[n] for n in names] == [
        "a/c", 1764547200, None, 131072, "text->text", None, None, None, None,
    ]  # fmt: skip


def test_providers_are_typed_rows_and_what_is_not_stated_is_null() -> None:
    stated, silent = typed("providers.json", builders.providers({"a-b": "SG", "c": None}))
    assert stated == {
        "provider_slug": "a-b",
        "provider_name": "A-B",
        "headquarters": "SG",
        "datacenters": "SG,NL",
        "privacy_policy_url": "https://a-b.example/privacy",
        "terms_of_service_url": None,
        "status_page_url": None,
    }
    assert (silent["headquarters"], silent["datacenters"]) == (None, None)
    (empty,) = typed("providers.json", builders.providers({"a": None}, datacenters=[]))
    assert empty["datacenters"] is None


def test_an_app_rankings_answer_is_typed_rows_that_carry_its_meta() -> None:
    dump = Dump("apps.json", builders.app_rankings({7: 9007199254740993, 8: 9007199254740993}))
    parsed = parse(dump, find_source(dump))
    assert parsed.as_of == datetime.fromisoformat("2026-03-01T01:46:00.250Z")
    assert parsed.window == (date(2026, 1, 30), date(2026, 2, 28))
    first, second = typed("apps.json", dump.content)
    assert first == {
        "fetched_at": "2026-03-01T01:46:00.250Z",
        "list_name": "popular",
        "list_as_of": "2026-03-01T01:46:00.250Z",
        "window_start": date(2026, 1, 30),
        "window_end": date(2026, 2, 28),
        "rank": 1,
        "app_id": 7,
        "app_name": "App 7",
        "tokens": 9007199254740993,
        "requests": 4,
    }
    assert (second["rank"], second["app_id"]) == (2, 8)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (builders.app_rankings({7: 5, 8: 6}), r"rank 2 has 6 tokens.*sort=trending"),
        (
            builders.app_rankings({7: 5}).replace(b'"rank": 1', b'"rank": 51'),
            "begins at rank 51.*without `offset`",
        ),
        (builders.app_rankings({7: 5}, version="v2"), "meta.version is 'v2'"),
        (
            builders.app_rankings({7: 5}, start_date="2026-03-01"),
            "2026-03-01 is after meta.end_date 2026-02-28",
        ),
        (b'{"data": [{"app_id": 7}]}', "has no `meta`"),
        (builders.task_classifications({"math": {}}, as_of="soon"), "data.as_of.*'soon'"),
        (builders.task_classifications({"math": {}}, as_of="9999-12-31"), "a day of the data"),
        (builders.task_classifications({"math": {}}, window_days="7d"), "window_days is '7d'"),
        (builders.task_classifications({"math": {}}, window_days=0), "window_days is '0'"),
        (builders.task_classifications({"math": {}}, window_days=367), "from 1 to 366"),
        (
            builders.task_classifications({"math": {}}, macro_categories=None),
            "data.macro_categories` is NoneType",
        ),
    ],
)
def test_an_answer_about_uses_that_is_not_what_it_should_be_is_refused(
    content: bytes, said: str
) -> None:
    dump = Dump("uses.json", content)
    with pytest.raises(RefusedDumpError, match=said):
        parse(dump, find_source(dump))


def test_the_archive_of_app_rankings_is_as_new_as_its_newest_answer() -> None:
    newest = "2026-07-02T12:05:48.752Z"
    content = builders.app_archive(
        [{}, {"list": "apps_today", "meta_as_of": newest}, {"rank": "2"}]
    )
    parsed = parse(Dump("apps.csv", content), find_source(Dump("apps.csv", content)))
    assert parsed.as_of == datetime.fromisoformat(newest)
    assert parsed.row_numbers == [2, 3, 4]


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"start_date": "2026-07-01"}, "malformed_row"),
        ({"meta_as_of": "2026-13-45T12:00:00Z"}, "malformed_row"),
        ({"meta_as_of": ""}, "missing_value"),
        ({"end_date": "2026-07-01"}, "day_not_over"),
        ({"list": "apps_year"}, "bad_form"),
        ({"fetched_at": "yesterday"}, "bad_form"),
        ({"fetched_at": "2026-13-45T12:00:00Z"}, "malformed_row"),
        ({"fetched_at": "2026-07-03T12:05:56Z"}, "malformed_row"),
        ({"meta_as_of": "9999-12-31T23:59:59Z"}, "malformed_row"),
        ({"meta_as_of": "0001-01-01T00:00:00Z"}, "malformed_row"),
        ({"total_tokens": "1e9"}, "not_an_integer"),
        ({"rank": "0"}, "too_small"),
        ({"app_name": ""}, "missing_value"),
    ],
)
def test_a_row_of_the_archive_that_cannot_be_believed_is_quarantined(
    cells: dict[str, str], code: str
) -> None:
    content = builders.app_archive([{"app_id": "1"}, {"app_id": "2", **cells}])
    dump = Dump("apps.csv", content, not_after=datetime(2026, 7, 2, tzinfo=UTC))
    source = find_source(dump)
    parsed = parse(dump, source)
    assert parsed.as_of is not None
    good, bad = split_rows(parsed, source.table, parsed.as_of)
    assert good.column("app_id").to_pylist() == [1]
    assert [r["code"] for r in bad.to_pylist()] == [code]


def test_task_classifications_are_rows_for_tags_models_and_macro_categories() -> None:
    content = builders.task_classifications(
        {"code:general_impl": {}, "math": {"token_share": 1e-7}},
        {"code:general_impl": {"openai/gpt-4.1-mini": (0.55, 0.75)}},
    )
    dump = Dump("tasks.json", content)
    parsed = parse(dump, find_source(dump))
    # Its as_of names the last day of the window: made when that day was over, cited by that day.
    assert parsed.as_of == datetime.fromisoformat("2026-03-01T00:00:00Z")
    assert parsed.cited_as_of == "2026-02-28"
    rows = typed("tasks.json", content)
    assert {(r["window_start"], r["window_end"]) for r in rows} == {
        (date(2026, 2, 22), date(2026, 2, 28))
    }
    assert [(r["kind"], r["tag"], r["model_id"], r["macro_category"]) for r in rows] == [
        ("tag", "code:general_impl", None, "code"),
        ("model", "code:general_impl", "openai/gpt-4.1-mini", None),
        ("tag", "math", None, "general"),
        ("macro_category", "code", None, None),
    ]
    tag, model, math, macro = rows
    assert (tag["usage_share"], tag["token_share"]) == (Decimal("0.25"), Decimal("0.5"))
    assert (tag["category_usage_share"], tag["category_token_share"]) == (1, 1)
    assert (model["tag_usage_share"], model["tag_token_share"]) == (
        Decimal("0.55"),
        Decimal("0.75"),
    )
    assert math["token_share"] == Decimal("0.0000001")
    # 1e-07 has seven decimals: no share can be further from the truth than half of the last one.
    assert {r["share_rounding"] for r in rows} == {Decimal("0.00000005")}
    assert (macro["label"], macro["token_share"]) == ("Code", Decimal("0.5"))


@pytest.mark.parametrize(
    ("shares", "rounding"),
    [
        # The real answer: three decimals, written without zeros at the end.
        ((0.06, 0.002, 0), "0.0005"),
        ((0, 1, 1), "0.005"),
        ((0.12345678901234567, 0.1, 0), "0.000000000000000005"),
        (("0.1234567890123456789", 0.1, 0), "0"),
        # What is not a number decides nothing.
        (("0,123", "NaN", [0.123]), "0.005"),
    ],
)
def test_the_longest_share_of_a_task_answer_says_how_they_were_rounded(
    shares: tuple[object, object, object], rounding: str
) -> None:
    fields = dict(zip(("usage_share", "token_share", "category_usage_share"), shares, strict=True))
    content = builders.task_classifications({"math": fields, "poems": {}})
    parsed = parse(Dump("t.json", content), find_source(Dump("t.json", content)))
    at = list(parsed.fields).index("share_rounding")
    assert {row[at] for row in parsed.rows} == {rounding}


@pytest.mark.parametrize(
    ("tags", "models", "code"),
    [
        ({"token_share": None}, {}, "malformed_row"),
        ({"token_share": 1.2}, {}, "out_of_range"),
        ({"display_name": ["Math"]}, {}, "malformed_row"),
        ({"models": None}, {}, "malformed_row"),
        ({"models": ["openai/gpt-4o"]}, {}, "malformed_row"),
        ({}, {"gpt-4o": (0.1, 0.1)}, "bad_form"),
        ({}, {"openai/gpt-4o": (0.1, -0.1)}, "out_of_range"),
    ],
)
def test_an_entry_of_a_task_answer_that_cannot_be_believed_is_quarantined(
    tags: dict[str, Any], models: dict[str, tuple[float, float]], code: str
) -> None:
    dump = Dump("t.json", builders.task_classifications({"math": tags}, {"math": models}))
    source = find_source(dump)
    parsed = parse(dump, source)
    good, bad = split_rows(parsed, source.table, builders.AS_OF)
    assert [r["code"] for r in bad.to_pylist()] == [code]
    assert good.num_rows + bad.num_rows == len(parsed.rows)


def real_dumps(pattern: str) -> list[Path]:
    found = sorted(REAL_DUMPS.glob(pattern))
    if not found:
        pytest.skip(f"no real dumps beside this checkout (../shared/data/openrouter/{pattern})")
    return found


@pytest.mark.parametrize("pattern", ["pulls/*.csv.gz", "history/*.csv.gz"])
def test_every_real_rankings_dump_is_believed_whole(pattern: str) -> None:
    for path in real_dumps(f"rankings-daily/{pattern}"):
        rows = typed(path.name, path.read_bytes(), as_of=time_in_name(path.name))
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()[1:]
        assert [f"{r['usage_date']},{r['model_permaslug']},{r['tokens']}" for r in rows] == lines, (
            path.name
        )


def test_every_real_catalogue_lands_whole_with_what_it_says_and_every_digit_of_its_prices() -> None:
    prices = ("prompt", "completion", "input_cache_read", "input_cache_write")
    paths = real_dumps("models/*.json.gz")
    assert len(paths) == 25
    for path in paths:
        document = json.loads(gzip.decompress(path.read_bytes()))
        rows = typed(path.name, path.read_bytes(), as_of=time_in_name(path.name))
        for row, entry in zip(rows, document["data"], strict=True):
            indexes = (entry.get("benchmarks") or {}).get("artificial_analysis") or {}
            expected = {
                "model_id": entry["id"],
                "canonical_slug": entry.get("canonical_slug"),
                "model_name": entry["name"],
                "created_unix": entry["created"],
                "hugging_face_id": entry.get("hugging_face_id") or None,
                "modality": entry["architecture"]["modality"],
                "context_length": entry["context_length"],
                "expiration_date": entry.get("expiration_date"),
                **{
                    name: None if indexes.get(name) is None else Decimal(str(indexes[name]))
                    for name in ("intelligence_index", "coding_index", "agentic_index")
                },
            }
            for name in prices:
                given = entry["pricing"].get(name) or None
                expected[f"usd_per_token_{name}"] = None if given is None else Decimal(given)
            assert {k: row[k] for k in expected} == expected, path.name


def test_the_real_provider_list_lands_whole_and_is_what_the_seed_says() -> None:
    for path in real_dumps("providers/2026-05-22.json"):
        entries = json.loads(path.read_bytes())["data"]
        rows = typed(path.name, path.read_bytes(), as_of=time_in_name(path.name))
        assert len(rows) == len(entries) == 82
        for row, entry in zip(rows, entries, strict=True):
            assert row == {
                "provider_slug": entry["slug"],
                "provider_name": entry["name"],
                "headquarters": entry["headquarters"],
                "datacenters": ",".join(entry["datacenters"] or []) or None,
                **{k: v for k, v in entry.items() if k.endswith("_url")},
            }
        with (DBT_PROJECT_DIR / "seeds" / "providers.csv").open(
            newline="", encoding="utf-8"
        ) as stream:
            seed = [
                (r["provider_slug"], r["provider_name"], r["headquarters"] or None)
                for r in csv.DictReader(stream)
                if r["known_from"] == "2026-05-22"
            ]
        assert sorted(seed) == sorted(
            (r["provider_slug"], r["provider_name"], r["headquarters"]) for r in rows
        )


def test_the_real_archive_of_app_rankings_is_believed_whole() -> None:
    (path,) = real_dumps("app-rankings/*.csv.gz")
    as_of = datetime.fromisoformat("2026-08-22T16:00:13.220Z")
    rows = typed(path.name, path.read_bytes(), as_of)
    assert len(rows) == 7660
    with gzip.open(path, "rt", newline="", encoding="utf-8") as stream:
        for row, entry in zip(rows, csv.DictReader(stream), strict=True):
            assert (row["list_name"], row["app_name"], str(row["tokens"])) == (
                entry["list"], entry["app_name"], entry["total_tokens"]
            )  # fmt: skip
