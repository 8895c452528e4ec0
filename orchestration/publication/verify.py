"""Verify a vintage from its folder alone: the seal of the manifest, the hash of every file, that
the tables and what describes them agree with the manifest, and that they still pass the gate's
`verified` rules (conservation, sums, bounds).

The folder may come from a stranger: nothing in it is executed, and only tables that a contract
describes are opened, under our own names.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.contracts.odcs import tables
from orchestration.errors import VerificationError, safe_text
from orchestration.files import reading, sha256_file, to_json
from orchestration.gate.rules import create_shares, create_small_cells, rules, share_tables
from orchestration.publication.candidate import DATABASE_NAME, stored_views
from orchestration.publication.described import description_problems
from orchestration.publication.manifest import (
    DATA_INTERFACE_VERSION,
    MANIFEST_NAME,
    read_manifest,
)
from orchestration.publication.signature import SIGNATURE_NAME, is_signature_file
from orchestration.publication.views import read_views
from orchestration.tables import open_files, rows, sql_name

_CORE_TABLES = {"usage_daily", "identification_daily", "share_by_origin_weekly", "headline"}


def _file_problems(folder: Path, document: dict[str, Any]) -> list[str]:
    listed = {entry["path"]: entry for entry in document["outputs"]}
    if len(listed) != len(document["outputs"]):
        return [f"{MANIFEST_NAME}: outputs: lists a file more than once"]
    found = {
        p.relative_to(folder).as_posix(): p
        for p in sorted(folder.rglob("*"))
        if p.is_symlink() or not p.is_dir() or not any(p.iterdir())
    }
    found.pop(MANIFEST_NAME, None)
    if is_signature_file(folder / SIGNATURE_NAME):
        found.pop(SIGNATURE_NAME)  # it signs the manifest, so the manifest cannot list it
    problems = [f"{name}: missing" for name in sorted(listed.keys() - found.keys())]
    problems += [
        f"{safe_text(name)}: not in the manifest" for name in sorted(found.keys() - listed.keys())
    ]
    for name in sorted(listed.keys() & found.keys()):
        path, entry = found[name], listed[name]
        if path.is_symlink() or not path.is_file():
            problems.append(f"{name}: is a link or a device, not a file")
        elif path.stat().st_size != entry["bytes"]:
            problems.append(
                f"{name}: has {path.stat().st_size} bytes; the manifest states {entry['bytes']}"
            )
        elif (sha256 := sha256_file(path)) != entry["sha256"]:
            problems.append(
                f"{name}: has sha256 {sha256}; the manifest states {safe_text(entry['sha256'])}"
            )
    return problems


def _table_of(path: str) -> str | None:
    """The published table in a file of a vintage, or None if no contract describes it."""
    name = Path(path).stem
    return name if path == f"tables/{name}.parquet" and name in tables("published") else None


def unknown_tables(document: dict[str, Any]) -> list[str]:
    """The Parquet files of a manifest that no contract of this version describes. Only their hashes
    can be checked."""
    paths = (entry["path"] for entry in document["outputs"])
    return [path for path in paths if path.endswith(".parquet") and _table_of(path) is None]


def _database_problems(
    connection: duckdb.DuckDBPyConnection,
    document: dict[str, Any],
    names: list[str],
    note: Callable[[str], None],
) -> list[str]:
    """Problems with the attached database, whose tables must be copies of the views of their names.

    Its views must be ours, since a view runs when a reader opens it; none is run here. Those of
    another version of the data interface cannot be judged: `note` is called for each.
    """
    is_ours = document["data_interface_version"] == DATA_INTERFACE_VERSION
    problems = []
    for view, sql in read_views(connection, "attached"):
        if stored_views().get(view) == sql:
            continue
        if is_ours:
            problems.append(
                f"{DATABASE_NAME}: contains a view, {safe_text(view)}, that is not one of this "
                "version; a view runs when it is opened"
            )
        else:
            note(f"view {safe_text(view)}: not checked; it is of another version")
    problems += [
        f"{DATABASE_NAME}: contains a macro, {safe_text(name)}; expected only tables and views"
        for (name,) in connection.execute(
            "select distinct function_name from duckdb_functions() "
            "where database_name = 'attached' and not internal order by 1"
        ).fetchall()
    ]
    held = dict(
        connection.execute(
            "select table_name, sql from duckdb_tables() "
            "where database_name = 'attached' and schema_name = 'main'"
        ).fetchall()
    )
    connection.execute("create schema expected")
    for name in names:
        # The SQL of each table is compared, since a computed column would be executed.
        connection.execute(f"create table expected.{sql_name(name)} as from {name} limit 0")
    wanted = dict(
        connection.execute(
            "select table_name, replace(sql, 'CREATE TABLE expected.', 'CREATE TABLE ') "
            "from duckdb_tables() where schema_name = 'expected'"
        ).fetchall()
    )
    problems += [
        f"{name}: is not the same table in {DATABASE_NAME} as in Parquet"
        for name in names
        if held.get(name) != wanted[name]
    ]
    problems += [
        f"{DATABASE_NAME}: contains a table that is in no Parquet file, {safe_text(name)}"
        for name in sorted(held.keys() - {Path(e["path"]).stem for e in document["outputs"]})
    ]
    return problems


def _differing_rows(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """How many rows are in the file or in the attached database alone, whatever their order."""
    # As they are written both have one order, and row beside row costs a sixth of the rest.
    ((as_written,),) = connection.execute(
        f"select (select count(*) from {name}) = (select count(*) from attached.{name}) "
        f"and not exists (from {name} as in_file positional join attached.{name} as in_database "
        "where in_file is distinct from in_database)"
    ).fetchall()
    if as_written:
        return 0
    ((differing,),) = connection.execute(
        f"select count(*) from ((from {name} except all from attached.{name}) "
        f"union all (from attached.{name} except all from {name}))"
    ).fetchall()
    return int(differing)


def _rule_problems(
    connection: duckdb.DuckDBPyConnection,
    document: dict[str, Any],
    names: set[str],
    note: Callable[[str], None],
) -> Iterator[str]:
    """Failures of the gate's `verified` rules on the tables `names`.

    A vintage with our version of the data interface must have all tables of these rules. One of
    another version may lack tables or columns; `note` is called for each rule that cannot be run.
    """
    is_ours = document["data_interface_version"] == DATA_INTERFACE_VERSION
    if share_tables().keys() <= names:
        create_shares(connection)
    create_small_cells(connection, document.get("small_cells", 0))
    for rule in (rule for rule in rules() if rule.header.verified):
        lacking = rule.tables(connection) - names
        if lacking and is_ours:
            yield f"{MANIFEST_NAME}: lists no table {', '.join(sorted(lacking))} ({rule.code})"
            continue
        try:
            failing = rule.failing_rows(connection)
        except (duckdb.CatalogException, duckdb.BinderException):
            if is_ours:
                raise
            note(f"{rule.code}: not checked; its tables are of another version")
            continue
        if failing:
            more = f" … and {len(failing) - 1} more" if len(failing) > 1 else ""
            yield f"{rule.code}: {rule.title}: {safe_text(failing[0])}{more}"


def _content_problems(
    folder: Path, document: dict[str, Any], note: Callable[[str], None]
) -> list[str]:
    """Disagreements of the tables with the manifest, with each other and with the database."""
    problems = []
    names = [name for e in document["outputs"] if (name := _table_of(e["path"])) is not None]
    if lacking := _CORE_TABLES - set(names):
        return [f"{MANIFEST_NAME}: lists no table {', '.join(sorted(lacking))}"]
    for entry in document["outputs"]:
        if not entry["path"].endswith(".parquet"):
            continue
        metadata = pq.read_metadata(folder / entry["path"])
        schema = {f.name: str(f.type) for f in metadata.schema.to_arrow_schema()}
        if metadata.num_rows != entry["rows"] or schema != entry["schema"]:
            problems.append(f"{entry['path']}: rows or columns differ from the manifest")
    paths = {name: f"tables/{name}.parquet" for name in names}
    problems += description_problems(folder, document, paths)
    files = {name: folder / path for name, path in paths.items()}
    with open_files(files, folder / DATABASE_NAME) as connection:
        if other := _database_problems(connection, document, names, note):
            return problems + other
        problems += [
            f"{name}: {DATABASE_NAME} and Parquet differ in {differing} rows"
            for name in names
            if (differing := _differing_rows(connection, name))
        ]
        problems += _rule_problems(connection, document, set(names), note)
        headline = rows(connection, "select * from headline")
        # Through JSON and back, like the rows of the manifest. In any order, because the key of the
        # table is not the same in every version of the data interface.
        if _sorted(json.loads(to_json(headline))) != _sorted(document["headline"]):
            problems.append(f"{MANIFEST_NAME}: headline figures differ from the table headline")
    failed = [safe_text(v["rule"]) for v in document["gate"] if v["verdict"] == "fail"]
    if failed:
        problems.append(f"{MANIFEST_NAME}: was published despite failed blockers: {failed}")
    return problems


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def verify(
    folder: Path, deep: bool = True, note: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Check that a vintage folder is exactly as it was published, and return its manifest.

    `deep=False` checks the seal and every hash, but not the content of the tables, which is right
    if the hashes are and the publisher is trusted. `note` is called with what cannot be checked in
    a vintage of another version.

    Nobody prunes the vintage meanwhile. Raises VerificationError that names every file that
    differs, is missing or is unexpected.
    """
    if not folder.is_dir():
        raise VerificationError(f"{folder}: is not a vintage folder")
    with reading(folder):
        return _verify(folder, deep, note)


def _verify(folder: Path, deep: bool, note: Callable[[str], None]) -> dict[str, Any]:
    document = read_manifest(folder)
    problems = _file_problems(folder, document)
    if deep and not problems:
        try:
            problems = _content_problems(folder, document, note)
        except VerificationError as error:
            problems = [str(error)]
        except (
            duckdb.Error, pa.ArrowException, OSError, ValueError, KeyError, TypeError,
            AttributeError,
        ) as error:  # fmt: skip
            problems = [f"the tables cannot be read as those of a vintage: {safe_text(error)}"]
    if problems:
        raise VerificationError(
            f"{folder}: {len(problems)} problem(s)\n" + "\n".join(f"  {p}" for p in problems)
        )
    return document
