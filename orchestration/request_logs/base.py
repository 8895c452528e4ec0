"""What every format of request logs shares: looking at the beginning of a file, and the SQL that
reads the allowed columns of it, as text.

A request log has one row a request, and personal data beside the numbers. Only the columns of its
contract in `data_contracts/raw` are ever read: prompts, answers, names of users and keys, and
addresses never leave the file. No row passes through Python.
"""

import gzip
import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

import pyarrow.parquet as pq

from orchestration.contracts.odcs import Table, tables
from orchestration.errors import plain_names, safe_text
from orchestration.tables import parquet, sql_name, sql_text

# Enough for the first object of a JSON log, with its prompt and answer.
_HEAD_BYTES = 4 * 1024 * 1024
# A file with so many columns of a format is meant to be of it.
_NEARLY = 3
# DuckDB reserves twice as much for each of its threads.
_MAX_LINE_BYTES = 64 * 1024 * 1024
_MAX_DOCUMENT_BYTES = 512 * 1024 * 1024
_OBJECT = re.compile(r"\[?\s*\{")
_KEY = re.compile(r'[\s,]*("(?:[^"\\]|\\.)*")\s*:\s*')
# Where PostgreSQL's COPY of a table begins, as pg_dump writes it.
_COPY = re.compile(r"^COPY \S+ \(([^()\n]+)\) FROM stdin;\r?$", re.MULTILINE)

Kind = Literal["parquet", "csv", "json_lines", "json", "copy"]


