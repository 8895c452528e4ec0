"""What a section of the page is made of: facts, tables with declared columns, and charts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from orchestration.claims import show
from orchestration.report.charts import Spec
from orchestration.words import bounded, country, number, percent, points

Row = dict[str, Any]
Cell = Callable[[Any], Any]

_ROWS_SHOWN = 15


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, the function from a row to a cell, and its CSS class.

    By default cells are aligned right and do not wrap, except between a figure and its bounds. The
    class `text` aligns left, `wrap` lets the text wrap, `slug` lets a long name wrap anywhere, and
    `wide` is hidden on a phone.
    """

    heading: str
    cell: Cell
    css: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the page: it shows the first rows, and the rest on demand.

    The first cell of a row is its heading. A row is any value that the cells of the columns accept,
    in most tables a row of a query.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Any]
    shown: int = _ROWS_SHOWN

    def _cells(self, rows: Sequence[Any]) -> list[list[Any]]:
        return [[column.cell(row) for column in self.columns] for row in rows]

    @property
    def is_long(self) -> bool:
        """Whether a row is too long for a phone, which then shows a list of its cells."""
        return sum("wide" not in column.css for column in self.columns) > 3

    @property
    def first(self) -> list[list[Any]]:
        return self._cells(self.rows[: self.shown])

    @property
    def rest(self) -> list[list[Any]]:
        return self._cells(self.rows[self.shown :])


@dataclass(frozen=True, kw_only=True)
class Section:
    """The content of a section. A subclass adds its facts and tables. Charts are by element id."""

    charts: Mapping[str, Spec] = field(default_factory=dict)


def point_and_ends(point: str, ends: str) -> Markup:
    """A figure with its bounds, between which a line may break but not within either."""
    return Markup('<span class="whole">{}</span> <span class="soft whole">({})</span>').format(
        point, ends
    )


# Functions that make the function from a row to a cell.


def value(name: str, words: Callable[..., Any] | None = None, *given: Any) -> Cell:
    """The value of a column of the query, formatted by `words(value, *given)` if it is given."""
    return lambda row: words(row[name], *given) if words else row[name]


def starred(name: str, words: Callable[[Any], str] = str) -> Cell:
    """The value of a column, with a star if the period is not complete."""
    return lambda row: words(row[name]) + ("" if row["is_complete"] else " *")


def between(low: str, high: str, words: Callable[[Any, Any], str] = bounded) -> Cell:
    """Two columns of the query, formatted as bounds."""
    return lambda row: words(row[low], row[high])


def with_ends(name: str, digits: int) -> Cell:
    """A number with its bounds `<name>_low` and `<name>_high`."""

    def cell(row: Row) -> Markup:
        found, low, high = (number(row[f"{name}{end}"], digits) for end in ("", "_low", "_high"))
        return point_and_ends(found, f"{low} to {high}")

    return cell


def ranked(name: str) -> Cell:
    """A name, after its rank if it has one."""
    return lambda row: f"{row['rank']}. {row[name]}" if row["rank"] else str(row[name])


def share_with_bounds(row: Row | None, name: str = "share") -> Any:
    """The share of a group with its bounds. That of `unidentified` is shown without bounds, because
    the bounds of the others are made from it.

    `name` is the column of the share; the bounds are in `<name>_low` and `<name>_high`.
    """
    if row is None:
        return "–"
    if row.get("origin") == "unidentified":
        return percent(row[name])
    ends = bounded(row[f"{name}_low"], row[f"{name}_high"])
    return point_and_ends(percent(row[name]), ends)


def measured(claim: Row) -> Any:
    """The measured figure of a claim with its bounds, `–` if nothing was measured."""
    figure = show.measured(claim)
    if figure is None:
        return "–"
    return point_and_ends(figure.text, f"{figure.low} to {figure.high}")


# The change of a share and its four terms, which two tables show.
CHANGE_TERMS = [
    Column("Change", value("delta_share", points)),
    Column("Entering models", value("entrants", points)),
    Column("Leaving models", value("leavers", points)),
    Column("Within lab", value("within_lab", points)),
    Column("Between labs", value("between_lab", points)),
]


# Functions that sections use on rows.


def title(origin: str) -> str:
    """The name of an origin or group, for use outside a sentence."""
    name = country(origin).removeprefix("the ")
    return name[:1].upper() + name[1:]


def rounded(number: Any, digits: int = 4) -> float | None:
    """A rounded number for a chart; None stays None."""
    return None if number is None else round(float(number), digits)


def band(row: Row, name: str, digits: int = 4) -> Row:
    """A point of a chart with its band: value, low and high."""
    return {
        "value": rounded(row[name], digits),
        "low": rounded(row[f"{name}_low"], digits),
        "high": rounded(row[f"{name}_high"], digits),
    }


def grouped(rows: Iterable[Row], key: str) -> dict[Any, list[Row]]:
    """The rows by the value of a column; the order of rows is kept."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


def latest_first(rows: Iterable[Row], key: str) -> list[Row]:
    """The rows by period, the latest first, and by `key` within a period."""
    return sorted(rows, key=lambda r: (-r["period_start"].toordinal(), r[key]))


def latest_complete(rows: Sequence[Row], key: str) -> dict[str, Row]:
    """The rows of the latest complete period by `key`; empty if no period is complete."""
    complete = [r for r in rows if r["is_complete"]]
    last = max((r["period_start"] for r in complete), default=None)
    return {r[key]: r for r in complete if r["period_start"] == last}
