"""The labs that lead the latest complete week."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.report import charts, colors
from orchestration.report.context import MIN_DAYS_CHARTED, Context
from orchestration.report.section import (
    Cell,
    Column,
    Row,
    Section,
    Table,
    grouped,
    ranked,
    rounded,
    share_with_bounds,
    starred,
    value,
)
from orchestration.words import percent, tokens

# As many as the query `labs_weekly` follows.
_LABS_FOLLOWED = 8


@dataclass(frozen=True, kw_only=True)
class Labs(Section):
    labs: Sequence[Row]
    table: Table
    weeks: Table


def section(context: Context) -> Labs:
    latest, weekly = context.ask("labs_latest"), context.ask("labs_weekly")
    leading = latest[:_LABS_FOLLOWED]
    named = {r["lab_name"]: f"{r['lab_name']} ({r['origin']})" for r in leading}
    return Labs(
        labs=latest,
        table=Table(
            "Latest complete week; share of all tokens with its bounds.",
            [
                Column("Lab", ranked("lab_name")),
                Column("Origin", value("origin"), "text"),
                Column("Share", share_with_bounds),
                Column("Tokens", value("tokens", tokens)),
            ],
            latest,
        ),
        weeks=Table(
            "Share of all tokens by week, latest first. * incomplete week.",
            [
                Column("Week of", starred("period_start")),
                *(Column(name, _share_of(name)) for name in named),
            ],
            [
                {**rows[0], "share_of": {r["lab_name"]: r["share"] for r in rows}}
                for rows in reversed(grouped(weekly, "period_start").values())
            ],
        ),
        charts=charts.drawn(
            {
                "chart-labs": (
                    f"Weekly share of the leading labs, {context.said}",
                    charts.lines(
                    [
                        {"period_start": r["period_start"], "name": named[r["lab_name"]],
                         "value": rounded(r["share"])}
                        for r in weekly
                        if r["days_present"] >= MIN_DAYS_CHARTED
                    ],
                    colors.lab_strokes([(named[r["lab_name"]], r["origin"]) for r in leading]),
                    "Line chart: weekly shares of the labs that lead the latest complete week",
                    "Share of all tokens",
                ))
            }
        ),
    )  # fmt: skip


def _share_of(lab: str) -> Cell:
    return lambda week: percent(week["share_of"].get(lab))
