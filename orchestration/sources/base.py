"""What every source shares: opening a dump, and the form of its parsed rows."""

import codecs
import csv
import gzip
import hashlib
import io
import json
import math
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from orchestration.contracts.odcs import Table, tables
from orchestration.errors import RefusedDumpError, quoted, safe_text

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_MARKUP = ("<!doctype", "<html", "<?xml", "<head", "<body")
_CHUNK_BYTES = 1024 * 1024
_HEAD_LENGTH = 4096
_ROWS_PER_BATCH = 10_000
_META_VERSION = "v1"


@dataclass(frozen=True)
class Limits:
    """How large a dump may be: the settings of the same names. By default there is no limit."""

    max_dump_bytes: float = math.inf
    max_decompressed_bytes: float = math.inf
    max_json_bytes: float = math.inf
    max_dump_rows: float = math.inf

    def check(self, name: str, setting: str, found: int, what: str) -> None:
        """Compare the size `found` of the dump `name` with one limit.

        Raises RefusedDumpError that names the limit and the variable that raises it.
        """
        limit = getattr(self, setting)
        if found > limit:
            raise RefusedDumpError(
                f"{name}: has more than {limit:,} {what}; if it is really a dump, raise "
                f"TOKENSHARE_{setting.upper()}"
            )


@dataclass(frozen=True)
class Content:
    """The result of one pass over the decompressed bytes. `head` is the first text after leading
    whitespace."""

    sha256: str
    bytes: int
    head: str


