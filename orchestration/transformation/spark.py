"""The second engine: the same dbt models on Apache Spark.

The raw tables of the working database become Parquet files, Spark builds every model from them, and
what it built comes back into the working database. So landing before it, and the candidate, the
gate and the vintage after it, do not know which engine it was. pyspark is imported inside the
functions that use it: it is in the extra `tokenshare[spark]` only.
"""

import os
import re
import shutil
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb

from orchestration.errors import ResourceError
from orchestration.request_logs import REQUEST_LOGS
from orchestration.settings import DBT_PROJECT_DIR, Settings
from orchestration.tables import sql_name, sql_text
from orchestration.transformation.object_store import RemoteFolder

SCHEMA = "tokenshare"
# The column by which tables of requests are partitioned.
DAY = "usage_date"
# How long a server of Spark Connect may take to answer. pyspark itself asks for ten minutes.
PATIENCE_SECONDS = 30
_LOGGING = Path(__file__).with_name("log4j2.properties")


def _raw_dir(settings: Settings) -> Path:
    return settings.spark_dir / "raw"


def _tables_dir(settings: Settings) -> Path:
    return settings.spark_dir / "tables"


def _set_environment(settings: Settings) -> None:
    """Tell dbt where Spark finds its folder, which has the seeds too."""
    url = settings.spark_url
    folder = RemoteFolder(url).spark_url if url else str(settings.spark_dir)
    if bad := set("*[]{}\\") & set(folder):
        raise ResourceError(f"Spark cannot open a path with {' or '.join(sorted(bad))}: {folder}")
    os.environ["TOKENSHARE_RAW"] = f"{folder}/raw"
    os.environ["TOKENSHARE_SPARK_TABLES"] = f"{folder}/tables"
    os.environ["TOKENSHARE_SPARK_PROJECT"] = folder
    os.environ["TOKENSHARE_SPARK_SCHEMA"] = SCHEMA


def without_trace(message: str) -> str:
    """What Spark says, without the places in its own code."""
    return re.sub(r"\n\s+(at \S+\(.*\)|\.\.\. \d+ more)$", "", message, flags=re.M)


def _wait_for_server(remote: str) -> None:
    """Raise ResourceError if no server of Spark Connect answers at this address."""
    import grpc
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.client import DefaultChannelBuilder

    try:
        builder = DefaultChannelBuilder(remote)
        with builder.toChannel() as channel:
            grpc.channel_ready_future(channel).result(timeout=PATIENCE_SECONDS)
    except grpc.FutureTimeoutError as error:
        # The address may have a token behind its host.
        raise ResourceError(
            f"spark_remote: no Spark Connect server answers at {builder.endpoint}; is it running, "
            "and can this machine reach it?"
        ) from error
    except (PySparkException, ValueError) as error:
        raise ResourceError("spark_remote: expected an address such as sc://host:15002") from error


@contextmanager
def spark_session(settings: Settings) -> Iterator[Any]:
    """A session of Spark that dbt finds: one in a process of Java, which goes on until ours ends
    and is used again, or one at the Spark Connect server of `spark_remote`.

    Raises ResourceError if pyspark, Java, the server or the catalog is missing.
    """
    # Nothing here goes through pandas.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    # If it is imported after Spark was used, DuckDB says in 30 lines at the end of the process that
    # objects have leaked.
    import_module("dbt.adapters.duckdb")
    try:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise ResourceError(
            "the engine spark needs pyspark and dbt-spark: pip install 'tokenshare[spark]'"
        ) from error
    _set_environment(settings)
    builder: Any = SparkSession.builder
    if settings.spark_remote and (remote := settings.spark_remote.get_secret_value()):
        _wait_for_server(remote)
        os.environ["SPARK_REMOTE"] = remote
        builder = builder.remote(remote)
        # dbt-spark asks for it with each statement; a server has the catalog that it has.
        warnings.filterwarnings("ignore", "Failed to set spark.sql.catalogImplementation")
    else:
        if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
            raise ResourceError(
                "the engine spark needs Java 17 or newer; on Debian: apt-get install "
                "openjdk-17-jre-headless"
            )
        # Otherwise Spark looks for an address of this machine, and warns of what it finds.
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        options = {
            "spark.master": f"local[{settings.dbt_threads}]",
            "spark.driver.memory": f"{settings.memory_limit // 10**6}m",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.local.dir": str(settings.spill_dir),
            "spark.sql.warehouse.dir": os.environ["TOKENSHARE_SPARK_TABLES"],
            "spark.sql.catalogImplementation": "in-memory",
            # Two cores and small tables: 200 tasks a shuffle would be most of the time.
            "spark.sql.shuffle.partitions": str(2 * settings.dbt_threads),
            "spark.sql.parquet.compression.codec": "zstd",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.driver.defaultJavaOptions": f"-Dlog4j2.configurationFile={_LOGGING.as_uri()}",
        }
        for name, value in options.items():
            builder = builder.config(name, value)
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        session = builder.getOrCreate()
    except (PySparkException, Py4JError, OSError, RuntimeError) as error:
        raise ResourceError(f"Spark did not start: {without_trace(str(error))}") from error
    # pyspark sets a handler of its own, which fails once the session has ended.
    if signal.getsignal(signal.SIGINT) is not on_interrupt:
        signal.signal(signal.SIGINT, on_interrupt)
    try:
        if settings.spark_remote:
            from pyspark.sql.connect.client.retries import DefaultPolicy

            # Five seconds in all. By default, each statement is tried for ten minutes, so a server
            # that dies would hold a run for hours.
            session.client.set_retry_policies([DefaultPolicy(max_retries=5, max_backoff=2_000)])
        if settings.spark_catalog:
            try:
                session.catalog.setCurrentCatalog(settings.spark_catalog)
            except (PySparkException, Py4JError) as error:
                why = without_trace(str(error))
                raise ResourceError(f"spark_catalog {settings.spark_catalog!r}: {why}") from error
        yield session
    finally:
        # If it has ended before its time, another error says so.
        with suppress(PySparkException, Py4JError, OSError):
            session.stop()
        os.environ.pop("SPARK_REMOTE", None)


