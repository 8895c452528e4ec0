"""Compare what `datapackage.json` and `croissant.json` of a vintage say of its tables with its
manifest. Readers of these files may never open the manifest, so a false statement in them is one in
the vintage, even if their own hashes are right.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestration.errors import safe_text
from orchestration.files import read_json
from orchestration.publication.metadata import CROISSANT_NAME, DATA_PACKAGE_NAME


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Named(_Shape):
    name: str


class _TableSchema(_Shape):
    fields: list[_Named]


class _Resource(_Shape):
    path: str
    hash: str
    bytes: int | None = None
    table: _TableSchema = Field(alias="schema")


class _Package(_Shape):
    id: str
    resources: list[_Resource]


class _Id(_Shape):
    id: str = Field(alias="@id")


class _FileObject(_Id):
    path: str = Field(alias="contentUrl")
    size: str = Field(alias="contentSize")
    sha256: str


class _Extract(_Shape):
    column: str


class _Source(_Shape):
    file: _Id = Field(alias="fileObject")
    extract: _Extract


class _Column(_Named):
    source: _Source


class _Records(_Named):
    field: list[_Column]


class _Croissant(_Shape):
    version: str
    distribution: list[_FileObject]
    records: list[_Records] = Field(alias="recordSet")


@dataclass(frozen=True)
class _Stated:
    """What a file says of one table. `bytes` is None if it does not say it."""

    path: str
    sha256: str
    bytes: int | None
    columns: tuple[str, ...]


def description_problems(
    folder: Path, document: dict[str, Any], tables: dict[str, str]
) -> list[str]:
    """What one of the two files states that the manifest does not. `tables` are the paths that must
    be described, by the name of their table. A file that the manifest does not list is not looked
    at: vintages of earlier versions have none."""
    listed = {entry["path"]: entry for entry in document["outputs"]}
    problems: list[str] = []
    for name, read in ((DATA_PACKAGE_NAME, _of_data_package), (CROISSANT_NAME, _of_croissant)):
        if name not in listed:
            continue
        try:
            vintage_id, stated = read(read_json(folder / name))
        except ValidationError as error:
            found = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3]]
            problems.append(f"{name}: is not as we write it: {safe_text('; '.join(found))}")
            continue
        except ValueError as error:
            problems.append(f"{name}: {safe_text(error)}")
            continue
        said = document["vintage_id"]
        if vintage_id != said:
            problems.append(f"{name}: is of vintage {safe_text(vintage_id)}, expected {said}")
        problems += (f"{name}: {problem}" for problem in _differences(stated, listed, tables))
    return problems


def _of_data_package(document: dict[str, Any]) -> tuple[str, list[_Stated]]:
    package = _Package.model_validate(document)
    return package.id, [
        _Stated(
            r.path,
            r.hash.removeprefix("sha256:"),
            r.bytes,
            tuple(field.name for field in r.table.fields),
        )
        for r in package.resources
    ]


def _of_croissant(document: dict[str, Any]) -> tuple[str, list[_Stated]]:
    dataset = _Croissant.model_validate(document)
    columns: dict[str, list[str]] = {}
    for file in dataset.distribution:
        if file.path != f"tables/{file.id}":
            raise ValueError(f"contentUrl of {file.id}: {file.path}, expected tables/{file.id}")
        columns[file.id] = []
    for records in dataset.records:
        for field in records.field:
            file_id, column = field.source.file.id, field.source.extract.column
            own = f"{records.name}.parquet"
            if file_id != own or own not in columns or field.name != column:
                raise ValueError(
                    f"{records.name}: the field {field.name} is the column {column} of {file_id}, "
                    f"expected the column of its name, of {own}"
                )
            columns[own].append(column)
    return dataset.version.partition("+")[2], [
        _Stated(file.path, file.sha256, _bytes(file.size), tuple(columns[file.id]))
        for file in dataset.distribution
    ]


def _bytes(size: str) -> int:
    number, _, unit = size.partition(" ")
    return int(number) if number.isdecimal() and len(number) < 20 and unit == "B" else -1


def _differences(
    stated: list[_Stated], listed: dict[str, dict[str, Any]], tables: dict[str, str]
) -> Iterator[str]:
    paths = [one.path for one in stated]
    for table, path in tables.items():
        if paths.count(path) != 1:
            yield f"describes the table {table} {paths.count(path)} times, expected once"
    for one in stated:
        path, entry = safe_text(one.path), listed.get(one.path)
        if entry is None or "schema" not in entry:
            yield f"{path}: the manifest lists no such table"
            continue
        if one.sha256 != entry["sha256"]:
            yield f"{path}: sha256 {safe_text(one.sha256)}, the manifest states {entry['sha256']}"
        if one.bytes not in (None, entry["bytes"]):
            yield f"{path}: {one.bytes} bytes, the manifest states {entry['bytes']}"
        said, columns = Counter(one.columns), Counter(list(entry["schema"]))
        if said != columns:
            differ = sorted((said - columns) | (columns - said))
            yield f"{path}: other columns than in the manifest: {safe_text(', '.join(differ))}"
