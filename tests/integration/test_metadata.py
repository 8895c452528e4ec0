"""`datapackage.json` and `croissant.json`: what the tools of their owners find in them, and that
these tools find a lie."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from orchestration.contracts.odcs import tables
from orchestration.errors import VerificationError
from orchestration.publication.metadata import croissant, data_package
from orchestration.publication.verify import verify
from orchestration.settings import Settings
from tests.conftest import vintage_of
from tests.integration.test_publication import reseal

# frictionless finds what the schema says of the rows. They are read by pyarrow, because
# frictionless reads Parquet through pandas, where NULL in a column of whole numbers becomes NaN.
# Hashes are compared here, because frictionless makes none of a Parquet file.
FRICTIONLESS = """
import hashlib, pathlib, sys
sys.path.insert(0, sys.argv[1])
import frictionless
import pyarrow.parquet as pq
folder = pathlib.Path(sys.argv[2])
try:
    package = frictionless.Package(str(folder / "datapackage.json"))
except frictionless.FrictionlessException as error:
    sys.exit("\\n".join(e.note for e in error.reasons or [error.error]))
held = []
for resource in package.resources:
    content = (folder / resource.path).read_bytes()
    if resource.hash != "sha256:" + hashlib.sha256(content).hexdigest():
        print(resource.name, "hash", resource.hash)
    table = pq.read_table(folder / resource.path)
    rows = [list(row) for row in zip(*(c.to_pylist() for c in table.columns))]
    if rows:
        data = [table.column_names, *rows]
        held.append(frictionless.Resource(name=resource.name, data=data, schema=resource.schema))
    elif table.column_names != resource.schema.field_names:
        print(resource.name, "columns", table.column_names)
# Together, since a foreign key is looked up in another resource.
report = frictionless.Package(resources=held).validate()
for task in report.tasks:
    for error in task.errors[:3]:
        print(task.name, error.type, error.message)
for error in report.errors[:3]:
    print(error.type, error.message)
print(len(package.resources), "resources")
"""
# mlcroissant reads the rows by itself, and checks the hash of each file that it opens.
MLCROISSANT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import mlcroissant
dataset = mlcroissant.Dataset(sys.argv[2] + "/croissant.json")
print(dataset.metadata.ctx.issues.report(), end="")
try:
    counts = {name: sum(1 for _ in dataset.records(name)) for name in sys.argv[3:]}
except Exception as error:
    while error.__cause__:
        print(error, file=sys.stderr)
        error = error.__cause__
    sys.exit(str(error))
fields = {s.name: [f.name for f in s.fields] for s in dataset.metadata.record_sets}
print(json.dumps([counts, fields]))
"""
READ = ("headline", "share_by_origin_weekly")
# What a column of Parquet is in Table Schema and in Croissant.
TYPES = {
    "string": ("string", "sc:Text"),
    "int64": ("integer", "cr:Int64"),
    "int32": ("integer", "cr:Int32"),
    "double": ("number", "cr:Float64"),
    "bool": ("boolean", "sc:Boolean"),
    "date32[day]": ("date", "sc:Date"),
    "timestamp[us]": ("datetime", "sc:DateTime"),
}