@dataclass(frozen=True)
class Head:
    """The beginning of a file.

    `columns` are those of the Parquet file, of the CSV header or of the first COPY, or the keys of
    the first JSON object. `first` is that object, as far as the beginning of the file has it: the
    last value may be None because it is cut off. It may contain personal data, so it is only for
    recognizing a layout and never shown. `kind` is `json` for a document that is not one object a
    line, and `copy` for a dump of PostgreSQL.
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


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb") if _is_gzip(path) else path.open("rb"))


def _first_object(text: str) -> tuple[dict[str, Any], str]:
    """The first object of a text that is objects or a list of them, and what comes after it."""
    begins = text.lstrip("[ \t\r\n")
    try:
        found, end = json.JSONDecoder().raw_decode(begins)
    except (ValueError, RecursionError):
        return {}, ""
    return (found, begins[end:].strip()) if isinstance(found, dict) else ({}, "")


def _beginning_of_object(text: str) -> dict[str, Any]:
    """The keys and values of a JSON object, or of the first one of a list, up to where the text
    ends; a value that is cut off is None."""
    found: dict[str, Any] = {}
    start = _OBJECT.match(text)
    at = start.end() if start else len(text)
    while key := _KEY.match(text, at):
        try:
            name = json.loads(key[1])
            found[name] = None
            found[name], at = json.JSONDecoder().raw_decode(text, key.end())
        except (ValueError, RecursionError):
            break
    return found


def read_head(path: Path) -> Head | None:
    """The beginning of a file, or None if it is not Parquet, CSV, JSON or a dump of PostgreSQL, or
    cannot be read."""
    try:
        # Opening a pipe would wait until somebody writes to it.
        if not path.is_file():
            return None
        with path.open("rb") as file:
            magic = file.read(4)
        if magic == b"PAR1":
            return Head(path, "parquet", tuple(pq.read_schema(path).names), {})
        with _open(path) as stream:
            content = stream.read(_HEAD_BYTES)
    except (OSError, ValueError, EOFError, zlib.error):
        return None
    text = content.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    line = text.split("\n", 1)[0].rstrip("\r")
    if text.startswith(("{", "[")):
        first, rest = _first_object(line) if line.startswith("{") else ({}, "")
        is_cut = line == text and line.startswith("{") and len(content) == _HEAD_BYTES
        kind: Kind = "json_lines" if is_cut or (first and not rest) else "json"
        if kind == "json" or is_cut:
            first = _beginning_of_object(text)
        return Head(path, kind, tuple(first), first)
    # A dump begins with comments; a prompt in a CSV file may contain a COPY as well.
    if line.startswith(("--", "COPY ")) and (copy := _COPY.search(text)):
        return Head(path, "copy", tuple(c.strip().strip('"') for c in copy[1].split(",")), {})
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
        f"read_csv({_path(head)}, {_compression(head)}, auto_detect = false, header = true, "
        f"delim = ',', quote = '\"', escape = '\"', columns = {{{columns}}}, "
        "ignore_errors = true, store_rejects = true, "
        "rejects_limit = 1000, max_line_size = 100000000)"
    )


def read_json(head: Head, columns: Mapping[str, str], is_one_value: bool = False) -> str:
    """SQL that reads these keys of every object of a JSON file, each as the given type.

    A STRUCT reads only its own keys. Lines that are not JSON become rows of NULLs. If
    `is_one_value`, there is one column and one row: the whole document, as the type of that column;
    commas after the last element are allowed.
    """
    typed = ", ".join(f"{sql_text(name)}: {sql_text(type_)}" for name, type_ in columns.items())
    if head.kind == "json_lines":
        how = (
            "format = 'newline_delimited', ignore_errors = true, "
            f"maximum_object_size = {_MAX_LINE_BYTES}"
        )
    elif _is_list(head) and not is_one_value:
        how = f"format = 'array', maximum_object_size = {_MAX_LINE_BYTES}"
    else:
        form = "'unstructured', records = 'false'" if is_one_value else "'auto'"
        how = f"format = {form}, maximum_object_size = {_MAX_DOCUMENT_BYTES}"
    return f"read_json({_path(head)}, {_compression(head)}, columns = {{{typed}}}, {how})"


def read_copy(head: Head, table: str) -> str:
    """SQL that reads the rows of a table, or of its partitions, from a dump of PostgreSQL: every
    column of its COPY as text, by name. The names of partitions begin with that of the table.

    A row that was cut becomes one of NULLs.
    """
    lines = (
        f"read_csv({_path(head)}, {_compression(head)}, auto_detect = false, header = false, "
        "delim = '\x01', quote = '', escape = '', columns = {'line': 'VARCHAR'}, "
        "max_line_size = 100000000)"
    )
    names = sql_text(", ".join(head.columns))
    begins = rf"COPY (\S+\.)?\"?{re.escape(table)}\S* \((.*)\) FROM stdin;\r?"
    is_ours = f"replace(regexp_extract(line, {sql_text(begins)}, 2), '\"', '') = {names}"
    # The last line up to each one at which a table began or ended: odd if it is ours.
    marked = (
        f"select *, case when starts_with(line, 'COPY ') then 2 * n + cast({is_ours} as bigint) "
        r"when line in ('\.', '\.' || chr(13)) then 2 * n end as mark "
        f"from (select line, row_number() over () as n from {lines})"
    )
    cells = (
        "select string_split(line, chr(9)) as cells from (select *, max(mark) over (rows between "
        f"unbounded preceding and current row) as began from ({marked})) "
        "where began % 2 = 1 and mark is null"
    )
    columns = ", ".join(
        f"case when len(cells) = {len(head.columns)} and cells[{i}] <> '\\N' "
        rf"then replace(cells[{i}], '\\', '\') end as {sql_name(name)}"
        for i, name in enumerate(head.columns, start=1)
    )
    return f"(select {columns} from ({cells}))"


def _path(head: Head) -> str:
    # The path as a glob pattern that matches only this path
    return parquet(head.path).removeprefix("read_parquet(").removesuffix(")")


def _is_list(head: Head) -> bool:
    with _open(head.path) as stream:
        return stream.read(100).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def _compression(head: Head) -> str:
    # DuckDB would go by the name of the file.
    return f"compression = '{'gzip' if _is_gzip(head.path) else 'none'}'"


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
    """What to say of a file with columns of no format, but nearly of one: which they are, and the
    nearest format. Empty if they are far from all."""
    nearest = max(logs, key=lambda log: len(set(log.signature) & set(head.columns)))
    missing = [c for c in nearest.signature if c not in head.columns]
    if len(nearest.signature) - len(missing) < _NEARLY:
        return ""
    return (
        f"{head.name}: is nearly {nearest.name}, but has no column {' and no '.join(missing)}. It "
        f"has the columns {plain_names(head.columns)}; expected {nearest.layouts}"
    )
