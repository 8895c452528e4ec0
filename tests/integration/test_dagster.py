"""The graph in Dagster: real definitions, a real instance on disk, one real run of the job."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from orchestration.assets.common import WRITER_POOL
from orchestration.contracts.odcs import published_by_model
from orchestration.gate.run import rule_titles
from orchestration.landing.store import land, list_dumps
from orchestration.publication.vintage import latest_vintage
from orchestration.resources.installation import Installation
from orchestration.settings import PROJECT_ROOT, SHIPPED_DUMPS, Settings
from tests import builders


@pytest.fixture(scope="module")
def definitions(small_base: Settings) -> dg.Definitions:
    """The code location, which the module builds on import, from the environment."""
    os.environ["TOKENSHARE_DATA_DIR"] = str(small_base.data_dir)
    try:
        from orchestration.definitions import defs
    finally:
        del os.environ["TOKENSHARE_DATA_DIR"]
    return defs


def run_job(
    definitions: dg.Definitions,
    settings: Settings,
    instance: dg.DagsterInstance,
    *assets: str,
) -> dg.ExecuteInProcessResult:
    """Run the job, or these assets of it, on an installation; a failure is in the result."""
    data_dir = {"installation": {"config": {"data_dir": str(settings.data_dir)}}}
    return definitions.resolve_job_def("publish_vintage").execute_in_process(
        {"resources": data_dir}, instance=instance, raise_on_error=False,
        asset_selection=[dg.AssetKey(name) for name in assets] or None,
    )  # fmt: skip


@pytest.fixture
def instance(tmp_path: Path) -> dg.DagsterInstance:
    """An instance on disk with the configuration that `make ui` uses."""
    home = tmp_path / "dagster"
    home.mkdir()
    config = PROJECT_ROOT / "orchestration" / "dagster.yaml"
    (home / "dagster.yaml").write_text(config.read_text(encoding="utf-8"), encoding="utf-8")
    return dg.DagsterInstance.from_config(str(home))


@pytest.fixture
def in_memory() -> Iterator[dg.DagsterInstance]:
    """An instance that is quicker: each of 500 events is a commit on disk."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_definitions_validate_as_a_workspace(small_base: Settings, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "TOKENSHARE_DATA_DIR": str(small_base.data_dir),
        "DAGSTER_HOME": str(tmp_path),
    }
    done = subprocess.run(
        [str(Path(sys.executable).parent / "dagster"), "definitions", "validate", "-w",
         "workspace.yaml"],
        cwd=PROJECT_ROOT, env=environment, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_asset_says_who_what_and_where(definitions: dg.Definitions) -> None:
    specs = definitions.resolve_all_asset_specs()
    keys = {s.key.to_user_string() for s in specs}
    assert {"landed_dumps", "raw/openrouter_rankings", "candidate", "vintage"} <= keys
    assert set(published_by_model()) <= keys
    for spec in specs:
        name = spec.key.to_user_string()
        assert spec.owners, name
        assert spec.description, name
        assert spec.group_name not in (None, "default"), name
        assert spec.kinds, name


def test_what_is_said_of_an_asset_is_prose(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        name = spec.key.to_user_string()
        said = spec.description or ""
        assert said[0].isupper(), name
        assert not [code for code in ("{{", "{%", "```", "#", "select ") if code in said], name


def test_published_tables_show_the_columns_of_their_contracts(definitions: dg.Definitions) -> None:
    specs = {s.key.to_user_string(): s for s in definitions.resolve_all_asset_specs()}
    for model, family in published_by_model().items():
        spec = specs[model]
        for table in family:
            assert table.description in (spec.description or "")
            assert len(family) == 1 or f"`{table.name}`" in (spec.description or "")
            if table.made_by_dbt:
                assert table.name in spec.metadata["published_tables"].split(", ")
        schema = spec.metadata["dagster/column_schema"]
        assert isinstance(schema, dg.TableSchema)
        assert [
            (c.name, c.type, c.description, not c.constraints.nullable) for c in schema.columns
        ] == [(f.name, f.sql_type, f.description, f.required) for f in family[0].fields]


def test_lineage_leads_from_the_dump_to_the_vintage(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    upstream = graph.get_ancestor_asset_keys(dg.AssetKey("vintage"))
    for name in ("landed_dumps", "candidate", "usage_daily", "stg_usage", "labs"):
        assert dg.AssetKey(name) in upstream, name
    assert dg.AssetKey(["raw", "openrouter_rankings"]) in upstream


def test_writers_share_one_pool_and_the_gate_is_all_checks(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def("publish_vintage")
    without = {node.name for node in job.nodes if node.definition.pool != WRITER_POOL}
    assert {name.split("_check")[0] for name in without} == {"everything_published", "freshness"}
    checks = {k.name for k in definitions.resolve_asset_graph().asset_check_keys}
    assert {f"gate_{rule.lower()}" for rule in rule_titles()} <= checks


def test_the_schedule_runs_every_night_after_the_source_in_utc(
    definitions: dg.Definitions,
) -> None:
    schedule = definitions.resolve_schedule_def("nightly")
    assert schedule.execution_timezone == "UTC"
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance, scheduled_execution_time=datetime(2026, 11, 24, 2, 45, tzinfo=UTC)
        )
        assert len(schedule.evaluate_tick(context).run_requests or []) == 1
    minute, hour, *rest = str(schedule.cron_schedule).split()
    assert (int(hour), int(minute)) > (1, 46)
    assert rest == ["*", "*", "*"]


def test_the_inbox_sensor_asks_for_one_run_per_state(
    definitions: dg.Definitions, small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENSHARE_INBOX_QUIET_SECONDS", "20")
    sensor = definitions.resolve_sensor_def("inbox")

    def tick() -> dg.SensorEvaluationContext:
        return dg.build_sensor_context(
            resources={"installation": Installation(data_dir=str(small.data_dir))}
        )

    def quiet(path: Path, seconds: int) -> None:
        os.utime(path, (time.time() - seconds,) * 2)

    assert not sensor.evaluate_tick(tick()).run_requests
    small.inbox_dir.mkdir()
    path = small.inbox_dir / "2026-03-05T01-46-00Z.csv"
    path.write_bytes(builders.csv3(builders.feed(builders.days("2026-01-01", 43))))
    waits = sensor.evaluate_tick(tick())
    assert not waits.run_requests, "it may still be being copied"
    assert "2026-03-05T01-46-00Z.csv: it was written to " in str(waits.skip_message)
    quiet(path, 60)
    (first,) = sensor.evaluate_tick(tick()).run_requests or []
    (same,) = sensor.evaluate_tick(tick()).run_requests or []
    assert first.run_key == same.run_key
    path.write_bytes(path.read_bytes() + b"\n")
    quiet(path, 30)
    (changed,) = sensor.evaluate_tick(tick()).run_requests or []
    assert changed.run_key != first.run_key


def test_landing_keeps_no_shipped_history_out_for_another_source(
    settings: Settings, drop: Callable[[str, bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.assets.landing import landed_dumps

    monkeypatch.setenv("TOKENSHARE_SHIPPED_HISTORY", "true")
    land(drop("2026-08-23.json", builders.catalogue({"a/b": ("0", "0")})), settings)
    installation = Installation(data_dir=str(settings.data_dir))
    assert dg.materialize([landed_dumps], resources={"installation": installation}).success
    shipped = {folder.parent.name for folder in SHIPPED_DUMPS}
    assert {r.source for r in list_dumps(settings)} == {"openrouter_models", *shipped}


def test_the_job_publishes_what_waits_in_the_inbox_and_shows_what_changed(
    definitions: dg.Definitions,
    small: Settings,
    instance: dg.DagsterInstance,
    hashed: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOKENSHARE_SERVE_TO", "postgresql://loader:a-password@127.0.0.1:1/marts")
    (landed_before,) = list_dumps(small)
    hashed.clear()
    small.inbox_dir.mkdir()
    rows = builders.feed(builders.days("2026-01-01", 43))
    builders.write(small.inbox_dir, "2026-03-05T01-46-00Z.csv.gz", builders.csv3(rows))
    builders.write(small.inbox_dir, "page.json", b"<html>502</html>")
    builders.write(small.inbox_dir, "half.csv.part", b"half a")
    put_two_catalogues_and_a_provider_list(small.inbox_dir)
    before = small.latest_path.read_bytes()
    result = run_job(definitions, small, instance)
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    assert failure.step_key == "everything_published"
    said = str(failure.step_failure_data.user_failure_data.description)
    assert "page.json" in said
    # The server of the address is down: said too, and the vintage is published.
    assert "PostgreSQL was not loaded: postgresql://loader:***@127.0.0.1:1/marts: conn" in said
    assert "a-password" not in said + str(result.all_events)
    assert hashed.count(str(small.landing_dir / landed_before.path)) == 1
    assert small.latest_path.read_bytes() != before
    checks = {c.check_name: c for c in result.get_asset_check_evaluations()}
    assert not checks["inbox_accepted"].passed
    assert "HTML" in str(checks["inbox_accepted"].metadata["page.json"].value)
    (landed,) = result.asset_materializations_for_node("landed_dumps")
    assert "half.csv.part: is left: its name" in str(landed.metadata["left_in_inbox"].value)
    assert checks["gate_day_total"].passed
    assert checks["assert_tokens_conserved"].passed
    (made,) = result.asset_materializations_for_node("vintage")
    assert made.metadata["published_by_this_run"].value is True
    assert "| CN |" in str(made.metadata["shares"].value)
    look_at_what_the_lists_changed(result)
    look_at_the_lineage_of_columns(definitions, small, result)

    monkeypatch.delenv("TOKENSHARE_SERVE_TO")
    again = run_job(definitions, small, instance, "candidate", "vintage")
    assert again.success
    (same,) = again.asset_materializations_for_node("vintage")
    assert same.metadata["published_by_this_run"].value is False


def put_two_catalogues_and_a_provider_list(inbox: Path) -> None:
    before = {
        "openai/gpt-4o": ("0.000001", "0.000002"),
        "openai/gone": ("0.000001", "0.000002"),
        "nobody-knows/a": ("0.000001", "0.000002"),
    }
    after = {
        "openai/gpt-4o": ("0.0000005", "0.000002"),
        "nobody-knows/a": ("0.000001", "0.000002"),
        "nobody-knows/b": ("0.000001", "0.000002"),
        "a|b/piped": ("0.000001", "0.000002"),
        **{f"openai/variant:{i:02}": ("0", "0") for i in range(40)},
    }
    for day, prices in (("2026-02-01", before), ("2026-02-15", after)):
        builders.write(inbox, f"{day}.json", builders.catalogue(prices))
    stated = {"anthropic": "US", "mistral": "DE", "newcomer": None}
    builders.write(inbox, "2026-06-01.json", builders.providers(stated))


def look_at_the_lineage_of_columns(
    definitions: dg.Definitions, small: Settings, result: dg.ExecuteInProcessResult
) -> None:
    made = [e.step_materialization_data.materialization for e in
            result.get_asset_materialization_events()]  # fmt: skip
    sources = {
        m.asset_key: {
            column: {(d.asset_key, d.column_name) for d in deps}
            for column, deps in m.metadata["dagster/column_lineage"].value.deps_by_column.items()
        }
        for m in made
        if "dagster/column_lineage" in m.metadata
    }
    with duckdb.connect(str(small.database_path), read_only=True) as connection:
        columns: dict[tuple[str, str], list[str]] = {}
        for schema, table, column in connection.execute(
            "select table_schema, table_name, column_name from information_schema.columns "
            "order by ordinal_position"
        ).fetchall():
            columns.setdefault((schema, table), []).append(column)
    has_columns = {
        dg.AssetKey(["raw", name] if schema == "raw" else [name]): found
        for (schema, name), found in columns.items()
    }
    graph = definitions.resolve_asset_graph()
    by_dbt = {m.asset_key for m in made if "dbt" in (graph.get(m.asset_key).kinds or ())}
    assert set(sources) == {k for k in by_dbt if graph.get(k).group_name != "registry"}
    for key, lineage in sources.items():
        assert list(lineage) == has_columns[key], key
        for parent, column in set().union(*lineage.values()):
            assert parent in graph.get(key).parent_keys, key
            assert column in has_columns[parent], key
    of_usage = sources[dg.AssetKey("usage_daily")]
    priced = dg.AssetKey("int_usage_priced")
    assert of_usage["origin"] == {(priced, "headquarters")}
    assert of_usage["list_spend_usd"] == {
        (priced, name)
        for name in (
            "tokens",
            "prompt_tokens",
            "completion_tokens",
            "is_priced",
            "prompt_e18",
            "completion_e18",
        )
    }
    assert of_usage["requests"] == {(priced, "requests")}
    # Every published share leads to the tokens that were landed.
    reached = {(dg.AssetKey("share_by_origin"), "share")}
    while more := {dep for key, column in reached for dep in sources.get(key, {}).get(column, ())
                   } - reached:  # fmt: skip
        reached |= more
    assert (dg.AssetKey(["raw", "openrouter_rankings"]), "tokens") in reached


def newest_changes(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """What the UI shows of the lists of changes, by asset."""
    from orchestration.assets.registry import CHANGES

    made = [e.step_materialization_data.materialization for e in
            result.get_asset_materialization_events()]  # fmt: skip
    shown = {m.asset_key.to_user_string(): m.metadata.get("newest_changes") for m in made}
    return {name: str(shown[name].value) for name in CHANGES}


def look_at_what_the_lists_changed(result: dg.ExecuteInProcessResult) -> None:
    shown = newest_changes(result)
    catalogue = shown["catalogue_changes"]
    assert catalogue.startswith(
        "The catalogue of 2026-02-15 compared with that of 2026-02-01: 42 new, 1 price_changed, "
        "1 removed. 20 of 44 rows:"
    )
    lines = catalogue.splitlines()[4:]
    assert len(lines) == 20
    note = "author without a row"
    assert lines[:3] == [
        f"| new | `a\\|b/piped` | model |  | `a\\|b/piped` | `a\\|b` | {note} |",
        f"| new | nobody-knows/b | model |  | nobody-knows/b | nobody-knows | {note} |",
        "| new | openai/variant:00 | model |  | openai/variant | openai |  |",
    ]
    assert lines[-2:] == [
        "| price_changed | openai/gpt-4o | prompt | 1 | 0.5 | openai |  |",
        "| removed | openai/gone | model | openai/gone |  | openai |  |",
    ]
    providers = shown["provider_changes"]
    assert providers.startswith(
        "The provider list of 2026-06-01 compared with that of 2026-05-22: 1 he"
    )
    assert "| headquarters_changed | mistral | Mistral | FR | DE |" in providers
    assert "| new | newcomer | Newcomer |  |  |" in providers
    checks = {c.check_name: c for c in result.get_asset_check_evaluations()}
    found = checks["authors_have_rows"]
    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.WARN
    assert found.metadata["catalogue"].value == "2026-02-15"
    missing = str(found.metadata["without_a_row"].value)
    assert missing.splitlines()[2:] == ["| `a\\|b` | 1 |", "| nobody-knows | 2 |"]


def test_without_a_catalogue_the_ui_says_so(small: Settings) -> None:
    from orchestration.assets import registry

    found = registry.authors_have_rows(installation=Installation(data_dir=str(small.data_dir)))
    assert isinstance(found, dg.AssetCheckResult)
    assert found.passed
    assert found.metadata["catalogue"].value == "none is landed"
    with duckdb.connect(str(small.database_path), read_only=True) as connection:
        said = registry.newest_changes(connection, registry.CHANGES["catalogue_changes"])
    assert said == "No catalogue is landed."


def test_a_source_that_cannot_be_published_is_withheld_and_said(
    definitions: dg.Definitions, small: Settings, in_memory: dg.DagsterInstance
) -> None:
    """gpt-oss at another price on 2025-11-14 is a correction that is not needed, at which dbt
    stops. What the gate refuses: test_publication.py."""
    small.inbox_dir.mkdir()
    wrong = builders.catalogue({"openai/gpt-oss-120b": ("0.00000005", "0.0000004")})
    builders.write(small.inbox_dir, "2025-11-14.json", wrong)
    result = run_job(definitions, small, in_memory)
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    assert failure.step_key == "everything_published"
    failed = {c.check_name: c for c in result.get_asset_check_evaluations() if not c.passed}
    said = failed["no_source_withheld"].metadata["openrouter_models"].value
    assert "NOT_BUILT" in str(said)
    assert failed["no_source_withheld"].severity == dg.AssetCheckSeverity.ERROR
    vintage = latest_vintage(small)
    assert vintage is not None
    assert [(w.source, [r.rule for r in w.rules]) for w in vintage.withheld] == [
        ("openrouter_models", ["NOT_BUILT"])
    ]
