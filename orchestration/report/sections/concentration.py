"""How concentrated use is on models, labs and origins, with bounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.report import charts, colors
from orchestration.report.context import MIN_DAYS_CHARTED, Context
from orchestration.report.section import (
    Column,
    Row,
    Section,
    Table,
    band,
    latest_complete,
    latest_first,
    point_and_ends,
    starred,
    value,
    with_ends,
)
from orchestration.words import bounded, percent

_UNITS = {"model": "models", "lab": "labs", "origin": "origins"}


@dataclass(frozen=True, kw_only=True)
class Concentration(Section):
    # Of the latest complete week, by unit.
    latest: Mapping[str, Row]
    table: Table


def section(context: Context) -> Concentration:
    rows = context.ask("concentration")
    return Concentration(
        latest=latest_complete(rows, "unit"),
        table=Table(
            "By ISO week, latest first, with bounds. * incomplete week.",
            [
                Column("Week of", starred("period_start")),
                Column("Of", lambda r: _UNITS.get(r["unit"], r["unit"]), "text"),
                Column("Named", value("units", str)),
                Column("HHI", with_ends("hhi", 3)),
                Column("Effective number", with_ends("effective_number", 1)),
                Column("Share of the five largest", _top_5),
            ],
            latest_first(rows, "unit"),
        ),
        charts=charts.drawn(
            {
                "chart-concentration": (
                    f"Effective number by week, {context.said}: low is concentrated",
                    charts.band_lines(
                    [
                        {"period_start": r["period_start"], "name": _UNITS[r["unit"]],
                         **band(r, "effective_number", 2)}
                        for r in rows
                        if r["days_present"] >= MIN_DAYS_CHARTED and r["unit"] in _UNITS
                    ],
                    colors.UNITS,
                    "Line chart: effective number of models, labs and origins by week, with bounds",
                    title="Effective number (logarithmic)", form="~g", tip_form=".1f", scale="log",
                ))
            }
        ),
    )  # fmt: skip


def _top_5(row: Row) -> Any:
    low, high = row["top_5_share_low"], row["top_5_share_high"]
    return point_and_ends(percent(row["top_5_share"]), bounded(low, high))
