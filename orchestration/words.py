"""Format numbers and codes of the tables for people."""

import csv
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from orchestration.settings import CONFIGURATION_DIR

Number = float | Decimal | int

_ADJECTIVES = {"CN": "Chinese", "US": "American", "FR": "French", "CA": "Canadian"}


def percent(value: Number | None, digits: int = 1) -> str:
    """A fraction as a percentage."""
    return "–" if value is None else f"{100 * float(value):.{digits}f} %"


def points(value: Number | None, digits: int = 1) -> str:
    """A difference of fractions in percentage points, with its sign."""
    if value is None:
        return "–"
    text = f"{100 * float(value):+.{digits}f}"
    return text.replace("-", "−") if float(text) else f"{0:.{digits}f}"


def bounded(low: Number | None, high: Number | None, digits: int = 1) -> str:
    """The bounds of a share in percent."""
    if low is None or high is None:
        return "no bounds"
    return f"{100 * float(low):.{digits}f} to {100 * float(high):.{digits}f} %"


def tokens(value: int) -> str:
    """A token count, in trillions or billions."""
    return f"{value / 1e12:,.2f} trillion" if value >= 1e12 else f"{value / 1e9:,.1f} billion"


def amount(value: int) -> str:
    """A count of any size, such as the tokens of one company."""
    if value >= 1e9:
        return tokens(value)
    return f"{value / 1e6:,.1f} million" if value >= 1e6 else f"{value:,}"


def hours(minutes: int) -> str:
    """A span of time in hours, from whole minutes."""
    return f"{minutes / 60:,.1f} hours"


def number(value: Number | None, digits: int = 2) -> str:
    """A number with so many digits after the point, such as a price in US dollars."""
    return "–" if value is None else f"{float(value):,.{digits}f}"


def cheaper(ratio: Number | None) -> str:
    """By how much a price is lower than another, from their ratio, or how much more expensive."""
    if ratio is None:
        return "–"
    if ratio <= 1:
        return percent(1 - float(ratio))
    return f"{percent(float(ratio) - 1)} more expensive"


def money(value: Number | None) -> str:
    """A sum of US dollars, rounded for a reader."""
    if value is None:
        return "–"
    size = float(value)
    if size >= 1e6:
        return f"{size / 1e6:,.1f} million"
    return f"{size / 1e3:,.1f} thousand" if size >= 1e3 else f"{size:,.0f}"


def dollars(value: Number | None) -> str:
    """A sum of US dollars of any size, to the cent if it is small."""
    if value is None:
        return "–"
    if 0 < value < 0.005:
        return "under 0.01"
    return f"{value:,.2f}" if value < 1000 else money(value)


def week(start: date) -> str:
    """An ISO week by its first and last day."""
    return f"{start:%Y-%m-%d} to {start + timedelta(days=6):%Y-%m-%d}"


def month(start: date) -> str:
    """A calendar month."""
    return f"{start:%Y-%m}"


@cache
def countries() -> dict[str, str]:
    """Every code of ISO 3166-1 alpha-2 with the country's name inside a sentence.

    The codes are those of https://github.com/datasets/country-list (public domain) at commit
    02b3e31; the names are the usual English ones.
    """
    path = CONFIGURATION_DIR / "countries.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        return {row["code"]: row["name"] for row in csv.DictReader(stream)}


def country(code: str) -> str:
    """The name of an origin inside a sentence."""
    return countries().get(code, code)


def adjective(code: str) -> str:
    """`Chinese` for CN; `from FI` if there is no word for it here."""
    return _ADJECTIVES.get(code, f"from {country(code)}")


def as_known(as_of: str) -> dict[str, str]:
    """What the views of the registry are called; `both` if they agree.

    `as_of` is the last day of what the registry may say, `9999-12-31` where there is no limit.
    """
    now = "as known now" if as_of == date.max.isoformat() else f"as known on {as_of}"
    return {"then": "as known then", "now": now, "both": f"as known then and {now[9:]}"}


def spaced(name: Any) -> str:
    """A machine name as readers see it."""
    return str(name).replace("_", " ")
