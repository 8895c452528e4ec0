"""What every format of request logs shares: looking at the beginning of a file, and the SQL that
reads the allowed columns of it, as text.

A request log has one row a request, and personal data beside the numbers. Only the columns of its
contract in `data_contracts/raw` are ever read: prompts, answers, names of users and keys, and
addresses never leave the file. No row passes through Python.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

import pyarrow.parquet as pq

from orchestration.contracts.odcs import Table, tables
from orchestration.errors import RefusedDumpError, plain_names, safe_text
from orchestration.tables import parquet, sql_name, sql_text

# Enough for the first object of a JSON log, with its prompt and answer.
_HEAD_BYTES = 4 * 1024 * 1024
_MAX_OBJECT_BYTES = 512 * 1024 * 1024

Kind = Literal["parquet", "csv", "json_lines", "json"]


@dataclass(frozen=True)
class Head:
    """The beginning of a file.

    `columns` are those of the Parquet file or CSV header, or the keys of the first JSON object.
    `first` is that object, if it could be parsed; it may contain personal data, so it is only for
    recognizing a layout and never shown. `kind` is `json` for a document that is not one object a
    line.
    """

    path: Path
    kind: Kind
    columns: tuple[str, ...]
    first: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the file, for messages."""
        return safe_text(self.path.name)

    def has(self, *names: str) -> bool:
        """Does the file have all these columns?"""
        return set(names) <= set(self.columns)


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path, "rb") if is_gzip else path.open("rb"))


def _as_object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list) and found:
        found = found[0]
    return found if isinstance(found, dict) else None


def read_head(path: Path) -> Head | None:
    """The beginning of a file, or None if it is not Parquet, CSV or JSON.

    Raises RefusedDumpError if it cannot be read, or is not a regular file.
    """
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is not a regular file")
        with path.open("rb") as file:
            magic = file.read(4)
        if magic == b"PAR1":
            names = pq.read_schema(path).names
            return Head(path, "parquet", tuple(names), {})
        with _open(path) as stream:
            content = stream.read(_HEAD_BYTES)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise RefusedDumpError(f"{safe_text(path.name)}: cannot be read: {error}") from error
    text = content.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    line = text.split("\n", 1)[0].rstrip("\r")
    if text.startswith(("{", "[")):
        of_line = _as_object(line) if line.startswith("{") else None
        first = of_line or _as_object(text)
        kind: Kind = "json_lines" if of_line is not None else "json"
        return Head(path, kind, tuple(first or ()), first or {})
    columns = _header(line)
    return Head(path, "csv", columns, {}) if columns else None


def _header(line: str) -> tuple[str, ...]:
    """The names in the header of a CSV file; empty if the line is not one."""
    names = tuple(name.strip().strip('"') for name in line.split(","))
    return names if len(names) > 1 and all(names) and len(set(names)) == len(names) else ()


@dataclass(frozen=True)
class RequestLog:
    """One format of request logs. Its contract in `data_contracts/raw` has the same name.

    `layouts` describes what is recognized, for help and errors. `recognizes` returns the name of
    the layout of a file, or "" if it is another format. `rows` returns SQL: a SELECT with one
    column of text for each field of the contract, under its name there, and nothing else.
    """

    name: str
    title: str
    layouts: str
    recognizes: Callable[[Head], str]
    rows: Callable[[Head], str]
    # The columns that tell a file of this format, to name the nearest format in an error.
    signature: Sequence[str] = ()

    @property
    def table(self) -> Table:
        """The typed table that its rows become."""
        return tables("raw")[self.name]

    @property
    def time_field(self) -> str:
        """The column, in our tables, of the time whose UTC day is the day of usage."""
        return str(self.table.properties["usageTime"])


def read_csv(head: Head) -> str:
    """SQL that reads a CSV file: every column of its header as text, by name.

    Lines that are not CSV are left out; DuckDB keeps their numbers in `reject_errors`.
    """
    columns = ", ".join(f"{sql_text(name)}: 'VARCHAR'" for name in head.columns)
    return (
        f"read_csv({_path(head)}, auto_detect = false, header = true, delim = ',', quote = '\"', "
        f"escape = '\"', columns = {{{columns}}}, ignore_errors = true, store_rejects = true, "
        "rejects_limit = 1000, max_line_size = 100000000)"
    )


def read_json(head: Head, columns: Mapping[str, str]) -> str:
    """SQL that reads these keys of every object of a JSON file, each as the given type.

    A STRUCT reads only its own keys. Lines that are not JSON become rows of NULLs.
    """
    typed = ", ".join(f"{sql_text(name)}: {sql_text(type_)}" for name, type_ in columns.items())
    layout = "newline_delimited" if head.kind == "json_lines" else "auto"
    errors = ", ignore_errors = true" if head.kind == "json_lines" else ""
    return (
        f"read_json({_path(head)}, format = '{layout}', columns = {{{typed}}}, "
        f"maximum_object_size = {_MAX_OBJECT_BYTES}{errors})"
    )


def _path(head: Head) -> str:
    # The path as a glob pattern that matches only this path
    return parquet(head.path).removeprefix("read_parquet(").removesuffix(")")


def flat_rows(log: Table, head: Head, named: Mapping[str, str] | None = None) -> str:
    """SQL for a file with one flat row a request: the fields of the contract by name, as text.

    `named` says under which name a file has a field, if it is another one. A field that the file
    does not have is NULL.
    """
    wanted = {f.source_name: (named or {}).get(f.source_name, f.source_name) for f in log.fields}
    held = {field: name for field, name in wanted.items() if name in head.columns}
    if head.kind == "csv":
        source = read_csv(head)
    elif head.kind == "parquet":
        source = parquet(head.path)
    else:
        # Of JSON objects only the first was seen; a later one may have more fields.
        held = wanted
        source = read_json(head, dict.fromkeys(wanted.values(), "VARCHAR"))
    selected = ", ".join(
        (f"cast({sql_name(held[field])} as varchar)" if field in held else "cast(null as varchar)")
        + f" as {sql_name(field)}"
        for field in wanted
    )
    return f"select {selected} from {source}"


def unknown_layout(head: Head, logs: Sequence[RequestLog]) -> str:
    """What to say of a file with columns of no format: which they are, and the nearest format."""
    nearest = max(logs, key=lambda log: len(set(log.signature) & set(head.columns)))
    shared = [c for c in nearest.signature if c in head.columns]
    missing = [c for c in nearest.signature if c not in head.columns]
    if len(shared) < 2:
        return ""
    return (
        f"{head.name}: has the columns {plain_names(head.columns)}. The nearest known format is "
        f"{nearest.name}, which needs also {', '.join(missing) or 'another form'}: "
        f"{nearest.layouts}"
    )
