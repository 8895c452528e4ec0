"""What every source shares: opening a dump, and the shape of its answer."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestration.errors import RefusedDumpError

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Dump:
    """One raw file, in memory. `name` is only for messages."""

    name: str
    content: bytes

    @classmethod
    def read(cls, path: Path) -> "Dump":
        """Read a file.

        Raises RefusedDumpError where it cannot be read.
        """
        try:
            return cls(_printable(path.name), path.read_bytes())
        except OSError as error:
            raise RefusedDumpError(f"{path}: cannot be read: {error.strerror}") from error

    @property
    def is_gzip(self) -> bool:
        return self.content.startswith(_GZIP_MAGIC)

    @cached_property
    def text(self) -> str:
        """The decompressed text.

        Raises RefusedDumpError for a truncated gzip stream, a byte order mark, bytes that are not
        UTF-8, an empty file or an HTML page.
        """
        content = self.content
        if self.is_gzip:
            try:
                content = gzip.decompress(content)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise RefusedDumpError(
                    f"{self.name}: broken gzip after {len(self.content)} bytes ({error}); "
                    "the file was cut or damaged on its way, fetch it again"
                ) from error
        if not content.strip():
            raise RefusedDumpError(f"{self.name}: is empty ({len(self.content)} bytes)")
        if content.startswith(_BYTE_ORDER_MARKS):
            raise RefusedDumpError(
                f"{self.name}: begins with a byte order mark {content[:3].hex(' ')}; expected "
                "UTF-8 without one, as the source publishes it. Was it saved by a spreadsheet?"
            )
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise RefusedDumpError(
                f"{self.name}: line {line}: byte 0x{content[error.start]:02x} at offset "
                f"{error.start} is not UTF-8; expected UTF-8"
            ) from error
        if text.lstrip()[:14].lower().startswith(("<!doctype", "<html", "<?xml", "<head", "<body")):
            raise RefusedDumpError(
                f"{self.name}: is an HTML or XML page (begins with {text.lstrip()[:40]!r}), "
                "probably an error page saved in place of the data"
            )
        return text

    @property
    def excerpt(self) -> str:
        """First characters of the first line, for messages."""
        return self.text.lstrip().split("\n", 1)[0].rstrip("\r")[:60]

    @property
    def looks_like_json(self) -> bool:
        return self.text.lstrip().startswith(("{", "["))

    @cached_property
    def json(self) -> Any:
        """The parsed JSON document; numbers keep their text.

        Raises RefusedDumpError with line and column where it is not JSON, and where an object
        says the same key twice or is nested without end.
        """
        try:
            return json.loads(
                self.text,
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
                f"{self.name}: field {twice!r} stands twice in one object ({str(pairs)[:80]} …); "
                "expected it once, nobody can know which one is right"
            )
        return found

    def json_data(self) -> list[Any]:
        """The list under `data` of an API answer.

        Raises RefusedDumpError where there is none, with the error that the API gave.
        """
        document = self.json
        if not isinstance(document, dict):
            raise RefusedDumpError(
                f"{self.name}: expected a JSON object with `data`, got {type(document).__name__}"
            )
        if "error" in document and "data" not in document:
            error = document["error"]
            code = error.get("code", "?") if isinstance(error, dict) else "?"
            raise RefusedDumpError(f"{self.name}: is an API error answer (code {code}), not data")
        data = document.get("data")
        if not isinstance(data, list):
            got = "null" if data is None else type(data).__name__
            raise RefusedDumpError(f"{self.name}: field `data` is {got}; expected a list of rows")
        return data


@dataclass(frozen=True)
class ParsedDump:
    """Rows as strings, one tuple per row in the order of `fields`; None where a field is absent.

    `row_numbers` are CSV lines (the header is line 1) or 1-based positions in a JSON array.
    `malformed` says by row number what is wrong with rows that have no such fields; they are
    among `rows` with the fields that can be told, so that their day is known. `unreadable` says by
    row number and field what stands in place of a text or number; the cell itself is None.
    `cited_as_of` is what the citation says where that is not the moment `as_of`.
    """

    layout: str
    fields: Sequence[str]
    rows: list[tuple[str | None, ...]]
    row_numbers: list[int]
    malformed: dict[int, str] = field(default_factory=dict)
    as_of: datetime | None = None
    window: tuple[date, date] | None = None
    cited_as_of: str | None = None
    unreadable: dict[int, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """One raw format. `contract` names its table in `data_contracts/raw`."""

    name: str
    contract: str
    kind: str
    license: str
    citation: str  # with {as_of}
    url: str
    layouts: str
    recognizes: Callable[[Dump], bool]
    parse: Callable[[Dump], ParsedDump]


def parse_time(value: object, where: str) -> datetime:
    """An ISO-8601 time as UTC.

    Raises RefusedDumpError naming `where` for anything else; a time without zone is taken as UTC.
    """
    try:
        parsed = datetime.fromisoformat(str(value))
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise RefusedDumpError(
            f"{where}: {value!r} is not an ISO-8601 time such as 2026-08-22T00:05:21Z"
        ) from error


def _printable(text: str) -> str:
    """The text with `?` for what is not Unicode: lone surrogates, bytes of a strange file name."""
    return text.encode("utf-8", "replace").decode("utf-8")


def json_cells(
    fields: Sequence[str], values: Iterable[object]
) -> tuple[list[str | None], dict[str, str]]:
    """A row of a JSON dump as text, and by field what stands in place of a text or number.

    `values` come from `Dump.json`, where numbers are text already.
    """
    cells: list[str | None] = []
    unreadable: dict[str, str] = {}
    for name, value in zip(fields, values, strict=True):
        if value is None or isinstance(value, str):
            cell = value
            if value is not None and _printable(value) != value:
                cell = None
                unreadable[name] = f"not Unicode: {value!r}"
        else:
            cell = None
            unreadable[name] = f"a {type(value).__name__}"
        cells.append(cell)
    return cells, unreadable


def parse_csv(dump: Dump, layouts: dict[str, list[str]], fields: Sequence[str]) -> ParsedDump:
    """Rows of a CSV dump whose header is exactly one of `layouts`.

    Raises RefusedDumpError for any other header, naming what is missing or too much.
    """
    reader = csv.reader(io.StringIO(dump.text, newline=""), strict=True)
    rows: list[tuple[str | None, ...]] = []
    numbers: list[int] = []
    malformed: dict[int, str] = {}
    try:
        header = next(reader)
        layout = next((name for name, columns in layouts.items() if columns == header), None)
        if layout is None:
            raise RefusedDumpError(_header_message(dump, header, layouts))
        positions = [header.index(f) for f in fields]
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                malformed[reader.line_num] = f"{len(row)} fields in place of {len(header)}"
            rows.append(tuple(row[p] if p < len(row) else None for p in positions))
            numbers.append(reader.line_num)
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
            f"not expected: {', '.join(repr(c[:40]) for c in extra[:8])}" if extra else "",
            "" if missing or extra else "the columns stand in another order or twice",
        )
        if part
    )
    known = " or ".join(",".join(c) for c in layouts.values())
    return f"{dump.name}: line 1: unknown columns ({detail}); expected exactly {known}"
