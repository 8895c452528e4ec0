"""The data contracts are the one definition; everything derived from them agrees, both ways."""

import hashlib
import re
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from orchestration.contracts.odcs import (
    Table,
    contract_versions,
    published_by_model,
    read_contract,
    shared_columns,
    tables,
)
from orchestration.errors import TokenshareError
from orchestration.gate.run import contract_terms
from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import list_dumps
from orchestration.publication.manifest import DATA_INTERFACE_VERSION
from orchestration.publication.views import views
from orchestration.publication.vintage import latest_vintage
from orchestration.request_logs import ALL_SOURCES, REQUEST_LOGS
from orchestration.settings import (
    CONTRACTS_DIR,
    DBT_PROJECT_DIR,
    PRIMARY_SOURCE,
    PROJECT_ROOT,
    Settings,
)
from orchestration.sources import SOURCES
from orchestration.sources.checks import QUARANTINE_SCHEMA

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
    assert all(f.description for table in read_contract(path) for f in table.fields)


def test_every_published_table_has_a_required_key_and_types() -> None:
    for table in PUBLISHED.values():
        assert table.key, table.name
        assert all(f.required for f in table.fields if f.primary_key), table.name
        assert table.arrow_schema().names == [f.name for f in table.fields]


def test_a_column_name_means_one_thing() -> None:
    """One logical type for each name, and one description unless a contract says a narrower one."""
    shared = shared_columns(CONTRACTS_DIR / "published")
    found: dict[str, set[tuple[str, str]]] = {}
    for table in PUBLISHED.values():
        for field in table.fields:
            found.setdefault(field.name, set()).add((field.logical_type, field.description))
    types = {name: {t for t, _ in said} for name, said in found.items()}
    assert {name: t for name, t in types.items() if len(t) > 1} == {}
    several = {name for name, said in found.items() if len(said) > 1}
    assert several <= set(shared), "define these once in data_contracts/published/columns.yml"


def test_what_contracts_share_is_said_once() -> None:
    """A contract repeats nothing of a shared column, and a column that one table has is its own."""
    shared = shared_columns(CONTRACTS_DIR / "published")
    used: dict[str, int] = dict.fromkeys(shared, 0)
    repeated = []
    for path in sorted((CONTRACTS_DIR / "published").glob("*.odcs.yaml")):
        schemas = yaml.safe_load(path.read_text(encoding="utf-8"))["schema"]
        # Tables of one contract that differ by their grain have the same list.
        for columns in {id(s["properties"]): s["properties"] for s in schemas}.values():
            for column in columns:
                if column["name"] in shared:
                    used[column["name"]] += 1
                    whole = shared[column["name"]].model_dump(exclude_unset=True, exclude={"name"})
                    repeated += [(path.name, *i) for i in column.items() if whole.get(i[0]) == i[1]]
    assert {name for name, n in used.items() if n < 2} == set()
    assert repeated == []


CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: c
version: 1.0.0
status: active
schema:
  - name: t
    properties:
      - {name: tokens, required: true}
      - {name: share, description: Of this table.}
      - {name: %s, logicalType: string}
