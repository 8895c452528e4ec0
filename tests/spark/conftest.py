"""What the tests of Spark share: one process of Java, with settings for small tables.

For them, Java that compiles thoroughly and plans for a large cluster cost half of the time. Spark
reads all of it once, when its process starts.
"""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# What `make test-spark` installs from object_store.txt.
OBJECT_STORE = Path(sys.prefix) / "object_store"
SMALL = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.files.openCostInBytes": "0",
    "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def connector(port: int) -> dict[str, object]:
    """Google's connector, for a store on this port. It does not read sizes as "64m", which is how
    Hadoop 3.5 writes them."""
    assert OBJECT_STORE.is_dir(), "make test-spark installs the object store of the tests"
    (jar,) = (OBJECT_STORE / "pyspark_gcs" / "jars").glob("*.jar")
    options = {
        "impl": "com.google.cloud.hadoop.fs.gcs.GoogleHadoopFileSystem",
        "storage.root.url": f"http://127.0.0.1:{port}",
        "auth.null.enable": "true",
        "auth.service.account.enable": "false",
        "create.items.conflict.check.enable": "false",
        "block.size": 1 << 26,
        "rewrite.max.chunk.size": 1 << 29,
        "outputstream.buffer.size": 1 << 23,
        "inputstream.inplace.seek.limit": 1 << 23,
        "inputstream.min.range.request.size": 1 << 21,
    }
    return {"spark.jars": jar} | {f"spark.hadoop.fs.gs.{name}": v for name, v in options.items()}


# A catalog that is not Spark's own: Derby, in memory, comes with it.
V2 = "org.apache.spark.sql.execution.datasources.v2"
CATALOG = {
    "spark.sql.catalog.derby": f"{V2}.jdbc.JDBCTableCatalog",
    "spark.sql.catalog.derby.url": "jdbc:derby:memory:usage;create=true",
    "spark.sql.catalog.derby.driver": "org.apache.derby.iapi.jdbc.AutoloadedDriver",
}


@pytest.fixture(scope="session")
def object_store_port() -> int:
    return free_port()


@pytest.fixture(scope="session", autouse=True)
def java(tmp_path_factory: pytest.TempPathFactory, object_store_port: int) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("spark")
    options = SMALL | connector(object_store_port) | CATALOG
    (folder / "spark-defaults.conf").write_text(
        "".join(f"{name} {value}\n" for name, value in options.items()), encoding="utf-8"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CONF_DIR", str(folder))
        patch.setenv(
            "JDK_JAVA_OPTIONS",
            "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC "
            f"-Dderby.stream.error.file={folder / 'derby.log'}",
        )
        yield
