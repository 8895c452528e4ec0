"""The engine spark without Spark: what is said if it is missing. The rest is in `tests/spark`."""

import sys
from pathlib import Path

import pytest

from orchestration.errors import TransformError
from orchestration.settings import Settings
from orchestration.transformation.spark import spark_session


def test_a_missing_pyspark_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pyspark", "pyspark.errors", "pyspark.sql"):
        monkeypatch.setitem(sys.modules, name, None)
    settings = Settings(data_dir=tmp_path, engine="spark")
    with (
        pytest.raises(TransformError, match=r"needs pyspark and dbt-spark.*tokenshare\[spark\]"),
        spark_session(settings),
    ):
        pass


def test_another_engine_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'duckdb' or 'spark'"):
        Settings(data_dir=tmp_path, engine="polars")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["spark_warehouse", "data_dir"])
def test_an_object_store_is_refused_in_place_of_a_folder_of_that_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"TOKENSHARE_{name.upper()}", "s3a://bucket/tokenshare")
    with pytest.raises(ValueError, match="expected a folder; an object store"):
        Settings()
    assert list(tmp_path.iterdir()) == []
