"""The registry's commands and a run of the pipeline must give one and the same answer."""

import re
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from orchestration.diff.registry import diff
from orchestration.publication.vintage import Vintage
from orchestration.registry.attribution import MODEL, attribute, render
from orchestration.registry.check import check
from orchestration.registry.registry import TABLES, WORKING, load
from orchestration.settings import DBT_PROJECT_DIR, Settings
from orchestration.tables import sql_text

Shipped = tuple[Settings, Vintage]


def test_the_model_is_rendered_as_dbt_compiles_it(small_base: Settings) -> None:
    compiled = (
        small_base.dbt_target_dir / "compiled" / "tokenshare" / MODEL.relative_to(DBT_PROJECT_DIR)
    ).read_text(encoding="utf-8")
    relations = re.sub(r'"tokenshare"\."(\w+)"\."(\w+)"', r"\1.\2", compiled)
    ours = render(
        MODEL.read_text(encoding="utf-8"),
        "registry",
        stg_usage="staging.stg_usage",
        run_settings="raw.run_settings",
        int_task_models="intermediate.int_task_models",
    )
    assert ours.split() == relations.split()


def test_every_seed_is_read_as_dbt_reads_it(small_base: Settings) -> None:
    """Same columns as the seeds that dbt built, and the same values in those."""
    with duckdb.connect() as connection:
        load(connection, WORKING, "registry")
        connection.execute(f"attach {sql_text(small_base.database_path)} as built (read_only)")
        for table, columns in TABLES.items():
            listed = ", ".join(columns)
            different = connection.execute(
                f"(select {listed} from registry.{table} except all "
                f"select {listed} from built.registry.{table}) union all "
                f"(select {listed} from built.registry.{table} except all "
                f"select {listed} from registry.{table})"
            ).fetchall()
            assert different == []


def test_attribution_is_the_published_one(shipped: Shipped) -> None:
    """Every slug and day of the shipped history, in the view that is published."""
    settings, vintage = shipped
    usage = sql_text(vintage.path / "tables" / "usage_daily.parquet")
    view = sql_text(settings.registry_view)
    with duckdb.connect() as connection:
        load(connection, WORKING, "registry")
        connection.execute(f"create view usage as select * from read_parquet({usage})")
        attribute(connection, "registry", "usage", datetime.now(UTC).date())
        ((all_rows,),) = connection.execute("select count(*) from usage").fetchall()
        ((rows, same),) = connection.execute(
            "select count(*), count(*) filter (where usage.identification = a.identification "
            "and usage.lab_id is not distinct from a.lab_id) from usage "
            "inner join registry.attribution as a using (usage_date, base_slug) "
            f"where a.registry_view = {view}"
        ).fetchall()
    assert rows == same == all_rows


def test_a_fresh_vintage_differs_in_nothing_from_its_seeds(shipped: Shipped) -> None:
    settings, vintage = shipped
    found = diff("latest", "working", settings, datetime.now(UTC).date())
    assert found["a"]["version"] == vintage.vintage_id
    assert (found["rows"], found["shares"]) == ([], [])


def test_the_shipped_registry_passes_its_own_check(shipped: Shipped) -> None:
    """Not its age: that is for whoever keeps it, and would fail with the calendar."""
    found = check(shipped[0], datetime.now(UTC).date(), max_age_days=100_000)
    assert found["outdated_judgements"] == []
    assert found["failures"] == []
    assert found["models_without_row"] == []


def test_no_opinion_is_about_what_the_registry_does_not_know() -> None:
    with duckdb.connect() as connection:
        load(connection, WORKING, "registry")
        unknown = connection.execute(
            "select subject from registry.second_opinions where subject_kind = 'lab' "
            "and subject not in (select lab_id from registry.labs)"
        ).fetchall()
    assert unknown == []


def test_the_seeds_hold_no_path_of_a_machine() -> None:
    text = (DBT_PROJECT_DIR / "seeds" / "second_opinions.csv").read_text(encoding="utf-8")
    assert not re.search(r"(^|[,\s])/(home|work|root|tmp|Users)/", text)
    assert Path(text.split(",", 1)[0]).name == "subject_kind"
