"""dbt's own tests, run by dbt: unit tests of every rule, and data tests that can fail."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.contracts.odcs import published_by_model, shared_columns, tables
from orchestration.errors import TransformError
from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import land, list_dumps
from orchestration.publication.candidate import build_candidate
from orchestration.settings import CONTRACTS_DIR, DBT_PROJECT_DIR, Settings
from orchestration.transformation.dbt import (
    BUILD,
    REDUCE,
    ensure_manifest,
    raise_on_failure,
    run_dbt,
)
from orchestration.transformation.raw_tables import create_working_database
from orchestration.transformation.request_days import create_reducing_database
from tests import builders
from tests.bench import bare_sql

DATA_TESTS = {
    "assert_tokens_conserved",
    "assert_spend_adds_up",
    "assert_seeds_are_sound",
}


@pytest.fixture(scope="module")
def installation(small_base: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One copy for all tests here: its manifest is parsed once."""
    data_dir = tmp_path_factory.mktemp("dbt") / "data"
    shutil.copytree(small_base.data_dir, data_dir, symlinks=True)
    return Settings(data_dir=data_dir)


@pytest.fixture(scope="module")
def manifest(installation: Settings) -> dict[str, Any]:
    return json.loads(ensure_manifest(installation).read_text(encoding="utf-8"))


@pytest.fixture
def untouched(installation: Settings, small_base: Settings) -> Settings:
    """The installation with the working database as the run left it."""
    shutil.copyfile(small_base.database_path, installation.database_path)
    return installation


def test_every_unit_test_passes(untouched: Settings, manifest: dict[str, Any]) -> None:
    own = create_reducing_database([], untouched)  # of models/requests
    raise_on_failure(run_dbt(untouched, REDUCE, own))
    of_requests = run_dbt(untouched, ["test", "--select", "tag:requests,test_type:unit"], own)
    assert len(of_requests) >= 3
    results = of_requests + run_dbt(
        untouched, ["test", "--select", "test_type:unit", "--exclude", "tag:requests"]
    )
    # A skipped or erroneous test has not passed.
    failed = [f"{r.name}: {r.status}\n{r.message}" for r in results if r.status != "pass"]
    assert not failed, "\n\n".join(failed)
    assert {r.unique_id for r in results} == set(manifest["unit_tests"])
    assert len(results) > 25


def test_every_model_has_a_unit_test(manifest: dict[str, Any]) -> None:
    """Those of the formats of request logs are tested by real files
    (tests/integration/test_request_log*.py)."""
    tested = {t["model"] for t in manifest["unit_tests"].values()}
    models = {
        n["name"]
        for n in manifest["nodes"].values()
        if n["resource_type"] == "model" and "requests" not in n["tags"]
    }
    assert models - tested == set()


def test_every_model_and_column_is_described_once(
    untouched: Settings, manifest: dict[str, Any]
) -> None:
    """Of published models their contracts say it, see tests/contracts.

    A column that goes on under its name and meaning is described where it first appears, or among
    the shared columns of the contracts.
    """
    shared = set(shared_columns(CONTRACTS_DIR / "published"))

    def known(node_id: str) -> set[str]:
        node = manifest["nodes"].get(node_id)
        if node is None:
            raw = tables("raw").get(manifest["sources"][node_id]["name"])
            return {f.name for f in raw.fields} if raw else set()
        return set(node["columns"]).union(*map(known, node["depends_on"].get("nodes", [])))

    with duckdb.connect(str(untouched.database_path), read_only=True) as connection:
        for node_id, node in manifest["nodes"].items():
            if node["name"] in published_by_model():
                assert not node["description"] + "".join(node["columns"]), "described twice"
                continue
            if node["resource_type"] in ("model", "seed"):
                assert node["description"].startswith("One row per"), node["name"]
                assert all(c["description"] for c in node["columns"].values()), node["name"]
                if "requests" in node["tags"]:
                    continue  # built in a database of its own
                described = connection.execute(f"describe {node['schema']}.{node['name']}")
                columns = {name for name, *_ in described.fetchall()}
                assert set(node["columns"]) <= columns, node["name"]
            if node["resource_type"] == "model":
                assert columns <= shared | known(node_id), node["name"]