"""
COLUMNS = """
tokens: {logicalType: integer, physicalType: bigint, description: Tokens., logicalTypeOptions: {minimum: 0}}
share: {logicalType: number, physicalType: double, description: A fraction.}
lens: {logicalType: string, physicalType: varchar, description: Words., enum: [{value: a}]}
"""  # noqa: E501 - a column is one line, as in the contracts


def contract(folder: Path, name: str) -> Path:
    (folder / "columns.yml").write_text(COLUMNS, encoding="utf-8")
    path = folder / "t.odcs.yaml"
    path.write_text(CONTRACT % name, encoding="utf-8")
    return path


def test_a_column_that_says_its_name_takes_the_rest_from_the_shared_one(tmp_path: Path) -> None:
    (table,) = read_contract(contract(tmp_path, "lens"))
    tokens, share, lens = table.fields
    assert (tokens.sql_type, tokens.minimum, tokens.required) == ("bigint", 0, True)
    assert (share.sql_type, share.required, share.description) == (
        "double",
        False,
        "Of this table.",
    )
    assert lens.enum == ("a",)


def test_a_misspelled_column_is_named_with_its_file_and_table(tmp_path: Path) -> None:
    path = contract(tmp_path, "lense")
    with pytest.raises(TokenshareError, match=f"{path}: table t, column 'lense': has no type"):
        read_contract(path)


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
    assert models == set(published_by_model()) - set(made_elsewhere)


def test_a_family_is_one_model_with_a_table_per_grain() -> None:
    families = {m: [t.grain for t in ts] for m, ts in published_by_model().items() if len(ts) > 1}
    assert len(families) > 5
    for name in ("share_by_rule_set", "gateway_spend_by_lab", "gateway_comparison_by_lab",
                 "gateway_comparison_by_origin"):  # fmt: skip
        assert families.pop(name) == ["monthly", "weekly"]
    assert all(grains == ["daily", "monthly", "weekly"] for grains in families.values())
    for model, family in published_by_model().items():
        assert all(t.fields == family[0].fields for t in family), model
        assert {t.name for t in family} == (
            {f"{model}_{t.grain}" for t in family} if model in families or len(family) > 1
            else {model}
        )  # fmt: skip


def test_published_files_have_exactly_the_columns_of_their_contracts(small_base: Settings) -> None:
    """Data → contract, and contract → data, on a real vintage."""
    vintage = latest_vintage(small_base)
    assert vintage is not None
    files = {p.stem: p for p in (vintage.path / "tables").glob("*.parquet")}
    assert set(files) == set(PUBLISHED)
    for name, path in files.items():
        assert pq.read_schema(path).equals(PUBLISHED[name].arrow_schema()), name


# What pandas, BI tools and other engines can hold. They have no HUGEINT, and cut longer decimals.
HELD_BY_TOOLS = {"VARCHAR", "BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP"}


def is_held_by_tools(sql_type: str) -> bool:
    decimal = re.fullmatch(r"DECIMAL\((\d+), ?(\d+)\)", sql_type)
    if decimal:
        return int(decimal[1]) <= 28 and int(decimal[2]) <= 9
    return sql_type in HELD_BY_TOOLS


@pytest.mark.parametrize(
    ("sql_type", "held"),
    [
        ("BIGINT", True), ("HUGEINT", False), ("UHUGEINT", False), ("UBIGINT", False),
        ("DECIMAL(28,9)", True), ("DECIMAL(29,9)", False), ("DECIMAL(28,10)", False),
        ("DECIMAL(38,0)", False), ("BIGINT[]", False), ("INTERVAL", False),
    ],
)  # fmt: skip
def test_what_tools_can_hold(sql_type: str, held: bool) -> None:
    assert is_held_by_tools(sql_type) is held


def test_no_tool_chokes_on_a_published_type(small_base: Settings) -> None:
    """In every contract, and in every table and view of a real database."""
    stated = {(t.name, f.name): f.sql_type.upper() for t in PUBLISHED.values() for f in t.fields}
    vintage = latest_vintage(small_base)
    assert vintage is not None
    with duckdb.connect(str(vintage.path / "tokenshare.duckdb"), read_only=True) as connection:
        held = {
            (relation, column): sql_type
            for relation, column, sql_type in connection.execute(
                "select table_name, column_name, data_type from duckdb_columns() where not internal"
            ).fetchall()
        }
    assert {relation for relation, _ in held} == {*PUBLISHED, *(view.name for view in views())}
    assert held.keys() > stated.keys()
    for types in (stated, held):
        assert {c: t for c, t in types.items() if not is_held_by_tools(t)} == {}


def test_a_reference_leads_to_the_key_of_a_table() -> None:
    """Each of its columns is required, and means in both tables the same."""
    references = [(t, r) for t in PUBLISHED.values() for r in t.references]
    assert len(references) > 10
    for table, reference in references:
        parent = PUBLISHED[reference.table]
        assert reference.to == parent.key
        own, theirs = (
            [(f.sql_type, f.required) for name in names for f in of.fields if f.name == name]
            for of, names in ((table, reference.columns), (parent, reference.to))
        )
        assert own == theirs
        assert all(required for _, required in own)


@pytest.mark.parametrize(
    "ends",
    [
        "from: [t.tokens, t.share], to: [u.tokens]",
        "from: [u.tokens], to: [t.tokens]",
        "from: [t.tokens, t.share], to: [u.tokens, v.share]",
        "from: [t.tokens], to: [tokens]",
        "to: [u.tokens]",
    ],
)
def test_a_reference_that_leads_nowhere_is_named_with_its_file_and_table(
    tmp_path: Path, ends: str
) -> None:
    path = contract(tmp_path, "lens")
    said = f"    relationships: [{{type: foreignKey, {ends}}}]\n"
    path.write_text(path.read_text(encoding="utf-8") + said, encoding="utf-8")
    with pytest.raises(TokenshareError, match=f"{path}: table t: a relationship is from"):
        read_contract(path)


def test_raw_files_have_exactly_the_columns_of_their_contracts(small_base: Settings) -> None:
    for item in ingest_all(list_dumps(small_base), small_base):
        table = SOURCES[item.record.source].table
        expected = ["dump_sha256", "row_number", *table.arrow_schema().names]
        assert pq.read_schema(item.rows_path).names == expected
        assert pq.read_schema(item.quarantine_path).names == [
            "dump_sha256",
            "source",
            *QUARANTINE_SCHEMA.names,
        ]


def test_every_source_has_a_raw_contract_and_the_other_way_round() -> None:
    assert set(ALL_SOURCES) == set(tables("raw"))
    assert SOURCES[PRIMARY_SOURCE].kind == "usage"


def test_dbt_knows_the_table_of_every_source_and_no_other(small_base: Settings) -> None:
    """What the working database holds is made from `SOURCES`; the rows of request logs are in a
    database of their own while their days are reduced."""
    declared = [
        table["name"]
        for path in (DBT_PROJECT_DIR / "models").rglob("*.yml")
        for source in yaml.safe_load(path.read_text(encoding="utf-8")).get("sources", ())
        for table in source["tables"]
    ]
    with duckdb.connect(str(small_base.database_path), read_only=True) as connection:
        made = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'raw'"
        ).fetchall()
    assert sorted(declared) == sorted([*REQUEST_LOGS, *(name for (name,) in made)])


@pytest.mark.parametrize("table", PUBLISHED.values(), ids=lambda t: t.name)
def test_everything_that_a_contract_states_of_values_is_asked_by_the_gate(table: Table) -> None:
    asked = {(t.code, t.column) for t in contract_terms(table)}
    for field in table.fields:
        if field.minimum is not None or field.maximum is not None:
            assert ("VALUE_RANGE", field.name) in asked
        if field.enum:
            assert ("VALUE_SET", field.name) in asked
        if field.pattern:
            assert ("VALUE_FORM", field.name) in asked
    assert ("KEY", ", ".join(table.key)) in asked
    for reference in table.references:
        assert ("REFERENCE", ", ".join(reference.columns)) in asked


def test_the_version_of_the_data_interface_is_that_of_these_tables() -> None:
    """Tables, columns, types, contract versions and views, held as a hash in CHANGELOG.md."""
    lines = [
        f"{table.name} {table.contract_version} {field.name} {field.sql_type}\n"
        for table in PUBLISHED.values()
        for field in table.fields
    ]
    lines += [f"{view.name} {view.sql}\n" for view in views()]
    now = hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
    newest = re.search(
        r"^## (\S+).*\n\nsha256 of the published tables: `(\w+)`$",
        (PROJECT_ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert newest, "the newest heading of CHANGELOG.md lacks its line `sha256 of the published …`"
    assert newest[1] == DATA_INTERFACE_VERSION, (
        "DATA_INTERFACE_VERSION is not the newest heading of CHANGELOG.md"
    )
    assert newest[2] == now, (
        f"a table, column, type, contract version or view is not what CHANGELOG.md {newest[1]} was "
        "written for. Add a row there that says what changed, with old and new name, and raise the "
        "version of the contract. If the newest heading is released already, begin a new one and "
        "set DATA_INTERFACE_VERSION: the first number if a name, type or meaning changed, the "
        f"second if something was added. Then set the line to `{now}`"
    )
