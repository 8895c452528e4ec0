"""dbt's own tests, run by dbt: unit tests of every rule, and data tests that can fail."""

import json

import duckdb
import pytest

from orchestration.settings import Settings
from orchestration.transformation.dbt import ensure_manifest, run_dbt


def test_every_unit_test_passes(small: Settings) -> None:
    results = run_dbt(small, ["test", "--select", "test_type:unit"])
    failed = {r.name: r.message for r in results if r.status != "pass"}
    assert not failed
    manifest = json.loads(ensure_manifest(small).read_text())
    assert len(results) == len(manifest["unit_tests"]) >= 22


def test_every_model_with_a_rule_has_a_unit_test(small: Settings) -> None:
    manifest = json.loads(ensure_manifest(small).read_text())
    tested = {t["model"] for t in manifest["unit_tests"].values()}
    models = {n["name"] for n in manifest["nodes"].values() if n["resource_type"] == "model"}
    # Grains of one macro: each grain has a test of its own once.
    same_macro = {
        f"share_by_{subject}_{grain}"
        for subject in ("lab", "price_band")
        for grain in ("weekly", "monthly")
    }
    assert models - tested == same_macro


def test_every_model_and_column_is_documented(small: Settings) -> None:
    manifest = json.loads(ensure_manifest(small).read_text())
    for node in manifest["nodes"].values():
        if node["resource_type"] in ("model", "seed"):
            assert node["description"].startswith("One row per"), node["name"]
        if node["resource_type"] == "model":
            assert node["columns"], node["name"]
            assert all(c["description"] for c in node["columns"].values()), node["name"]


@pytest.mark.parametrize(
    ("test", "spoil"),
    [
        (
            "assert_tokens_conserved",
            "update marts.usage_daily set tokens = tokens + 1 where model_permaslug = 'other' "
            "and usage_date = date '2026-01-20'",
        ),
        (
            "assert_tokens_conserved",
            "delete from marts.share_by_lab_monthly where lab_id = 'openai'",
        ),
        (
            "assert_shares_add_up",
            "update marts.share_by_origin_weekly set share = share * 0.999 where origin = 'CN'",
        ),
        (
            "assert_registry_periods_do_not_overlap",
            "insert into registry.authors (author, lab_id) values ('openai', 'google')",
        ),
        (
            "assert_prices_do_not_overlap",
            "insert into marts.price_history select * replace (date '2024-01-01' as valid_from, "
            "null as valid_to) from marts.price_history limit 1",
        ),
    ],
)
def test_data_tests_can_fail(small: Settings, test: str, spoil: str) -> None:
    (before,) = run_dbt(small, ["test", "--select", test])
    assert before.status == "pass"
    with duckdb.connect(str(small.database_path)) as connection:
        connection.execute(spoil)
    (after,) = run_dbt(small, ["test", "--select", test])
    assert after.status == "fail"
    assert after.failures > 0
