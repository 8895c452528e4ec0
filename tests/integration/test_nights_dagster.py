"""Nights in Dagster: pulls by day, alerts, freshness, runs made elsewhere, and old runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from http.server import HTTPServer
from pathlib import Path

import dagster as dg
import pytest

from orchestration import run_log
from orchestration.assets import common
from orchestration.assets.common import errors_as_failures
from orchestration.assets.landing import landed_dumps, pulled_days
from orchestration.automation import watch
from orchestration.automation.freshness import freshness_checks
from orchestration.demo.server import demo_server, make_demo
from orchestration.errors import RunLockedError, TokenshareError, TransformError
from orchestration.landing.store import land, list_dumps
from orchestration.publication.vintage import latest_vintage
from orchestration.resources.installation import Installation
from orchestration.settings import PROJECT_ROOT, Settings
from tests import builders
from tests.unit.test_alerts import Webhook


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def source(
    settings: Settings, drop: Callable[[str, bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """An installation with 40 days of a small feed landed, whose pulls reach a real server of this
    machine. The server's newest snapshot is of 2026-03-03, its oldest of 2026-02-20."""
    rows = builders.feed(builders.days("2026-01-20", 40))
    land(drop("2026-03-01T01-46-00Z.csv.gz", builders.csv3(rows)), settings)
    demo = make_demo(date(2026, 3, 3), settings, oldest=date(2026, 2, 20))
    with demo_server(demo) as running:
        monkeypatch.setenv("TOKENSHARE_SOURCE_URL", running.base_url)
        monkeypatch.setenv("TOKENSHARE_PULL_RETRIES", "0")
        yield settings


def resources(settings: Settings) -> dict[str, object]:
    return {"installation": Installation(data_dir=str(settings.data_dir))}


def landing_of(done: dg.ExecuteInProcessResult) -> dg.AssetMaterialization:
    """The materialization of `landed_dumps`, whose step marks pulled days too."""
    (made,) = [
        m
        for m in done.asset_materializations_for_node("landed_dumps")
        if m.asset_key == dg.AssetKey("landed_dumps")
    ]
    return made


def marked_days(instance: dg.DagsterInstance) -> set[str]:
    return set(instance.get_materialized_partitions(dg.AssetKey("pulled_days")))


def test_the_nightly_landing_pulls_what_is_new_and_marks_its_days(
    source: Settings, instance: dg.DagsterInstance
) -> None:
    config = {"ops": {"landed_dumps": {"config": {"pull": True}}}}
    done = dg.materialize(
        [landed_dumps, pulled_days],
        selection=[landed_dumps],
        resources=resources(source),
        instance=instance,
        run_config=config,
    )
    assert done.success
    assert {"2026-03-01", "2026-03-02"} <= marked_days(instance)
    made = landing_of(done)
    assert int(str(made.metadata["calls"].value)) > 3
    checks = {c.check_name: c for c in done.get_asset_check_evaluations()}
    assert checks["rankings_pulled"].passed
    (run,) = run_log.read_runs(source)
    assert (run.run_id, run.entrance, run.what) == (done.run_id, "ui", "run")


def test_a_run_without_pull_asks_nobody(source: Settings, instance: dg.DagsterInstance) -> None:
    done = dg.materialize(
        [landed_dumps, pulled_days],
        selection=[landed_dumps],
        resources=resources(source),
        instance=instance,
    )
    made = landing_of(done)
    assert made.metadata["calls"].value == 0
    assert marked_days(instance) == set()


