"""What the source restated, and what differs between the two views of the registry."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.report.context import Context
from orchestration.report.readings import in_view
from orchestration.report.section import (
    Cell,
    Column,
    Row,
    Section,
    Table,
    share_with_bounds,
    starred,
    value,
)
from orchestration.words import hours, month, points, tokens


@dataclass(frozen=True, kw_only=True)
class Revisions(Section):
    revisions: Sequence[Row]
    # The month and origin whose two readings differ most; None if none differ.
    most_restated: Row | None
    table: Table
    restated: Table


def section(context: Context) -> Revisions:
    revisions = context.ask("revisions")
    restated = [r for r in context.ask("restated") if r["origin"] != "unidentified"]
    return Revisions(
        revisions=revisions,
        most_restated=max(
            restated, key=lambda r: (abs(_difference(r)), r["period_start"]), default=None
        ),
        table=Table(
            "The latest restatements: each row is a dump that restated days.",
            [
                Column("First day", value("first_day", str)),
                Column("Last day", value("last_day", str)),
                Column("Read after the last day", _read_after),
                Column("Rows", value("rows", "{:,}".format)),
                Column("Tokens moved", value("tokens", tokens)),
                Column("Largest change of an origin’s day", value("largest_share_change", points)),
            ],
            revisions,
        ),
        restated=Table(
            "Months that differ, latest first; share with bounds. * incomplete month.",
            [
                Column("Month", starred("period_start", month)),
                Column("Origin", value("origin"), "text"),
                *(Column(context.said_of[v].capitalize(), _share_in(v)) for v in ("then", "now")),
                Column("Difference", lambda r: points(_difference(r))),
                Column("Because", value("because"), "wrap"),
            ],
            restated,
        ),
    )


def _read_after(row: Row) -> str:
    return hours(row["read_after_minutes"])


def _share_in(view: str) -> Cell:
    return lambda row: share_with_bounds(in_view(row, view))


def _difference(row: Row) -> float:
    return float(row["share_now"] - row["share_then"])
