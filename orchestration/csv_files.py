"""CSV that a spreadsheet opens safely, and the text that goes with it."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

# Text that begins so would be run as a formula by a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# What begins so without being a formula: a number with its sign.
_NUMBER = re.compile(r"[+-][0-9][0-9.,]*( %)?")


def _safe(text: str) -> str:
    return f"'{text}" if text[:1] in _FORMULA and not _NUMBER.fullmatch(text) else text


# How a value is written whose text is not what the csv module would write.
_WRITTEN: dict[type, Callable[[Any], str]] = {
    str: _safe,
    bool: lambda value: "true" if value else "false",
    Decimal: lambda value: format(value, "f"),
    datetime: datetime.isoformat,
}


def csv_bytes(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """A CSV file (RFC 4180, UTF-8, first line with the names) that a spreadsheet can open safely:
    a text that would be a formula begins with an apostrophe. NULL is empty."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(names)
    written = _WRITTEN.get
    writer.writerows(
        [as_text(value) if (as_text := written(type(value))) else value for value in row]
        for row in rows
    )
    return stream.getvalue().encode()


def csv_notice(what: str, vintage_id: str, citations: Sequence[str]) -> bytes:
    """The text that goes with CSV files: what they are, how they are written, whom to cite."""
    lines = [
        what, "",
        "CSV: UTF-8, comma, lines end with CR LF (RFC 4180), the first line has the names of the "
        "columns.",
        "Empty is NULL. Dates are ISO 8601 in UTC. Shares are fractions of 1.",
        "An apostrophe is before a text that begins with = + - @, a tab or a carriage return, so "
        "that no spreadsheet runs it as a formula. No number has one.", "",
        "These lines must go with every copy:",
        *citations,
        f"tokenshare, vintage {vintage_id}.",
    ]  # fmt: skip
    return "".join(f"{line}\n" for line in lines).encode()