def test_every_column_of_a_seed_has_a_type(untouched: Settings, manifest: dict[str, Any]) -> None:
    """dbt would guess it from the rows, and take an empty column for a number."""
    with duckdb.connect(str(untouched.database_path), read_only=True) as connection:
        for path in (DBT_PROJECT_DIR / "seeds").glob("*.csv"):
            stated = manifest["nodes"][f"seed.tokenshare.{path.stem}"]["config"]["column_types"]
            loaded = connection.execute(f"describe registry.{path.stem}").fetchall()
            # `string` is what both engines read; DuckDB calls it varchar.
            found = {name: kind.lower().replace("varchar", "string") for name, kind, *_ in loaded}
            assert found == stated, path.name


def test_seeds_are_read_from_a_folder_of_any_name(
    untouched: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path is text in SQL. A project of one seed parses quickly."""
    project = tmp_path / 'it\'s a "project" ä 数据'
    (project / "seeds").mkdir(parents=True)
    for name in ("dbt_project.yml", "profiles.yml", "seeds/change_pairs.csv"):
        shutil.copyfile(DBT_PROJECT_DIR / name, project / name)
    shutil.copytree(DBT_PROJECT_DIR / "macros", project / "macros")
    monkeypatch.setattr("orchestration.transformation.dbt.DBT_PROJECT_DIR", project)
    with duckdb.connect(str(untouched.database_path)) as connection:
        before = connection.execute("from registry.change_pairs").fetchall()
        connection.execute("drop table registry.change_pairs")
    settings = Settings(data_dir=tmp_path / "data")
    settings.warehouse_dir.mkdir(parents=True)
    shutil.copyfile(untouched.database_path, settings.database_path)
    raise_on_failure(run_dbt(settings, ["seed"]))
    with duckdb.connect(str(settings.database_path), read_only=True) as connection:
        assert connection.execute("from registry.change_pairs").fetchall() == before


def test_data_tests_pass_on_what_a_run_made(untouched: Settings) -> None:
    results = run_dbt(untouched, ["test", "--select", "test_type:singular"])
    assert {r.name: r.status for r in results} == dict.fromkeys(DATA_TESTS, "pass")


@pytest.mark.parametrize(
    ("test", "spoil"),
    [
        pytest.param(
            "assert_tokens_conserved",
            "update marts.usage_daily set tokens = tokens + 1 "
            "where model_permaslug = 'other' and usage_date = date '2026-01-20'",
            id="one token more",
        ),
        pytest.param(
            "assert_spend_adds_up",
            "update marts.spend_by_origin set list_spend_usd = list_spend_usd + 0.01 "
            "where grain = 'daily' and origin = 'CN' and period_start = date '2026-01-20'",
            id="a cent more",
        ),
        pytest.param(
            "assert_spend_adds_up",
            "delete from marts.spend_by_lab where grain = 'monthly' and lens = 'base_lineage'",
            id="a lens without spend",
        ),
        pytest.param(
            "assert_seeds_are_sound",
            "update registry.use_map set evidence_url = null where tag = 'code:debugging'",
            id="a row without evidence",
        ),
        pytest.param(
            "assert_seeds_are_sound",
            "insert into registry.uses select * from registry.uses limit 1",
            id="a key that is there twice",
        ),
        pytest.param(
            "assert_seeds_are_sound",
            "update registry.second_opinions set field = 'country' where field = 'headquarters'",
            id="a value that no column allows",
        ),
        pytest.param(
            "assert_seeds_are_sound",
            "update registry.gateway_names set lab_id = 'nobody' where dataset = 'labs'",
            id="a lab that is in no row of labs",
        ),
        pytest.param(
            "assert_seeds_are_sound",
            "update registry.gateway_names set lab_id = 'google' where base_slug like 'openai/%'",
            id="a model of another lab than its author",
        ),
    ],
)
def test_data_tests_can_fail(untouched: Settings, test: str, spoil: str) -> None:
    with duckdb.connect(str(untouched.database_path)) as connection:
        connection.execute(spoil)
    (result,) = run_dbt(untouched, ["test", "--select", test])
    assert result.status == "fail"
    assert result.failures > 0


LAND = (
    "insert into raw.dumps select 'd' || n, 'openrouter_models', t, t from (values "
    "(1, timestamp '2026-09-01'), (2, timestamp '2026-09-05')) as v(n, t);"
    "insert into raw.openrouter_models "
    "(dump_sha256, model_id, canonical_slug, usd_per_token_prompt) "
    "values ('d1', 'a/m', 'a/m-1', {}), ('d2', 'a/m', 'a/m-1', {});"
    "insert into raw.corrections values ('open-ended', 'openrouter_catalogue', 'a/m-1', 'prompt', "
    "'9', '5', date '2026-09-01', null, 'r', 'e', date '2026-11-25')"
)
SEED = (
    "update registry.price_seed set {} where model_permaslug = 'z-ai/glm-5.1-20260406' "
    "and price_kind = 'prompt' and valid_from = date '2026-05-20'"
)


@pytest.mark.parametrize(
    ("mend", "says"),
    [
        pytest.param(
            SEED.format("usd_per_million_tokens = 0.98"),
            r"correction zero-glm-5.1-prompt .* z-ai/glm-5.1-20260406 prompt: expected 0 .* 0.98",
            id="the snapshots say something else",
        ),
        pytest.param(
            SEED.format("valid_to = date '2026-05-25'"),
            r"correction zero-glm-5.1-prompt .* over whole validities",
            id="a validity reaches beyond the correction",
        ),
        pytest.param(
            "delete from registry.price_seed_other where price_source = 'models_dev' "
            "and model_permaslug = 'openai/gpt-5.4-nano-20260317'",
            r"correction unit-models-dev-gpt-5.4-nano-\w+ .* found nothing",
            id="the list no longer has the model",
        ),
        pytest.param(
            LAND.format("0.000009", "0.000005"),
            r"correction open-ended .* expected 9 .* found 5",
            id="the newest catalogue is right",
        ),
    ],
)
def test_a_correction_that_upstream_no_longer_needs_stops_the_run(
    untouched: Settings, mend: str, says: str
) -> None:
    with duckdb.connect(str(untouched.database_path)) as connection:
        connection.execute(mend)
    with pytest.raises(TransformError, match=says):
        raise_on_failure(run_dbt(untouched, ["run", "--select", "int_corrections"]))


def test_a_correction_holds_while_the_newest_catalogue_is_wrong(untouched: Settings) -> None:
    with duckdb.connect(str(untouched.database_path)) as connection:
        connection.execute(LAND.format("0.000001", "0.000009"))
    raise_on_failure(run_dbt(untouched, ["run", "--select", "int_corrections", "+price_history"]))
    with duckdb.connect(str(untouched.database_path)) as connection:
        rows = connection.execute(
            "select valid_from::varchar, usd_per_million_tokens::integer, correction_id "
            "from marts.price_history where model_permaslug = 'a/m-1' order by 1"
        ).fetchall()
    assert rows == [("2026-09-01", 1, None), ("2026-09-05", 5, "open-ended")]


def test_a_catalogue_with_bad_fields_closes_no_price(
    small: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    """From the file to the tables: what is listed stays, whatever of it could not be believed."""
    price = ("0.000001", "0.000002")
    ids = ("a/field", "a/price", "a/slug", "a/twice", "a/bare", "a/gone")
    first = builders.catalogue(dict.fromkeys(ids, price))
    bad = json.loads(
        builders.catalogue(
            dict.fromkeys(ids[:-1], price),
            {
                "a/field": {
                    "context_length": 1048576.0,
                    "benchmarks": {"artificial_analysis": {"coding_index": "N/A"}},
                },
                "a/price": {"pricing": {"prompt": "N/A", "completion": price[1]}},
                "a/slug": {"canonical_slug": ["a/slug"]},
            },
        )
    )
    bad["data"].append({**bad["data"][3], "name": "another"})
    del bad["data"][4]["pricing"]
    for day, content in ((1, first), (2, json.dumps(bad).encode())):
        path = drop(f"{day}.json", content)
        landed = land(path, small, as_of=datetime(2026, 9, day, tzinfo=UTC))
    assert (landed.good_rows, landed.quarantined_rows, landed.quarantined_fields) == (3, 3, 4)
    create_working_database(ingest_all(list_dumps(small), small), small)
    selected = ["--select", "+price_history", "+catalogue_changes", "+quarantine"]
    raise_on_failure(run_dbt(small, [*BUILD, "--exclude-resource-type", "test", *selected]))
    with duckdb.connect(str(small.database_path), read_only=True) as connection:
        prompts = connection.execute(
            "select model_permaslug, valid_to is null, day(last_seen_on) from marts.price_history "
            "where price_kind = 'prompt' and valid_from = date '2026-09-01' order by 1"
        ).fetchall()
        changes = connection.execute(
            "select model_id, change from marts.catalogue_changes order by all"
        ).fetchall()
        refused = connection.execute(
            "select row_number, scope, field, value from marts.quarantine order by all"
        ).fetchall()
    assert prompts == [
        ("a/bare", True, 1),
        ("a/field", True, 2),
        ("a/gone", False, 1),
        ("a/price", True, 1),
        ("a/slug", True, 1),
        ("a/twice", True, 1),
    ]
    assert changes == [("a/gone", "removed")]
    assert refused == [
        (1, "field", "benchmarks.artificial_analysis.coding_index", "N/A"),
        (1, "field", "context_length", "1048576.0"),
        (2, "field", "pricing.prompt", "N/A"),
        (3, "field", "canonical_slug", "a list"),
        (4, "row", "id", "a/twice"),
        (5, "row", "*", "an entry without `pricing`"),
        (6, "row", "id", "a/twice"),
    ]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        pytest.param(
            "alter table marts.quarantine alter row_number type integer;"
            "alter table metrics.headline alter share type float",
            r"^2 column\(s\) do not follow .*\n"
            r"  table headline, column share: found float, expected double\n"
            r"  table quarantine, column row_number: found int32, expected int64$",
            id="other types, in two tables",
        ),
        pytest.param(
            "alter table marts.quarantine add column shadow integer",
            r"table quarantine, column shadow: found int32, expected no such column$",
            id="a column too many",
        ),
        pytest.param(
            "alter table marts.quarantine drop column expected",
            r"table quarantine, column expected: found no such column, expected string$",
            id="a column is missing",
        ),
        pytest.param(
            "alter table marts.share_by_lab drop column rank;"
            "alter table marts.spend_by_lab drop column grain",
            r"^6 column\(s\) do not follow .*\n"
            r"(  table share_by_lab_(daily|monthly|weekly), column rank: found no such column, "
            r"expected int32\n){3}"
            r"(  table spend_by_lab_(daily|monthly|weekly), column grain: found no such column, "
            r"expected string\n?){3}$",
            id="a column of all grains is missing",
        ),
        pytest.param(
            "update marts.share_by_origin set grain = 'yearly' where grain = 'monthly'",
            r"^1 column\(s\) do not follow .*\n"
            r"  table share_by_origin_daily, column grain: found yearly, "
            r"expected one of daily, monthly, weekly$",
            id="rows of a grain that no table publishes",
        ),
        pytest.param(
            "update marts.usage_daily set tokens = null "
            "where usage_date <= date '2026-01-02' and model_permaslug = 'other'",
            r"table usage_daily, column tokens: found NULL in 2 of 336 rows \(the first: .*"
            r"usage_date=2026-01-01, .*model_permaslug=other\), expected a value$",
            id="no value in a required column",
        ),
        pytest.param(
            "alter table marts.usage_daily alter tokens type hugeint;"
            "alter table marts.price_history alter usd_per_million_tokens type decimal(18, 8)",
            r"^2 column\(s\) do not follow .*\n"
            r"  table price_history, column usd_per_million_tokens: found decimal128\(18, 8\), "
            r"expected decimal128\(18, 9\)\n"
            r"  table usage_daily, column tokens: found decimal128\(38, 0\), expected int64$",
            id="integers and decimals of another type",
        ),
        pytest.param(
            "alter table marts.price_history alter usd_per_million_tokens type decimal(38, 18);"
            "update marts.price_history set usd_per_million_tokens = 1000000000",
            r"^table price_history: a number has more digits than its contract has room for: "
            r".*1000000000.*DECIMAL\(18,9\)",
            id="a decimal that does not fit",
        ),
    ],
)
def test_a_table_that_does_not_keep_its_contract_is_not_exported(
    untouched: Settings, spoil: str, says: str
) -> None:
    ingested = ingest_all(list_dumps(untouched), untouched)
    with duckdb.connect(str(untouched.database_path)) as connection:
        connection.execute(spoil)
    with pytest.raises(TransformError, match=says):
        build_candidate(ingested, untouched)


def test_the_export_rounds_each_decimal_by_itself_and_last(untouched: Settings) -> None:
    """Halves away from zero; the order of the bounds stays."""
    ingested = ingest_all(list_dumps(untouched), untouched)
    with duckdb.connect(str(untouched.database_path)) as connection:
        connection.execute(
            "update marts.usage_daily set list_spend_low_usd = 0.00000000049999999999, "
            "list_spend_usd = 0.0000000005, list_spend_high_usd = 7.12345678950000000001 "
            "where usage_date = date '2026-01-02' and model_permaslug = 'openai/gpt-4o'"
        )
    path = build_candidate(ingested, untouched).tables_dir / "usage_daily.parquet"
    names = ["list_spend_low_usd", "list_spend_usd", "list_spend_high_usd"]
    with duckdb.connect() as connection:
        found = connection.execute(
            f"select {', '.join(names)} from '{path}' where usage_date = date '2026-01-02' "
            "and model_permaslug = 'openai/gpt-4o'"
        ).fetchall()
    assert found == [(Decimal(0), Decimal("0.000000001"), Decimal("7.123456790"))]


def test_shares_do_not_depend_on_the_order_of_rows(untouched: Settings) -> None:
    """The same rows in another order give the same tables, to the last bit."""
    tables = ["marts.share_by_rule_set", "metrics.claims"]

    def content() -> list[list[tuple[Any, ...]]]:
        with duckdb.connect(str(untouched.database_path), read_only=True) as connection:
            return [connection.sql(f"from {t} order by all").fetchall() for t in tables]

    before = content()
    with duckdb.connect(str(untouched.database_path)) as connection:
        connection.execute("""
            create table shuffled as select * from raw.openrouter_rankings
            order by hash(model_permaslug, usage_date);
            drop view raw.openrouter_rankings;
            create table raw.openrouter_rankings as select * from shuffled;
        """)
    assert all(r.ok for r in run_dbt(untouched, ["run", "--exclude", "tag:requests"]))
    assert content() == before
    assert all(before)


def test_the_bench_runs_the_sql_of_the_models(small: Settings, tmp_path: Path) -> None:
    """What a run is compared with makes every table that dbt makes."""
    (record,) = list_dumps(small)
    target = tmp_path / "bare"
    target.mkdir()
    bare_sql(small, small.landing_dir / record.path, record.sha256, target)
    made = {p.stem for p in target.glob("*.parquet")}
    assert made == {t.name for t in tables("published").values() if t.made_by_dbt}