@dataclass(frozen=True)
class Dump:
    """One raw file in memory, with the bytes that are on disk. `name` is only for messages.

    `not_after` is the latest time at which any answer in it can have been made, if it is known.
    """

    name: str
    content: bytes
    limits: Limits = Limits()
    not_after: datetime | None = None

    @classmethod
    def read(
        cls, path: Path, limits: Limits | None = None, not_after: datetime | None = None
    ) -> "Dump":
        """Read a file. Pipes and devices are refused at once.

        Raises RefusedDumpError if it is not a regular file, cannot be read or is too large.
        """
        name, limits = safe_text(path.name), limits or Limits()
        try:
            # Without O_NONBLOCK, opening a pipe would wait until somebody writes to it.
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
                status = os.fstat(stream.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise RefusedDumpError(
                        f"{safe_text(str(path))}: cannot be read: it is not a regular file"
                    )
                limits.check(name, "max_dump_bytes", status.st_size, "bytes")
                content = stream.read(status.st_size + 1)
                if len(content) != status.st_size:
                    raise RefusedDumpError(
                        f"{name}: changed while it was read; land it when it is complete"
                    )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RefusedDumpError(f"{safe_text(str(path))}: cannot be read: {reason}") from error
        return cls(name, content, limits, not_after)

    @property
    def is_gzip(self) -> bool:
        return self.content.startswith(_GZIP_MAGIC)

    def _open(self) -> IO[bytes]:
        """The decompressed bytes as a stream."""
        stream = io.BytesIO(self.content)
        return io.BufferedReader(gzip.GzipFile(fileobj=stream)) if self.is_gzip else stream

    def _chunks(self) -> Iterator[bytes]:
        """The decompressed bytes in chunks.

        Raises RefusedDumpError if the gzip stream is broken, and as soon as a limit is exceeded.
        """
        stream, size = self._open(), 0
        try:
            while chunk := stream.read(_CHUNK_BYTES):
                size += len(chunk)
                self.limits.check(self.name, "max_decompressed_bytes", size, "decompressed bytes")
                yield chunk
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise RefusedDumpError(
                f"{self.name}: broken gzip after {len(self.content)} bytes "
                f"({safe_text(str(error))}); the file was cut or damaged in transit, fetch it again"
            ) from error

    @cached_property
    def inspected(self) -> Content:
        """Hash, size and first characters of the decompressed bytes, checked to be text.

        Raises RefusedDumpError for a truncated gzip stream, a byte order mark, bytes that are not
        UTF-8, an empty file, an HTML page, or more bytes than the limits allow.
        """
        digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")()
        size, lines, head = 0, 0, ""

        def decode(chunk: bytes, final: bool = False) -> str:
            try:
                return decoder.decode(chunk, final)
            except UnicodeDecodeError as error:
                # The decoder still has the incomplete character at the end of the last chunk.
                offset = size - (len(error.object) - len(chunk)) + error.start
                line = lines + error.object.count(b"\n", 0, error.start) + 1
                raise RefusedDumpError(
                    f"{self.name}: line {line}: byte 0x{error.object[error.start]:02x} at offset "
                    f"{offset} is not UTF-8; expected UTF-8"
                ) from error

        for chunk in self._chunks():
            if size == 0 and chunk.startswith(_BYTE_ORDER_MARKS):
                raise RefusedDumpError(
                    f"{self.name}: begins with a byte order mark {chunk[:3].hex(' ')}; expected "
                    "UTF-8 without one, as the source publishes it. Did a spreadsheet save it?"
                )
            digest.update(chunk)
            text = decode(chunk)
            if len(head) < _HEAD_LENGTH:
                head = (head + text).lstrip()[:_HEAD_LENGTH]
            size += len(chunk)
            lines += chunk.count(b"\n")
        decode(b"", final=True)
        if not head:
            raise RefusedDumpError(f"{self.name}: is empty ({len(self.content)} bytes)")
        if head[:14].lower().startswith(_MARKUP):
            raise RefusedDumpError(
                f"{self.name}: is an HTML or XML page (begins with {quoted(head, 40)}), "
                "probably an error page saved in place of the data"
            )
        return Content(digest.hexdigest(), size, head)

    @property
    def first_line(self) -> str:
        """The first line that is not blank, up to 4,096 characters."""
        return self.inspected.head.split("\n", 1)[0].rstrip("\r")

    @property
    def looks_like_json(self) -> bool:
        return self.inspected.head.startswith(("{", "["))

    def open_text(self) -> IO[str]:
        """The decompressed text as a stream, with its own line endings.

        Raises RefusedDumpError like `inspected`.
        """
        assert self.inspected
        return io.TextIOWrapper(self._open(), encoding="utf-8", newline="")

    @cached_property
    def json(self) -> Any:
        """The parsed JSON document. Numbers stay text.

        Raises RefusedDumpError with line and column if it is not JSON, and also if an object has a
        duplicate key, or the document is nested too deeply or larger than the limits allow.
        """
        size = self.inspected.bytes
        self.limits.check(self.name, "max_json_bytes", size, "bytes of JSON")
        try:
            return json.loads(
                b"".join(self._chunks()).decode(),
                parse_float=str,
                parse_int=str,
                parse_constant=str,
                object_pairs_hook=self._object,
            )
        except json.JSONDecodeError as error:
            raise RefusedDumpError(
                f"{self.name}: line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
            ) from error
        except RecursionError as error:
            raise RefusedDumpError(
                f"{self.name}: is nested too deeply; expected a list of flat rows"
            ) from error

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise RefusedDumpError(
                f"{self.name}: field {quoted(twice)} is more than once in the same object "
                f"({quoted(pairs)}); expected it once, because nobody can know which one is right"
            )
        return found

    @property
    def first_entry(self) -> dict[str, Any]:
        """The first object under `data` of a JSON document; empty if there is none."""
        document = self.json if self.looks_like_json else None
        data = document.get("data") if isinstance(document, dict) else None
        first = data[0] if isinstance(data, list) and data else None
        return first if isinstance(first, dict) else {}

    def json_data(self) -> list[Any]:
        """The list in the field `data` of an API answer.

        Raises RefusedDumpError if there is no such list, with the error code if the API sent one.
        """
        document = self.json
        if not isinstance(document, dict):
            raise RefusedDumpError(
                f"{self.name}: expected a JSON object with `data`, got {type(document).__name__}"
            )
        if "error" in document and "data" not in document:
            error = document["error"]
            code = error.get("code", "?") if isinstance(error, dict) else "?"
            raise RefusedDumpError(
                f"{self.name}: is an API error answer (code {safe_text(str(code), 20)}), not data"
            )
        data = document.get("data")
        if not isinstance(data, list):
            got = "null" if data is None else type(data).__name__
            raise RefusedDumpError(f"{self.name}: field `data` is {got}; expected a list of rows")
        self.limits.check(self.name, "max_dump_rows", len(data), "rows")
        return data

    def json_meta(self) -> tuple[datetime, tuple[date, date]]:
        """`as_of` and window (first and last day) from the field `meta` of an OpenRouter data set.

        Raises RefusedDumpError if there is no `meta`, or its version is not the one that this code
        reads.
        """
        meta = self.json.get("meta")
        if not isinstance(meta, dict):
            raise RefusedDumpError(
                f"{self.name}: has no `meta`; expected the API's answer with its as_of, version "
                "and window"
            )
        if meta.get("version") != _META_VERSION:
            raise RefusedDumpError(
                f"{self.name}: meta.version is {quoted(meta.get('version'))}; "
                f"expected {_META_VERSION!r}"
            )
        as_of, start, end = (
            parse_time(meta.get(name), f"{self.name}: meta.{name}")
            for name in ("as_of", "start_date", "end_date")
        )
        return as_of, (start.date(), end.date())


class Rows:
    """Rows of text, kept as Arrow columns: a list of tuples takes ten times the memory."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._schema = pa.schema([pa.field(name, pa.string()) for name in fields])
        self._batches: list[pa.RecordBatch] = []
        self._recent: list[tuple[str | None, ...]] = []
        self._count = 0

    def append(self, row: tuple[str | None, ...]) -> None:
        self._recent.append(row)
        self._count += 1
        if len(self._recent) == _ROWS_PER_BATCH:
            self._pack()

    def _pack(self) -> None:
        columns = [pa.array(c, pa.string()) for c in zip(*self._recent, strict=True)]
        self._batches.append(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._recent = []

    def table(self) -> pa.Table:
        """All rows, one column of strings per field."""
        if self._recent:
            self._pack()
        return pa.Table.from_batches(self._batches, self._schema)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[str | None, ...]]:
        for batch in self.table().to_batches():
            yield from zip(*(c.to_pylist() for c in batch.columns), strict=True)


@dataclass(frozen=True)
class ParsedDump:
    """Rows as strings: one tuple per row in the order of `fields`, with None for an absent field.

    `row_numbers` are CSV lines (the header is line 1) or 1-based positions in a JSON array.
    `malformed` states, by row number, what is wrong with rows that do not have these fields. They
    are among `rows` with the fields that could be read, so that their day is known. `unreadable`
    states, by row number and field, what is there instead of text or a number; the cell is None.
    `cited_as_of` is the text for the citation, if it differs from the time `as_of`.
    """

    layout: str
    fields: Sequence[str]
    rows: Rows
    row_numbers: list[int]
    malformed: dict[int, str] = field(default_factory=dict)
    as_of: datetime | None = None
    window: tuple[date, date] | None = None
    cited_as_of: str | None = None
    unreadable: dict[int, dict[str, str]] = field(default_factory=dict)

    def table(self) -> pa.Table:
        """One row per row of the dump: `row_number`, the fields as strings, and `malformed`."""
        wrong = pa.array([self.malformed.get(n) for n in self.row_numbers], pa.string())
        numbers = pa.array(self.row_numbers, pa.int64())
        rows = self.rows.table().add_column(0, "row_number", numbers)
        return rows.append_column("malformed", wrong)


@dataclass(frozen=True)
class Source:
    """One raw format. Its contract in `data_contracts/raw` has the same name."""

    name: str
    kind: str
    license: str
    citation: str  # with {as_of}
    url: str
    layouts: str
    recognizes: Callable[[Dump], bool]
    parse: Callable[[Dump], ParsedDump]
    # True if its CSV is published with a manifest beside it (see landing/manifest.py).
    has_manifest: bool = False

    @property
    def table(self) -> Table:
        """The typed table that its rows become."""
        return tables("raw")[self.name]


def parse_time(value: object, where: str) -> datetime:
    """An ISO-8601 time in UTC. A time without a zone is taken as UTC.

    Raises RefusedDumpError for anything else; the message begins with `where`.
    """
    try:
        parsed = datetime.fromisoformat(str(value))
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise RefusedDumpError(
            f"{where}: {quoted(value)} is not an ISO-8601 time such as 2026-08-22T00:05:21Z"
        ) from error


def _printable(text: str) -> str:
    """The text with `?` for each lone surrogate, which is not valid Unicode."""
    return text.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True)
class Unreadable:
    """Replaces a value of a JSON dump that is neither text nor a number; `why` is what it is."""

    why: str


def _json_cell(value: object) -> str | Unreadable | None:
    """A value of `Dump.json`, where numbers are already text, as a cell of `Rows`."""
    if value is None or isinstance(value, Unreadable):
        return value
    if not isinstance(value, str):
        return Unreadable(f"a {type(value).__name__}")
    return value if _printable(value) == value else Unreadable(f"not Unicode: {quoted(value)}")


def parse_json(
    layout: str,
    fields: Sequence[str],
    entries: Iterable[tuple[Mapping[str, object], str]],
    **stated: Any,
) -> ParsedDump:
    """The rows of a JSON dump, numbered from 1.

    Each entry has its values by field, and what is wrong with the whole entry ("" if nothing is).
    `stated` are other fields of `ParsedDump`, such as `as_of`.
    """
    parsed = ParsedDump(layout, fields, Rows(fields), [], **stated)
    for number, (values, wrong) in enumerate(entries, start=1):
        cells = {name: _json_cell(values.get(name)) for name in fields}
        unreadable = {n: c.why for n, c in cells.items() if isinstance(c, Unreadable)}
        if wrong:
            parsed.malformed[number] = wrong
        if unreadable:
            parsed.unreadable[number] = unreadable
        parsed.rows.append(
            tuple([None if isinstance(c, Unreadable) else c for c in cells.values()])
        )
        parsed.row_numbers.append(number)
    return parsed


def as_object(entry: object) -> tuple[dict[str, Any], str]:
    """An entry of a JSON list with "" if it is an object, else an empty object and what the entry
    is instead."""
    return (entry, "") if isinstance(entry, dict) else ({}, f"a {type(entry).__name__}")


def parse_csv(dump: Dump, layouts: dict[str, list[str]], fields: Sequence[str]) -> ParsedDump:
    """The rows of a CSV dump whose header is exactly one of `layouts`.

    Raises RefusedDumpError for any other header; the message names missing and unexpected columns.
    """
    reader = csv.reader(dump.open_text(), strict=True)
    rows = Rows(fields)
    numbers: list[int] = []
    malformed: dict[int, str] = {}
    try:
        header = next(reader)
        layout = next((name for name, columns in layouts.items() if columns == header), None)
        if layout is None:
            raise RefusedDumpError(_header_message(dump, header, layouts))
        positions = [header.index(f) for f in fields]
        width, max_rows = len(header), dump.limits.max_dump_rows
        for row in reader:
            if len(row) == width:
                rows.append(tuple([row[p] for p in positions]))
            elif row:
                # Interned, because a broken file may have millions of such rows.
                malformed[reader.line_num] = sys.intern(f"{len(row)} fields instead of {width}")
                rows.append(tuple([row[p] if p < len(row) else None for p in positions]))
            else:
                continue
            numbers.append(reader.line_num)
            if len(numbers) > max_rows:
                dump.limits.check(dump.name, "max_dump_rows", len(numbers), "rows")
    except csv.Error as error:
        raise RefusedDumpError(f"{dump.name}: line {reader.line_num}: not CSV: {error}") from error
    return ParsedDump(f"csv/{layout}", fields, rows, numbers, malformed)


def _header_message(dump: Dump, header: list[str], layouts: dict[str, list[str]]) -> str:
    nearest = max(
        layouts.values(), key=lambda c: len(set(c) & set(header)) - abs(len(c) - len(header))
    )
    missing = [c for c in nearest if c not in header]
    extra = [c for c in header if c not in nearest]
    detail = "; ".join(
        part
        for part in (
            f"missing: {', '.join(missing)}" if missing else "",
            f"not expected: {', '.join(quoted(c, 40) for c in extra[:8])}" if extra else "",
            "" if missing or extra else "the columns are in another order, or one is repeated",
        )
        if part
    )
    known = " or ".join(",".join(c) for c in layouts.values())
    return f"{dump.name}: line 1: unknown columns ({detail}); expected exactly {known}"