def test_a_source_that_does_not_answer_is_a_failed_check_and_the_landing_goes_on(
    source: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENSHARE_SOURCE_URL", "http://127.0.0.1:9")
    done = dg.materialize(
        [landed_dumps, pulled_days],
        selection=[landed_dumps],
        resources=resources(source),
        instance=instance,
        run_config={"ops": {"landed_dumps": {"config": {"pull": True}}}},
    )
    assert done.success
    checks = {c.check_name: c for c in done.get_asset_check_evaluations()}
    assert not checks["rankings_pulled"].passed
    made = landing_of(done)
    assert "127.0.0.1:9" in str(made.metadata["pull_failure"].value)


def test_a_backfill_pulls_its_days_in_one_run_and_names_those_that_it_cannot(
    source: Settings, instance: dg.DagsterInstance
) -> None:
    job = dg.Definitions(
        assets=[pulled_days],
        jobs=[dg.define_asset_job("pull_days", selection=[pulled_days])],
        resources=resources(source),
    ).resolve_job_def("pull_days")

    def backfill(first: str, last: str) -> dg.ExecuteInProcessResult:
        tags = {
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
        }
        return job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)

    assert backfill("2026-03-01", "2026-03-02").success
    assert marked_days(instance) == {"2026-03-01", "2026-03-02"}
    assert len(list_dumps(source)) == 3
    # The feed begins on 2026-01-20: no dump and no snapshot has the days before it.
    failed = backfill("2026-01-19", "2026-01-20")
    (failure,) = [e for e in failed.all_events if e.is_step_failure]
    said = str(failure.step_failure_data.user_failure_data.description)
    assert "2026-01-19: " in said
    assert "2026-01-20: " not in said
    assert marked_days(instance) == {"2026-01-20", "2026-03-01", "2026-03-02"}


def one_step(work: Callable[[], None], name: str) -> dg.JobDefinition:
    """A job of one asset that turns errors into failures as all assets do."""

    @dg.asset(name=name)
    def made() -> None:
        with errors_as_failures():
            work()

    job = dg.define_asset_job("j", [made], executor_def=dg.in_process_executor)
    return dg.Definitions(assets=[made], jobs=[job]).resolve_job_def("j")


@pytest.mark.parametrize(("error", "tries"), [(RunLockedError, 3), (TransformError, 1)])
def test_only_an_error_that_may_be_gone_later_is_tried_again(
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    error: type[TokenshareError],
    tries: int,
) -> None:
    monkeypatch.setattr(common, "_FIRST_DELAY_SECONDS", 0)
    seen = []

    def work() -> None:
        seen.append(1)
        raise error("this failed")

    done = one_step(work, "fails").execute_in_process(instance=instance, raise_on_error=False)
    assert len(seen) == tries
    (failure,) = [e for e in done.all_events if e.is_step_failure]
    said = failure.step_failure_data.user_failure_data
    assert (said.description, said.metadata["exit_code"].value) == ("this failed", error.exit_code)


def test_a_step_that_is_canceled_is_not_tried_again(
    instance: dg.DagsterInstance, small_base: Settings
) -> None:
    from orchestration.definitions import build_definitions

    job = build_definitions(small_base).resolve_job_def("publish_vintage")
    assert {node.definition.retry_policy for node in job.nodes} == {None}
    seen = []

    def work() -> None:
        seen.append(1)
        raise KeyboardInterrupt

    with suppress(BaseException):
        one_step(work, "canceled").execute_in_process(instance=instance, raise_on_error=False)
    assert seen == [1]


def failing_sensor(
    sensor: dg.SensorDefinition, run: dg.ExecuteInProcessResult, instance: dg.DagsterInstance,
    settings: Settings,
) -> None:  # fmt: skip
    """Evaluate the sensor of failed runs on a run, with the events that the daemon gives it."""
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_instance=instance,
        dagster_run=run.dagster_run,
        dagster_event=run.get_run_failure_event(),
        resources=resources(settings),
    ).for_run_failure()
    sensor(context)