def asked(reader: str, code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """What a program with a library of `make readers` says."""
    folder = Path(sys.prefix) / "readers" / reader
    assert folder.is_dir(), f"{folder} is missing; `make readers` installs it"
    return subprocess.run(
        [sys.executable, "-c", code, folder, *map(str, arguments)],
        capture_output=True, encoding="utf-8", check=False, env={**os.environ, "PYTHONUTF8": "1"},
    )  # fmt: skip


@pytest.fixture
def vintage(small_base: Settings, tmp_path: Path) -> Path:
    """A copy of a vintage, to change."""
    return shutil.copytree(vintage_of(small_base).path, tmp_path / "vintage")


def change(path: Path, how: Callable[[Any], object]) -> None:
    document = json.loads(path.read_bytes())
    how(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def test_both_files_follow_from_the_manifest_and_are_in_it(small_base: Settings) -> None:
    vintage = vintage_of(small_base)
    m = vintage.manifest
    said = (m["vintage_id"], m["created_at"], m["inputs"], m["outputs"])
    for name, content in {
        "datapackage.json": data_package(*said),
        "croissant.json": croissant(*said, m["citations"], ""),
    }.items():
        assert (vintage.path / name).read_bytes() == content
        (entry,) = [e for e in m["outputs"] if e["path"] == name]
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert b"/home/" not in content
    package = json.loads((vintage.path / "datapackage.json").read_bytes())
    assert [s["name"] for s in package["licenses"]] == ["CC-BY-4.0"]
    assert [s["citation"] for s in package["sources"]] == m["citations"]
    assert [r["name"] for r in package["resources"]] == list(tables("published"))
    sets = json.loads((vintage.path / "croissant.json").read_bytes())["recordSet"]
    for resource, records in zip(package["resources"], sets, strict=True):
        table = tables("published")[resource["name"]]
        assert resource["schema"]["primaryKey"] == list(table.key)
        assert [
            (tuple(key["fields"]), key["reference"]["resource"], tuple(key["reference"]["fields"]))
            for key in resource["schema"].get("foreignKeys", ())
        ] == [(r.columns, r.table, r.to) for r in table.references]
        said_types = {
            field["name"]: (field["type"], other["dataType"])
            for field, other in zip(resource["schema"]["fields"], records["field"], strict=True)
            if field["description"] == other["description"] != ""
        }
        held = pq.read_schema(vintage.path / resource["path"])
        assert said_types == {
            f.name: TYPES.get(str(f.type), ("number", "sc:Float")) for f in held
        }, resource["name"]


def test_frictionless_finds_no_error_in_any_table(vintage: Path) -> None:
    said = asked("frictionless", FRICTIONLESS, vintage)
    assert said.stdout == f"{len(tables('published'))} resources\n", said.stdout + said.stderr


def _resource(package: Any, name: str = "share_by_origin_weekly") -> Any:
    return next(r for r in package["resources"] if r["name"] == name)


def _typed(package: Any, column: str, kind: str) -> None:
    fields = _resource(package)["schema"]["fields"]
    next(f for f in fields if f["name"] == column)["type"] = kind


@pytest.mark.parametrize(
    ("lie", "found"),
    [
        (lambda p: _resource(p).update(hash="sha256:" + "0" * 64), "share_by_origin_weekly hash"),
        (lambda p: _typed(p, "is_complete", "string"), "share_by_origin_weekly type-error"),
        (lambda p: _typed(p, "period_start", "number"), "share_by_origin_weekly type-error"),
        (lambda p: _resource(p)["schema"]["fields"].pop(), "share_by_origin_weekly extra-label"),
        (
            lambda p: _resource(p)["schema"]["fields"].append({"name": "x", "type": "string"}),
            "share_by_origin_weekly missing-label",
        ),
        (
            lambda p: _resource(p)["schema"].update(primaryKey=["lens"]),
            "share_by_origin_weekly primary-key",
        ),
        (
            lambda p: _resource(p)["schema"].update(
                foreignKeys=[
                    {"fields": ["origin"], "reference": {"resource": "", "fields": ["lens"]}}
                ]
            ),
            "share_by_origin_weekly foreign-key",
        ),
        (lambda p: p.pop("resources"), "'resources' is a required property"),
    ],
    ids=[
        "hash",
        "type",
        "date",
        "column left out",
        "column too many",
        "key",
        "foreign key",
        "no resources",
    ],
)
def test_frictionless_finds_a_lie(vintage: Path, lie: Callable[[Any], object], found: str) -> None:
    def with_one_table(package: Any) -> None:
        package["resources"] = [_resource(package)]
        lie(package)

    change(vintage / "datapackage.json", with_one_table)
    said = asked("frictionless", FRICTIONLESS, vintage)
    assert found in said.stdout + said.stderr


def test_mlcroissant_loads_the_tables_with_all_their_columns(vintage: Path) -> None:
    said = asked("mlcroissant", MLCROISSANT, vintage, *READ)
    assert said.returncode == 0, said.stderr
    counts, fields = json.loads(said.stdout)
    for name in READ:
        assert counts[name] == pq.read_metadata(vintage / f"tables/{name}.parquet").num_rows > 0
    assert fields == {
        name: [f.name for f in table.fields] for name, table in tables("published").items()
    }


def _column(dataset: Any, name: str) -> Any:
    (headline,) = dataset["recordSet"]
    return next(f for f in headline["field"] if f["name"] == name)


@pytest.mark.parametrize(
    ("lie", "found"),
    [
        (lambda d: d["distribution"][0].update(sha256="0" * 64), "Hash of downloaded file"),
        (lambda d: d["distribution"][0].update(contentUrl="tables/x.parquet"), "x.parquet"),
        (lambda d: _column(d, "origin").update(dataType="cr:Int64"), "ReadFields(headline)"),
        (
            lambda d: _column(d, "origin")["source"]["extract"].update(column="x"),
            "ReadFields(headline)",
        ),
    ],
    ids=["hash", "file", "type", "column"],
)
def test_mlcroissant_finds_a_lie(vintage: Path, lie: Callable[[Any], object], found: str) -> None:
    def with_one_table(dataset: Any) -> None:
        dataset["recordSet"] = [s for s in dataset["recordSet"] if s["name"] == "headline"]
        files = [f for f in dataset["distribution"] if f["name"] == "headline.parquet"]
        dataset["distribution"] = files
        lie(dataset)

    change(vintage / "croissant.json", with_one_table)
    said = asked("mlcroissant", MLCROISSANT, vintage, "headline")
    assert said.returncode != 0
    assert found in said.stderr


def _croissant_file(dataset: Any) -> Any:
    return next(f for f in dataset["distribution"] if f["name"] == "share_by_origin_weekly.parquet")


def _records(dataset: Any) -> Any:
    return next(r for r in dataset["recordSet"] if r["name"] == "share_by_origin_weekly")


LIES = [
    ("datapackage.json", lambda p: _resource(p).update(hash="sha256:" + "0" * 64), "sha256 000"),
    ("datapackage.json", lambda p: _resource(p).update(hash="md5:" + "0" * 32), "sha256 md5"),
    ("datapackage.json", lambda p: _resource(p).update(path="tables/x.parquet"), "no such table"),
    ("datapackage.json", lambda p: _resource(p).update(path="../x"), "../x: the manifest lists no"),
    ("datapackage.json", lambda p: _resource(p).update(bytes=3), "3 bytes, the manifest states"),
    ("datapackage.json", lambda p: _resource(p)["schema"]["fields"].pop(), "other columns than"),
    (
        "datapackage.json",
        lambda p: _resource(p)["schema"]["fields"][0].update(name="x"),
        "other columns than in the manifest: ",
    ),
    (
        "datapackage.json",
        lambda p: p["resources"].append(_resource(p)),
        "describes the table share_by_origin_weekly 2 times",
    ),
    (
        "datapackage.json",
        lambda p: p["resources"].remove(_resource(p)),
        "describes the table share_by_origin_weekly 0 times",
    ),
    ("datapackage.json", lambda p: p.update(id="20200101T000000Z-00000000"), "is of vintage 2020"),
    ("datapackage.json", lambda p: p.pop("resources"), "is not as we write it: resources"),
    ("croissant.json", lambda d: _croissant_file(d).update(sha256="0" * 64), "sha256 000"),
    ("croissant.json", lambda d: _croissant_file(d).update(contentSize="3 B"), "3 bytes"),
    ("croissant.json", lambda d: _croissant_file(d).update(contentSize="3 MB"), "-1 bytes"),
    (
        "croissant.json",
        lambda d: _croissant_file(d).update(contentUrl="https://example.com/x.parquet"),
        "contentUrl of share_by_origin_weekly.parquet: https://example.com",
    ),
    (
        "croissant.json",
        lambda d: _records(d)["field"][0]["source"]["extract"].update(column="share"),
        "is the column share of",
    ),
    (
        "croissant.json",
        lambda d: _records(d)["field"][0]["source"]["fileObject"].update({"@id": "x.parquet"}),
        "of x.parquet, expected",
    ),
    ("croissant.json", lambda d: _records(d)["field"].pop(), "other columns than"),
    (
        "croissant.json",
        lambda d: d["distribution"].remove(_croissant_file(d)),
        "of share_by_origin_weekly.parquet",
    ),
    ("croissant.json", lambda d: d.update(version="2.0.0+2020"), "is of vintage 2020"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "lie", "said"), LIES, ids=[said for *_, said in LIES])
def test_verify_finds_what_a_resealed_description_states_falsely(
    vintage: Path, name: str, lie: Callable[[Any], object], said: str
) -> None:
    """Its own hash is right: whoever wrote the lie has sealed it."""
    change(vintage / name, lambda document: None)  # in other bytes, without a lie
    reseal(vintage)
    verify(vintage)
    change(vintage / name, lie)
    reseal(vintage)
    with pytest.raises(VerificationError) as found:
        verify(vintage)
    _, *problems = str(found.value).splitlines()
    assert all(problem.startswith(f"  {name}: ") for problem in problems)
    assert said in "\n".join(problems)


def test_a_description_that_is_no_document_is_named(vintage: Path) -> None:
    (vintage / "croissant.json").write_bytes(b"[" * 100_000)
    reseal(vintage)
    with pytest.raises(VerificationError, match=r"croissant\.json: is nested too deeply"):
        verify(vintage)
