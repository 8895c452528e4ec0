"""The data contracts are the one definition; everything derived from them agrees, both ways."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from open_data_contract_standard.model import OpenDataContractStandard

from orchestration.contracts.odcs import Table, contract_versions, tables
from orchestration.ingestion.checks import QUARANTINE_SCHEMA
from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import list_dumps
from orchestration.publication.vintage import latest_vintage
from orchestration.quality.gate import contract_terms
from orchestration.settings import CONTRACTS_DIR, DBT_PROJECT_DIR, PROJECT_ROOT, Settings
from orchestration.sources import SOURCES

FILES = sorted(CONTRACTS_DIR.rglob("*.odcs.yaml"))
PUBLISHED = tables("published")
# The columns that every reader may rely on, as promised in README and data_contracts.
SHARE_COLUMNS = {
    "source", "period_start", "days_present", "is_complete", "lens", "tokens", "total_tokens",
    "share", "share_low", "share_high", "rank",
}  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_contract_is_valid_odcs_v3(path: Path) -> None:
    contract = OpenDataContractStandard.from_file(str(path))
    assert contract.kind == "DataContract"
    assert contract.apiVersion == "v3.1.0"
    assert contract.version
    assert contract.status == "active"
    for schema in contract.schema_ or ():
        assert (schema.description or "").startswith("One row per"), schema.name
        assert schema.properties
        for prop in schema.properties:
            assert prop.description, f"{schema.name}.{prop.name}"


def test_every_published_table_has_a_required_key_and_types() -> None:
    for table in PUBLISHED.values():
        assert table.key, table.name
        assert all(f.required for f in table.fields if f.primary_key), table.name
        assert table.arrow_schema().names == [f.name for f in table.fields]


def test_every_contract_has_a_version() -> None:
    assert len(contract_versions()) == len(FILES)


# Groups of a rule set overlap: they have no rank.
RANKED = [n for n in PUBLISHED if n.startswith("share_by_") and "_rule_set_" not in n]


def test_share_tables_have_the_promised_columns() -> None:
    assert len(RANKED) > 10
    missing = {n: SHARE_COLUMNS - {f.name for f in PUBLISHED[n].fields} for n in RANKED}
    assert not any(missing.values()), missing


def test_every_public_model_has_a_contract_and_the_other_way_round() -> None:
    models = {
        p.stem
        for folder in ("marts", "metrics")
        for p in (DBT_PROJECT_DIR / "models" / folder).rglob("*.sql")
    }
    # `crossover` holds an interval that a library computes: its contract names the module.
    made_elsewhere = {
        t.name: t.properties["madeBy"] for t in PUBLISHED.values() if not t.made_by_dbt
    }
    assert made_elsewhere == {"crossover": "orchestration/metrics/crossover.py"}
    assert all((PROJECT_ROOT / module).exists() for module in made_elsewhere.values())
    assert models == set(PUBLISHED) - set(made_elsewhere)


def test_published_files_have_exactly_the_columns_of_their_contracts(small_base: Settings) -> None:
    """Data → contract, and contract → data, on a real vintage."""
    vintage = latest_vintage(small_base)
    assert vintage is not None
    files = {p.stem: p for p in (vintage.path / "tables").glob("*.parquet")}
    assert set(files) == set(PUBLISHED)
    for name, path in files.items():
        assert pq.read_schema(path).equals(PUBLISHED[name].arrow_schema()), name


def test_raw_files_have_exactly_the_columns_of_their_contracts(small_base: Settings) -> None:
    for item in ingest_all(list_dumps(small_base), small_base):
        table = tables("raw")[SOURCES[item.record.source].contract]
        expected = ["dump_sha256", "row_number", *table.arrow_schema().names]
        assert pq.read_schema(item.rows_path).names == expected
        assert pq.read_schema(item.quarantine_path).names == [
            "dump_sha256",
            "source",
            *QUARANTINE_SCHEMA.names,
        ]


def test_every_source_has_a_raw_contract_and_the_other_way_round() -> None:
    assert {s.contract for s in SOURCES.values()} == set(tables("raw"))


@pytest.mark.parametrize("table", PUBLISHED.values(), ids=lambda t: t.name)
def test_everything_that_a_contract_states_is_asked_by_the_gate(table: Table) -> None:
    asked = {(t.code, t.column) for t in contract_terms(table)}
    for field in table.fields:
        if field.required:
            assert ("NOT_NULL", field.name) in asked
        if field.minimum is not None or field.maximum is not None:
            assert ("VALUE_RANGE", field.name) in asked
        if field.enum:
            assert ("VALUE_SET", field.name) in asked
        if field.pattern:
            assert ("VALUE_FORM", field.name) in asked
    assert ("KEY", ", ".join(table.key)) in asked
