"""Files that others wrote or that a killed run left, and text from outside in messages."""

import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from orchestration.errors import ResourceError, as_user_error, safe_text
from orchestration.files import (
    BUILDING_PREFIX,
    fingerprint,
    move_into_place,
    new_building_folder,
    read_json,
    remove_leftovers,
    to_json,
)
from orchestration.publication.candidate import build_fingerprint, code_fingerprint
from orchestration.settings import PROJECT_ROOT
from orchestration.tables import open_files, restrict_file_access, sql_name


def test_a_leftover_goes_even_if_its_number_is_that_of_a_living_process(tmp_path: Path) -> None:
    """This process, and 1, live; what was built under their numbers was not built by them."""
    for number in (os.getpid(), 1):
        name = f"{number}-abc"
        if (builder := os.fork()) == 0:
            new_building_folder(tmp_path, name)
            os._exit(1)
        os.waitpid(builder, 0)
        assert (tmp_path / f"{BUILDING_PREFIX}{name}").is_dir()
    (tmp_path / f"{BUILDING_PREFIX}1-latest.json").write_text("{", encoding="utf-8")
    os.mkfifo(tmp_path / f"{BUILDING_PREFIX}pipe")
    remove_leftovers([tmp_path, tmp_path / "not there"])
    assert not list(tmp_path.iterdir())


def test_what_is_being_built_is_not_taken_for_a_leftover(tmp_path: Path) -> None:
    building = new_building_folder(tmp_path, "1-abc")
    (building / "x").write_text("x", encoding="utf-8")
    remove_leftovers([tmp_path])
    move_into_place(building, tmp_path / "final")
    assert (tmp_path / "final" / "x").read_text(encoding="utf-8") == "x"
    again = new_building_folder(tmp_path, "1-abc")
    assert not list(again.iterdir())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[]", "contains a list"),
        (b"3", "contains a int"),
        (b'"x"', "contains a str"),
        (b"null", "contains a NoneType"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not"),
        (b'{"a": ' + b"1" * 5000 + b"}", "4300 digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": "\xff"}', "utf-8"),
        (b"", "Expecting value"),
    ],
    ids=lambda v: str(v)[:20],
)
def test_json_of_any_shape_is_an_object_or_an_error_that_says_why(
    content: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_json(path)


def test_json_is_not_read_from_a_pipe_or_a_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "none"):
        with pytest.raises(ValueError, match="is not"):
            read_json(path)


def test_a_name_that_is_not_utf_8_survives_json() -> None:
    name = os.fsdecode(b"caf\xe9")
    assert b"caf\\udce9" in to_json({"name": name})


def test_text_from_outside_is_said_on_one_line_cut_and_without_control_characters() -> None:
    hostile = "\x1b[31mred\r\n\x07\u202etxt" + os.fsdecode(b"\xe9") + "é" + "x" * 300
    said = safe_text(hostile)
    assert said.startswith("\\x1b[31mred\\r\\n\\x07\\u202etxt\\udce9éxxx")
    assert said.isprintable()
    assert said.endswith("x…")
    assert safe_text("deepseek/deepseek-chat-v3:free") == "deepseek/deepseek-chat-v3:free"


def test_what_the_system_says_is_expected_and_a_bug_is_not() -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/x")
    assert "No space left on device: '/data/x'" in str(as_user_error(full))
    assert isinstance(as_user_error(MemoryError()), ResourceError)
    with pytest.raises(duckdb.Error) as wrong, duckdb.connect() as connection:
        connection.execute("select nothing from nowhere")
    assert as_user_error(wrong.value) is None
    assert as_user_error(RuntimeError("a bug")) is None