@contextmanager
def engine(settings: Settings, database: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """Spark, for dbt: it has the raw tables of the database, and what was built on it is in the
    database afterward. `progress` is told of each step.

    Raises ResourceError if Spark or its folder is the cause of a failure, and not what was landed.
    """
    folder = settings.spark_dir
    remote = RemoteFolder(settings.spark_url) if settings.spark_url else None
    shutil.rmtree(folder, ignore_errors=True)
    progress("copying rows to Spark")
    _write_raw(settings, database)
    shutil.copytree(DBT_PROJECT_DIR / "seeds", folder / "seeds")
    if remote:
        remote.replace(folder)
        shutil.rmtree(folder)
    progress("starting Spark")
    with spark_session(settings) as session:
        yield
        check_alive(session)
        progress("copying tables from Spark")
        if remote:
            remote.fetch("tables", _tables_dir(settings))
        _read_back(session, settings, database)
    if remote:
        shutil.rmtree(folder)


def check_alive(session: Any) -> None:
    """Raise ResourceError if Spark has ended before its time: then models failed because of it."""
    try:
        session.sql("select 1").collect()
    except Exception as error:
        raise ResourceError(
            f"Spark has ended before its time: {without_trace(str(error))}"
        ) from error


def _write_raw(settings: Settings, database: Path) -> None:
    """Write each raw table of the database as a folder of Parquet files for Spark; that of a
    request log has a folder for each day."""
    names: list[str] = []
    by_day: list[str] = []
    form = "format parquet, compression zstd, compression_level 1"
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute(f"set memory_limit = {sql_text(settings.duckdb_memory)}")
        connection.execute(f"set temp_directory = {sql_text(settings.spill_dir)}")
        connection.execute("set TimeZone = 'UTC'")
        # Every row has its number; to keep them in order would keep them in memory.
        connection.execute("set preserve_insertion_order = false")
        for (name,) in connection.execute(
            "select table_name from information_schema.tables where table_schema = 'raw'"
        ).fetchall():
            folder = _raw_dir(settings) / name
            folder.mkdir(parents=True)
            copy = f"copy raw.{sql_name(name)} to"
            names.append(name)
            if name in REQUEST_LOGS:
                ((rows,),) = connection.execute(
                    f"{copy} {sql_text(folder)} ({form}, partition_by ({DAY}))"
                ).fetchall()
                if rows:
                    by_day.append(name)
                    continue
            connection.execute(f"{copy} {sql_text(folder / 'rows.parquet')} ({form})")
    os.environ["TOKENSHARE_RAW_TABLES"] = " ".join(names)
    os.environ["TOKENSHARE_RAW_BY_DAY"] = " ".join(by_day)


def _read_back(session: Any, settings: Settings, database: Path) -> None:
    """Create every table that Spark built in the database, under the schema and name that dbt gives
    it on DuckDB."""
    with duckdb.connect(str(database)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for folder in sorted(_tables_dir(settings).glob(f"{SCHEMA}_*.db/*")):
            schema = folder.parent.name.removeprefix(f"{SCHEMA}_").removesuffix(".db")
            # A table by day has a folder for each, and no file if it has no row.
            if any(folder.rglob("*.parquet")):
                files = sql_text(folder / "**" / "*.parquet")
                rows = f"read_parquet({files}, hive_partitioning = true)"
            else:
                empty = session.table(f"{folder.parent.stem}.{folder.name}").limit(0).toArrow()
                connection.register("empty", empty)
                rows = "empty"
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(
                f"create or replace table {schema}.{sql_name(folder.name)} as select * from {rows}"
            )
