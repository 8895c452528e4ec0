"""The engine spark without Spark: what is said if it is missing. The rest is in `tests/spark`."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestration import pipeline
from orchestration.errors import ResourceError, resource_problem
from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import land, list_dumps
from orchestration.publication.manifest import Withheld
from orchestration.settings import Settings
from orchestration.transformation.object_store import RemoteFolder
from orchestration.transformation.spark import spark_session, without_trace
from tests import builders
from tests.conftest import later_dumps


@pytest.fixture
def without_pyspark(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyspark", "pyspark.errors", "pyspark.sql"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.usefixtures("without_pyspark")
def test_a_missing_pyspark_is_named_with_what_to_install(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, engine="spark")
    with (
        pytest.raises(ResourceError, match=r"needs pyspark and dbt-spark.*tokenshare\[spark\]"),
        spark_session(settings),
    ):
        pass


@pytest.mark.usefixtures("without_pyspark")
def test_no_dump_is_blamed_for_a_missing_engine(tmp_path: Path) -> None:
    """Neither is a source withheld, nor is the only new dump set aside."""
    settings = Settings(data_dir=tmp_path / "data", engine="spark")
    feed = builders.csv3(builders.feed(builders.days("2026-01-01", 3)))
    land(builders.write(tmp_path, "feed.csv", feed), settings, as_of=builders.AS_OF)
    for name, content in later_dumps().items():
        land(builders.write(tmp_path, name, content), settings)
    landed = list_dumps(settings)
    tried: list[Sequence[Withheld]] = []

    def build(withheld: Sequence[Withheld]) -> None:
        tried.append(withheld)
        with spark_session(settings):
            pass

    with pytest.raises(ResourceError, match="needs pyspark"):
        pipeline.build_or_withhold(build, ingest_all(landed, settings), settings)
    assert tried == [()]
    assert list_dumps(settings) == landed


def test_no_dump_is_blamed_for_the_memory_of_java() -> None:
    assert resource_problem("model marts: java.lang.OutOfMemoryError: Java heap space")


def test_another_engine_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'duckdb' or 'spark'"):
        Settings(data_dir=tmp_path, engine="polars")  # type: ignore[arg-type]


def test_an_object_store_is_refused_in_place_of_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKENSHARE_DATA_DIR", "s3a://bucket/tokenshare")
    with pytest.raises(ValueError, match="expected a folder; an object store"):
        Settings()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ftp://host/folder", "a folder, or a URL that begins with one of s3, s3a, gs"),
        ("s3a:///folder", "a bucket after s3a://"),
        ("s3a://key:canary@bucket/folder", "no secret"),
        ("abfss://box@account.host/folder?client_secret=canary", "no option but endpoint_override"),
    ],
)
def test_a_warehouse_that_cannot_be_is_refused_with_what_was_expected(
    url: str, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=expected) as refused:
        Settings(data_dir=tmp_path, spark_warehouse=url)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "seen_by_spark"),
    [
        ("s3a://bucket", "s3a://bucket/tokenshare"),
        ("s3://bucket/a/b/?region=eu-west-1", "s3://bucket/a/b/tokenshare"),
        (
            "gs://anonymous@bucket/a?endpoint_override=host:1&scheme=http",
            "gs://bucket/a/tokenshare",
        ),
        ("abfss://box@account.host/a", "abfss://box@account.host/a/tokenshare"),
    ],
)
def test_spark_sees_a_folder_of_its_own_without_the_options_of_others(
    url: str, seen_by_spark: str, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, spark_warehouse=url)
    assert RemoteFolder(settings.spark_url).spark_url == seen_by_spark
    assert settings.spark_dir == settings.warehouse_dir / "spark"


def test_what_spark_says_is_kept_without_the_places_in_its_code() -> None:
    said = (
        "Runtime Error\n  An error at line (3) occurred.\n"
        "    \tat org.apache.spark.sql.SparkSession.sql(SparkSession.scala:529)\n"
        "    Caused by: java.net.ConnectException: Connection refused\n"
        "    \tat java.base/sun.nio.ch.Net.pollConnect(Native Method)\n    \t... 80 more"
    )
    assert without_trace(said) == (
        "Runtime Error\n  An error at line (3) occurred.\n"
        "    Caused by: java.net.ConnectException: Connection refused"
    )