@pytest.mark.parametrize("rows", [50_000, 1_000_000])
def test_a_full_disk_inside_duckdb_is_expected(rows: int, tmp_path: Path) -> None:
    """A limit on the size of a file acts as a full disk: DuckDB cannot write on, either."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(duckdb.Error) as full:
        try:
            with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
                resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
                connection.execute(f"create table t as select random() as r from range({rows})")
                connection.execute("checkpoint")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert isinstance(as_user_error(full.value), ResourceError), full.value


def test_a_reader_on_the_working_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    duckdb.connect(str(path)).close()
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); "
        "print('open', flush=True); sys.stdin.read()"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == b"open\n"
    try:
        with pytest.raises(duckdb.Error) as locked:
            duckdb.connect(str(path))
    finally:
        reader.communicate()
    said = str(as_user_error(locked.value))
    assert said.startswith("another process has opened the working database")
    assert f"PID {reader.pid}" in said


EVIL = """x" as select 1; copy (select 1) to 'pwned'; --"""


@pytest.mark.parametrize("folder", ["plain", "it's", "v[2]", "v*", "ü b"])
def test_names_are_never_sql_nor_patterns(folder: str, tmp_path: Path) -> None:
    for n, name in enumerate(("v2", folder)):
        (tmp_path / name).mkdir()
        with duckdb.connect() as connection:
            connection.execute(f"copy (select {n} as n) to '{tmp_path}/t.parquet'")
        (tmp_path / "t.parquet").rename(tmp_path / name / f"{EVIL[:3]}.parquet")
    path = tmp_path / folder / f"{EVIL[:3]}.parquet"
    with open_files({EVIL: path}) as connection:
        assert connection.execute(f"select n from {sql_name(EVIL)}").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "statement",
    [
        "copy (select 1) to '{folder}/out.csv'",
        "from read_text('{folder}/secret')",
        "from glob('{folder}/*')",
        "attach '{folder}/other.duckdb'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "set allowed_paths = ['/etc/passwd']",
    ],
)
def test_behind_closed_doors_duckdb_reads_and_writes_no_file(
    statement: str, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    with duckdb.connect() as connection:
        restrict_file_access(connection)
        with pytest.raises(duckdb.Error, match=r"disabled|locked"):
            connection.execute(statement.format(folder=tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["secret"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's files."""
    root = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT_ROOT, capture_output=True, encoding="utf-8",
        check=True,
    )  # fmt: skip
    for name in listed.stdout.split("\0"):
        if name and not name.startswith("data/") and (PROJECT_ROOT / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT_ROOT / name, root / name)
    return root


@pytest.mark.parametrize(
    ("name", "is_read"),
    [
        ("tests/unit/test_files.py", False),
        ("dbt_project/models/metrics/_claims__unit_tests.yml", False),
        ("configuration/claims/README.md", False),
        ("configuration/registry_judgements.yml", False),
        ("tools/derive_prices.py", False),
        ("docs/method.md", False),
        ("pyproject.toml", False),
        ("orchestration/pipeline.py", True),
        ("orchestration/templates/report.html.j2", True),
        ("orchestration/report/queries/apps.sql", True),
        ("dbt_project/macros/portable.sql", True),
        ("dbt_project/models/staging/sources.yml", True),
        ("dbt_project/seeds/labs.csv", True),
        ("dbt_project/dbt_project.yml", True),
        ("configuration/gate.yml", True),
        ("configuration/claims/our_questions.yml", True),
        ("data_contracts/raw/openrouter_rankings.odcs.yaml", True),
        ("requirements.lock", True),
    ],
)
def test_the_code_is_what_a_run_reads(checkout: Path, name: str, is_read: bool) -> None:
    before = code_fingerprint(checkout)
    with (checkout / name).open("a", encoding="utf-8") as file:
        file.write("\n")
    fingerprint.cache_clear()
    assert (code_fingerprint(checkout) != before) == is_read


def test_a_threshold_of_the_gate_does_not_change_what_a_candidate_holds(checkout: Path) -> None:
    built, code = build_fingerprint(checkout), code_fingerprint(checkout)
    with (checkout / "configuration" / "gate.yml").open("a", encoding="utf-8") as file:
        file.write("\n")
    fingerprint.cache_clear()
    assert build_fingerprint(checkout) == built
    assert code_fingerprint(checkout) != code