def test_a_failed_run_is_sent_with_the_step_the_error_and_a_link(
    source: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.write(source.data_dir, "inbox", b"a file where a folder should be")
    run = dg.materialize(
        [landed_dumps, pulled_days],
        selection=[landed_dumps],
        resources=resources(source),
        instance=instance,
        raise_on_error=False,
        tags={"dagster/schedule_name": "nightly"},
    )
    assert not run.success
    server = HTTPServer(("127.0.0.1", 0), Webhook)
    server.posted, server.status = [], 200  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("TOKENSHARE_ALERT_WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/x")
    monkeypatch.setenv("TOKENSHARE_UI_URL", "http://127.0.0.1:3111")
    failing_sensor(watch.alert, run, instance, source)
    server.shutdown()
    server.server_close()
    ((_, _, document),) = server.posted  # type: ignore[attr-defined]
    text = document["text"]
    assert f"{run.run_id[:8]} (schedule nightly) failed: step landed_dumps" in text
    assert "inbox: cannot be read: Not a directory" in text
    assert "Do what the message says" in text
    assert f"More: http://127.0.0.1:3111/runs/{run.run_id}\n" in text
    (entered,) = run_log.read_runs(source)
    assert (entered.run_id, entered.entrance, entered.outcome, entered.exit_code) == (
        run.run_id, "schedule", "failed", 1,
    )  # fmt: skip
    assert "Not a directory" in entered.error


def outside(settings: Settings, instance: dg.DagsterInstance) -> dg.SensorResult | dg.SkipReason:
    context = dg.build_sensor_context(instance, resources=resources(settings))
    return watch.vintages(context)  # type: ignore[return-value]


def test_a_vintage_of_the_command_line_is_shown_once_with_its_numbers_and_checks(
    restated_base: Settings, instance: dg.DagsterInstance
) -> None:
    found = outside(restated_base, instance)
    assert isinstance(found, dg.SensorResult)
    for event in found.asset_events:
        instance.report_runless_asset_event(event)
    newest = latest_vintage(restated_base)
    assert newest is not None
    made = instance.fetch_materializations(dg.AssetKey("vintage"), limit=10).records
    assert len(made) == 2
    shown = made[0].asset_materialization
    assert shown is not None
    assert shown.metadata["vintage_id"].value == newest.vintage_id
    assert shown.metadata["newest_day"].value == "2026-02-12"
    assert isinstance(shown.metadata["tokens"], dg.IntMetadataValue)
    for name in ("us_share", "cn_share", "coverage", "unmapped", "tail"):
        value = shown.metadata[name].value
        assert isinstance(value, float)
        assert 0 <= value <= 1
    assert str(shown.metadata["report"].value) == (
        f"http://127.0.0.1:3001/vintages/{newest.vintage_id}/report/index.html"
    )
    weeks = [line.split(" | ")[0] for line in str(shown.metadata["shares"].value).splitlines()[2:]]
    assert weeks == sorted(weeks, reverse=True)
    assert isinstance(outside(restated_base, instance), dg.SkipReason)


def shown_runs(settings: Settings, instance: dg.DagsterInstance) -> dict[str, list[bool]]:
    """The runs that the sensor shows, by id, with the results of the last check of each."""
    found = outside(settings, instance)
    events = found.asset_events if isinstance(found, dg.SensorResult) else ()
    runs: dict[str, list[bool]] = {}
    for event in events:
        instance.report_runless_asset_event(event)
        run_id = str(event.metadata["run_id"].value)
        if isinstance(event, dg.AssetObservation):
            runs[run_id] = []
        else:
            assert isinstance(event, dg.AssetCheckEvaluation)
            assert (event.asset_key.path, event.check_name) == (["vintage"], "everything_published")
            runs[run_id].append(event.passed)
    return runs


def test_failed_runs_of_the_command_line_turn_the_last_check_red_until_a_good_one(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    night = datetime(2026, 11, 28, 2, 45, tzinfo=UTC)

    def ended(run_id: str, exit_code: int, hours: int, entrance: run_log.Entrance) -> None:
        started = night + timedelta(hours=hours)
        run_log.begin(settings, "run", entrance, run_id, started)
        run_log.end(
            settings, run_id, "failed" if exit_code else "nothing_new", exit_code=exit_code,
            error="DAY_TOTAL: <b>2026-02-11</b>" if exit_code else "",
            ended=started + timedelta(seconds=30),
        )  # fmt: skip

    ended("refused", 5, 0, "command_line")
    assert shown_runs(settings, instance) == {"refused": [False]}
    (record,) = instance.fetch_observations(dg.AssetKey("vintage"), limit=10).records
    seen = record.asset_observation
    assert seen is not None
    assert {name: seen.metadata[name].value for name in ("started", "ended", "outcome")} == {
        "started": "2026-11-28T02:45:00Z", "ended": "2026-11-28T02:45:30Z", "outcome": "failed",
    }  # fmt: skip
    assert str(seen.metadata["left_out"].value) == "- `DAY_TOTAL: <b>2026-02-11</b>`"
    assert "gate" in str(seen.metadata["what_to_do"].value)
    assert shown_runs(settings, instance) == {}

    ended("good", 0, 1, "command_line")
    assert shown_runs(settings, instance) == {"good": [True]}
    # A run of Dagster that ended later has answered the check itself.
    ended("locked", 7, 2, "command_line")
    ended("of-dagster", 0, 3, "schedule")
    assert shown_runs(settings, instance) == {"locked": []}


def test_a_killed_run_is_shown_and_one_that_is_at_work_or_canceled_is_not(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    run_log.begin(settings, "run", "command_line", "at-work")
    run_log.begin(settings, "run", "command_line", "canceled")
    run_log.end(settings, "canceled", "canceled", exit_code=130)
    # The system frees the lock of a process that is killed; its file stays without an end.
    at_work = settings.runs_dir / "at-work.jsonl"
    text = at_work.read_text(encoding="utf-8").replace("at-work", "killed")
    at_work.with_stem("killed").write_text(text, encoding="utf-8")
    assert shown_runs(settings, instance) == {"killed": [False]}


@pytest.mark.parametrize(("age", "passed"), [(1, True), (3, False)])
def test_freshness_looks_at_the_newest_day_in_the_data_not_at_the_time_of_the_event(
    instance: dg.DagsterInstance, age: int, passed: bool
) -> None:
    from orchestration.assets.figures import LAST_UPDATED, end_of

    newest = datetime.now(UTC).date() - timedelta(days=age)
    instance.report_runless_asset_event(
        dg.AssetMaterialization("vintage", metadata={LAST_UPDATED: end_of(newest)})
    )
    # As for a run of the command line, which says nothing of the data.
    instance.report_runless_asset_event(dg.AssetObservation("vintage", metadata={"run_id": "x"}))
    (checks,) = freshness_checks
    key = dg.AssetCheckKey(dg.AssetKey("vintage"), "freshness_check")
    job = dg.Definitions(
        asset_checks=[checks],
        jobs=[dg.define_asset_job("j", dg.AssetSelection.checks(key))],
        executor=dg.in_process_executor,
    ).resolve_job_def("j")
    (found,) = job.execute_in_process(instance=instance).get_asset_check_evaluations()
    assert found.passed is passed


def test_old_runs_are_deleted_and_others_are_kept(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.op
    def nothing() -> None: ...

    @dg.job
    def some() -> None:
        nothing()

    old = some.execute_in_process(instance=instance).run_id
    monkeypatch.setattr(watch, "datetime", _InDays)
    done = watch.tidy_runs.execute_in_process(instance=instance, resources=resources(settings))
    assert instance.get_run_by_id(old) is None
    assert instance.get_run_by_id(done.run_id) is not None


class _InDays(datetime):
    """A clock that is 91 days ahead."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:
        return datetime.now(UTC) + timedelta(days=91)


def test_the_run_config_chooses_the_view_of_the_registry(settings: Settings) -> None:
    chosen = Installation(
        data_dir=str(settings.data_dir), registry_view="now", registry_as_of="2026-03-01"
    ).settings()
    assert (chosen.registry_view, chosen.registry_as_of) == ("now", date(2026, 3, 1))
    as_is = Installation(data_dir=str(settings.data_dir)).settings()
    assert as_is.registry_view == "then"


def test_every_asset_has_a_code_version_and_the_configuration_hangs_below_no_dump(
    small_base: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENSHARE_DATA_DIR", str(small_base.data_dir))
    from orchestration.definitions import build_definitions

    graph = build_definitions(small_base).resolve_asset_graph()
    for node in graph.asset_nodes:
        assert node.code_version or not node.is_executable, node.key
    claims = graph.get(dg.AssetKey(["raw", "claims"]))
    assert not claims.parent_keys
    assert claims.group_name == "configuration"
    blocking = {k.name for k in graph.asset_check_keys if graph.get(k).blocking}
    assert {"gate_share_sum", "gate_key", "everything_published", "rows_accounted_for"} <= blocking
    assert not {"gate_stale_prices", "freshness_check"} & blocking


def test_the_instance_keeps_ticks_for_a_time_and_stops_a_run_that_hangs() -> None:
    import yaml

    text = (PROJECT_ROOT / "orchestration" / "dagster.yaml").read_text(encoding="utf-8")
    config = yaml.safe_load(text)
    assert config["telemetry"] == {"enabled": False}
    assert set(config["retention"]) == {"schedule", "sensor"}
    assert config["run_monitoring"]["max_runtime_seconds"] > 0
    assert config["run_monitoring"]["free_slots_after_run_end_seconds"] > 0
