"""The tools that derive seeds: how names are matched, and that the shipped seeds come out."""

import csv
import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest

from orchestration.settings import DBT_PROJECT_DIR, PROJECT_ROOT
from tools.check_first_days import FIRST_DAYS

SEEDS = DBT_PROJECT_DIR / "seeds"
# What the simulator draws from is derived as the seeds are.
DEMO = PROJECT_ROOT / "orchestration" / "demo"
DATA = PROJECT_ROOT.parent / "shared" / "data"
TOOLS = (
    "derive_prices", "derive_other_prices", "derive_quality", "derive_second_opinions",
    "derive_restatements", "derive_model_names", "derive_request_tokens",
)  # fmt: skip
USED = ["a/dated-20260101", "a/dated-20260101:free", "a/plain", "a/reused-2", "b/renamed-1"]
Derive = Callable[..., dict[tuple[str, str, str], list[tuple[str, str, str, str, str]]]]


def script(name: str, inputs: Path | str, output: Path, *more: str) -> str:
    """Run a tool; returns what it reports. `--unchecked` takes inputs that a test wrote."""
    done = subprocess.run(
        [sys.executable, "-m", f"tools.{name}", "--inputs", str(inputs), "--output", str(output),
         *more],
        cwd=PROJECT_ROOT, capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    return done.stderr


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def models_folder(inputs: Path) -> Path:
    """Where a tool looks for the catalogue."""
    folder = inputs / "openrouter" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def events(
    rows: Sequence[tuple[str, str, str, str | None, int, str | None]],
    path: Path,
    others: dict[str, dict[str, object]] | None = None,
) -> None:
    """(id, day, event, canonical slug, created, prompt price) as a file of price events; `others`
    are further fields of `pricing` by id."""
    with duckdb.connect() as connection:
        connection.execute(
            "create table e (model_id varchar, observed_at varchar, event varchar, "
            "canonical_slug varchar, created double, price_prompt varchar, "
            "price_completion varchar, price_request varchar, "
            "price_input_cache_read varchar, price_input_cache_write varchar, "
            "pricing_json varchar)"
        )
        for model_id, day, event, slug, created, price in rows:
            request = "0.005" if model_id == "a/plain" else "0"
            pricing = json.dumps({**(others or {}).get(model_id, {}), "request": request})
            connection.execute(
                "insert into e values (?, ?, ?, ?, ?, ?, ?, ?, null, null, ?)",
                [model_id, f"{day}T00:30:00+00:00", event, slug, created, price, price, request,
                 pricing],
            )  # fmt: skip
        connection.execute(f"copy e to '{path}' (format parquet)")


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """Dated and undated slugs, a variant, an id that stood for two models, a renamed author."""
    events(
        [
            ("a/dated", "2026-01-02", "set", "a/dated-20260101", 11, "0.000001"),
            ("a/dated:free", "2026-01-02", "set", "a/dated-20260101", 11, "0"),
            ("a/dated", "2026-03-02", "removed", None, 11, None),
            ("a/plain", "2026-01-02", "set", "a/plain", 12, "0.000002"),
            ("a/reused", "2026-01-02", "set", "a/reused-1", 13, "0.000003"),
            ("a/reused", "2026-02-10", "set", "a/reused-2", 14, "0.000004"),
            ("b/new-name", "2026-01-02", "set", "b/renamed-1", 15, "0.000005"),
        ],
        models_folder(tmp_path) / "price_events_test.parquet",
    )
    return tmp_path


@pytest.fixture
def derive(tmp_path: Path, catalogue: Path) -> Derive:
    """Run derive_other_prices on lists written by the test."""

    def run(
        models_dev: Sequence[tuple[str, str, str, str]] = (),
        genai: dict[str, object] | None = None,
        litellm: dict[str, dict[str, object]] | None = None,
        used: Sequence[str] = USED,
    ) -> dict[tuple[str, str, str], list[tuple[str, str, str, str, str]]]:
        folder = tmp_path / "prices"
        for name in ("models-dev", "genai-prices", "litellm"):
            (folder / name).mkdir(parents=True)
        header = (
            "snapshot,provider,model_id,cost_input,cost_output,cost_cache_read,cost_cache_write"
        )
        lines = [f"{d},{p},{m},{price},{price},," for d, p, m, price in models_dev]
        with gzip.open(folder / "models-dev" / "monthly.csv.gz", "wt", encoding="utf-8") as file:
            file.write("\n".join([header, *lines]) + "\n")
        for day, document in (genai or {}).items():
            with gzip.open(
                folder / "genai-prices" / f"{day}_x.json.gz", "wt", encoding="utf-8"
            ) as file:
                json.dump(document, file)
        for day, document in (litellm or {}).items():
            with gzip.open(folder / "litellm" / f"{day}_x.json.gz", "wt", encoding="utf-8") as file:
                file.write(json.dumps(document))
        usage = tmp_path / "data" / "landing" / "openrouter_rankings" / "0"
        usage.mkdir(parents=True)
        with gzip.open(usage / "dump.csv.gz", "wt", encoding="utf-8") as file:
            file.write("model_permaslug\n" + "\n".join(used) + "\n")
        script("derive_other_prices", catalogue, tmp_path, "--unchecked")
        found: dict[tuple[str, str, str], list[tuple[str, str, str, str, str]]] = {}
        for r in rows(tmp_path / "price_seed_other.csv"):
            found.setdefault(
                (r["price_source"], r["model_permaslug"], r["price_kind"]), []
            ).append(
                (r["usd_per_million_tokens"], r["valid_from"], r["valid_to"], r["match_kind"],
                 r["source_model_id"])
            )  # fmt: skip
        return found

    return run


def test_names_are_matched_by_equality_on_their_day(derive: Derive) -> None:
    found = derive(
        [
            ("2026-02-01", "openrouter", "a/dated", "1"),
            ("2026-02-01", "openrouter", "a/dated:free", "0"),
            ("2026-02-01", "openrouter", "a/reused", "3"),
            ("2026-02-01", "openrouter", "b/new-name", "5"),
            ("2026-02-01", "openrouter", "b/renamed-1", "9"),
            ("2026-02-01", "openrouter", "a/plain-turbo", "7"),
            ("2026-02-01", "openrouter", "A/Plain", "7"),
            ("2026-02-01", "elsewhere", "a/plain", "7"),
            ("2026-03-01", "openrouter", "a/reused", "4"),
            ("2026-04-01", "openrouter", "a/dated", "1"),
        ]
    )
    prompts = {key[1]: rows for key, rows in found.items() if key[2] == "prompt"}
    assert prompts == {
        # gone from the catalogue on 2026-03-02, but the id never stood for anything else
        "a/dated-20260101": [
            ("1", "2026-02-01", "2026-03-01", "catalogue_id", "openrouter/a/dated"),
            ("1", "2026-04-01", "", "catalogue_id_other_day", "openrouter/a/dated"),
        ],
        "a/dated-20260101:free": [
            ("0", "2026-02-01", "2026-03-01", "catalogue_id", "openrouter/a/dated:free")
        ],
        # the id of another model until 2026-02-10
        "a/reused-2": [("4", "2026-03-01", "2026-04-01", "catalogue_id", "openrouter/a/reused")],
        # the catalogue's own id before the permaslug
        "b/renamed-1": [("5", "2026-02-01", "2026-03-01", "catalogue_id", "openrouter/b/new-name")],
    }


def test_an_id_that_stood_for_two_models_is_no_match_outside_its_days(derive: Derive) -> None:
    assert derive([("2026-01-01", "openrouter", "a/reused", "3")]) == {}


def test_prices_are_exact_and_end_where_the_next_state_differs(derive: Derive) -> None:
    cost = {"input_cost_per_token": 3.3e-08, "output_cost_per_token": 0.0}
    found = derive(
        litellm={
            "2026-02-01": {"openrouter/a/plain": cost, "sample_spec": cost},
            "2026-03-01": {"openrouter/a/plain": cost},
            "2026-04-01": {"openrouter/a/plain": {**cost, "input_cost_per_token": 3.4e-08}},
            "2026-05-01": {},
        }
    )
    match = ("catalogue_id", "openrouter/a/plain")
    assert found["litellm", "a/plain", "prompt"] == [
        ("0.033", "2026-02-01", "2026-04-01", *match),
        ("0.034", "2026-04-01", "2026-05-01", *match),
    ]
    assert found["litellm", "a/plain", "completion"] == [("0", "2026-02-01", "2026-05-01", *match)]


def test_of_prices_with_a_start_the_one_that_has_begun(derive: Derive) -> None:
    prices = [
        {"prices": {"input_mtok": 2, "output_mtok": {"base": 10, "tiers": []}}},
        {"constraint": {"start_date": "2026-03-01"}, "prices": {"input_mtok": 3}},
        {"constraint": {"start_time": "00:00"}, "prices": {"input_mtok": 4}},
    ]
    state = [{"id": "openrouter", "models": [{"id": "a/plain", "prices": prices}]}]
    found = derive(genai={"2026-02-01": state, "2026-04-01": state})
    prompts = [r[:3] for r in found["genai_prices", "a/plain", "prompt"]]
    assert prompts == [("2", "2026-02-01", "2026-04-01"), ("3", "2026-04-01", "")]
    assert found["genai_prices", "a/plain", "completion"][0][0] == "10"


def test_a_labs_own_list_speaks_only_for_models_of_the_table(derive: Derive) -> None:
    small = "openai/text-embedding-3-small"
    cost = {"input_cost_per_token": 2e-08, "output_cost_per_token": 0.0}
    found = derive(
        litellm={"2026-02-01": {"text-embedding-3-small": cost, "gpt-4o": cost}},
        used=[small, "openai/gpt-4o"],
    )
    assert found["litellm", small, "prompt"] == [
        ("0.02", "2026-02-01", "", "first_party_id", "text-embedding-3-small")
    ]
    assert {key[1] for key in found} == {small}


def test_request_prices_are_per_request_and_zero_is_none(catalogue: Path, tmp_path: Path) -> None:
    script("derive_prices", catalogue, tmp_path, "--unchecked")
    assert [
        (r["model_permaslug"], r["usd_per_million_tokens"])
        for r in rows(tmp_path / "price_seed.csv")
        if r["price_kind"] == "request"
    ] == [("a/plain", "5000")]


def test_what_costs_something_else_than_tokens_is_not_free_and_other_prices_are_kept(
    tmp_path: Path,
) -> None:
    """The shapes of `pricing` are those of the events of 2025-03-28 and 2026-08-17 and of Lyria in
    the snapshot of 2026-08-22."""
    day, folder = "2026-08-17", models_folder(tmp_path)
    events(
        [
            ("q/vl", day, "set", "q/vl", 11, "0"),
            ("q/vl:free", day, "set", "q/vl", 11, "0"),
            ("g/lyria", day, "set", "g/lyria", 12, "0"),
            ("s/alpha", day, "set", "s/alpha", 13, "0"),
            ("d/hour", day, "set", "d/hour", 14, "0.00000066"),
            ("s/alpha", "2026-08-18", "set", "s/alpha", 13, "0"),
            ("d/hour", "2026-08-19", "removed", None, 14, None),
            ("d/long", "2026-08-22", "set", "d/long", 15, "0.000001"),
        ],
        folder / "price_events_test.parquet",
        {
            "q/vl": {"image": "0.00000195"},
            "q/vl:free": {"image": "0.00000195"},
            "s/alpha": {"image": "0", "web_search": "0.01"},
            "d/hour": {
                "overrides": [
                    {"utc_start": 1000, "utc_end": 100, "prompt": "0.00000066"},
                    {"utc_start": 100, "utc_end": 400, "prompt": "0.00000132"},
                ]
            },
            "d/long": {"overrides": [{"min_prompt_tokens": 128000, "completion": "0.000006"}]},
        },
    )
    architecture = {"modality": "text+image->text+audio"}
    with gzip.open(folder / "2026-08-17.json.gz", "wt", encoding="utf-8") as file:
        json.dump({"data": [{"id": "g/lyria", "architecture": architecture}]}, file)
    script("derive_prices", tmp_path, tmp_path, "--unchecked")
    free = {
        r["model_permaslug"]
        for r in rows(tmp_path / "price_seed.csv")
        if float(r["usd_per_million_tokens"]) == 0
    }
    assert free == {"q/vl:free", "s/alpha"}
    assert [list(r.values()) for r in rows(tmp_path / "price_override_seed.csv")] == [
        ["d/hour", "prompt", "", "01:00", "04:00", "1.32", day, "2026-08-18", "d/hour"],
        ["d/long", "completion", "128000", "", "", "6", "2026-08-22", "2026-08-22", "d/long"],
    ]


def snapshot(path: Path, **models: object) -> None:
    """A catalogue snapshot with an Intelligence Index per id; `__` means `:`."""
    data = [
        {
            "id": "a/" + name.replace("__", ":"),
            "canonical_slug": f"a/{name.split('__')[0].upper()}-1",
            "benchmarks": index and {"artificial_analysis": {"intelligence_index": index}},
        }
        for name, index in models.items()
    ]
    with gzip.open(path, "wt", encoding="utf-8") as file:
        json.dump({"data": data}, file)


def test_quality_indices_keep_their_digits_and_their_day(tmp_path: Path) -> None:
    folder = models_folder(tmp_path)
    snapshot(folder / "2026-07-01.json.gz", m=40.5, m__free=40.5, n=None)
    snapshot(folder / "2026-08-01.json.gz", m=41, n__free=7.25)
    script("derive_quality", tmp_path, tmp_path, "--unchecked")
    cited = "Artificial Analysis via OpenRouter"
    assert [
        (r["base_slug"], r["read_on"], r["intelligence_index"], r["coding_index"],
         r["index_source"], r["source_model_id"])
        for r in rows(tmp_path / "quality_seed.csv")
    ] == [
        ("a/m-1", "2026-07-01", "40.5", "", cited, "a/m"),
        ("a/m-1", "2026-08-01", "41", "", cited, "a/m"),
        ("a/n-1", "2026-08-01", "7.25", "", cited, "a/n:free"),
    ]  # fmt: skip


def test_variants_with_different_indices_stop_the_derivation(tmp_path: Path) -> None:
    snapshot(models_folder(tmp_path) / "2026-07-01.json.gz", m=40.5, m__free=39)
    with pytest.raises(subprocess.CalledProcessError) as failure:
        script("derive_quality", tmp_path, tmp_path, "--unchecked")
    assert "a/m:free says" in failure.value.stderr


def test_an_input_is_missing_or_another_than_its_sha256_says(tmp_path: Path) -> None:
    """The seed in place stays as it is."""
    (tmp_path / "quality_seed.csv").write_text("before", encoding="utf-8")
    origin = "https://github.com/jvrck/openrouterlist"
    with pytest.raises(subprocess.CalledProcessError) as failure:
        script("derive_quality", tmp_path, tmp_path)
    assert f"2024-09-21.json.gz: is not in {tmp_path}; it is of " in failure.value.stderr
    assert origin in failure.value.stderr
    snapshot(models_folder(tmp_path) / "2024-09-21.json.gz", m=40.5)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for place in (tmp_path, f"http://127.0.0.1:{server.server_port}"):
            with pytest.raises(subprocess.CalledProcessError) as failure:
                script("derive_quality", place, tmp_path)
            assert "its content has the sha256 " in failure.value.stderr
            assert origin in failure.value.stderr
        server.shutdown()
    assert (tmp_path / "quality_seed.csv").read_text(encoding="utf-8") == "before"


def test_every_tool_says_how_it_is_run() -> None:
    for name in TOOLS:
        said = subprocess.run(
            [sys.executable, "-m", f"tools.{name}", "--help"],
            cwd=PROJECT_ROOT, capture_output=True, encoding="utf-8", check=True,
        ).stdout  # fmt: skip
        assert f"python -m tools.{name} --inputs FOLDER" in said
        assert "What a row " in said


@pytest.mark.skipif(not DATA.exists(), reason="needs the real data in ../shared/data")
def test_the_tools_derive_the_committed_tables(tmp_path: Path) -> None:
    for name in TOOLS:
        script(name, DATA, tmp_path)
    derived = sorted(p.name for p in tmp_path.iterdir())
    assert derived == [
        "model_aliases.csv", "model_name_parts.csv",
        "price_override_seed.csv", "price_seed.csv", "price_seed_other.csv",
        "price_source_readings.csv", "quality_seed.csv", "request_tokens.csv", "restatements.csv",
        "second_opinions.csv",
    ]  # fmt: skip
    for name in derived:
        committed = DEMO / name if (DEMO / name).exists() else SEEDS / name
        assert (tmp_path / name).read_bytes() == committed.read_bytes(), name


# -- models that were served before their weights were named


def test_models_are_listed_whose_weights_may_be_younger_than_their_api(tmp_path: Path) -> None:
    """Columns as in the real collection: model_id, observed_at, event, canonical_slug, created,
    hugging_face_id."""
    named = "2026-01-02T12:30:00+00:00"
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(
            "create table e (model_id varchar, observed_at varchar, event varchar, "
            "canonical_slug varchar, created double, hugging_face_id varchar)"
        )
        connection.executemany(
            "insert into e values (?, ?, ?, ?, 1767225600, ?)",
            [
                ("a/before-there-were-names", "2025-12-31T00:30:00+00:00", "set", None, None),
                ("a/at-once", "2026-01-01T00:30:00+00:00", "set", "a/at-once-1", "A/At-Once"),
                ("a/later:free", "2026-01-01T22:30:00-02:00", "set", "a/Later-1", ""),
                ("a/later", named, "set", "a/later-1", "A/Later"),
                ("a/never", named, "set", None, ""),
                ("a/closed", named, "set", None, ""),
                ("a/dated", named, "set", None, ""),
                ("a/unlisted", named, "removed", None, ""),
            ],
        )
        connection.execute(f"copy e to '{tmp_path}/events.parquet' (format parquet)")
        models = tmp_path / "models.csv"
        models.write_text(
            "base_slug,license,valid_from\na/before-there-were-names,open_weight,\n"
            "a/at-once,open_weight,\na/at-once-1,open_weight,\na/later-1,open_weight,\n"
            "a/never,open_weight,\na/closed,closed,\na/dated,open_weight,2026-01-03\n"
            "a/unlisted,open_weight,\n",
            encoding="utf-8",
        )
        found = connection.sql(
            FIRST_DAYS, params={"events": f"{tmp_path}/events.parquet", "models": str(models)}
        ).fetchall()
    assert [(slug, str(created), listed, name) for slug, created, listed, name in found] == [
        ("a/later-1", "2026-01-01", "2026-01-02T00:30Z", "2026-01-02T12:30Z"),
        ("a/never", "2026-01-01", "2026-01-02T12:30Z", None),
    ]
