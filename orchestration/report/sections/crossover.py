"""When the lead changed between two origins, with bounds and an interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.report import charts
from orchestration.report.context import LEAD_DATES, Context
from orchestration.report.section import Cell, Column, Row, Section, Table, rounded, title, value
from orchestration.words import country


@dataclass(frozen=True, kw_only=True)
class Crossover(Section):
    lead_dates: Mapping[str, Row]
    table: Table


def section(context: Context) -> Crossover:
    rows = context.ask("crossover")
    ours = [r for r in rows if {r["origin"], r["rival_origin"]} == set(context.pair)]
    return Crossover(
        lead_dates=context.lead_dates,
        table=Table(
            "First day of the period; – if it never happened or is not true now. "
            "Interval: that of the day on which the trend crossed, not of the last change of lead; "
            "nominal 95 %, read as about 90 %.",
            [
                Column("Who over whom", _who),
                Column("Periods", value("grain"), "text"),
                Column("Read", lambda r: context.said_of[r["registry_view"]], "text"),
                *(Column(heading, _or_never(name)) for name, heading in LEAD_DATES.items()),
                Column("Trend crossed (interval)", _trend),
                Column("Led", lambda r: f"{r['periods_led']} of {r['periods_compared']}"),
            ],
            [*ours, *(r for r in rows if r not in ours)],
            shown=max(len(ours), 1),
        ),
        charts=charts.drawn(_lead_chart(context)),
    )


def _lead_chart(context: Context) -> dict[str, charts.Spec]:
    if len(context.pair) < 2:
        return {}
    leader, rival = context.pair
    name = country(leader)
    leads = [
        {
            "period_start": start,
            "name": "lead",
            "value": rounded(by[leader]["share"] - by[rival]["share"]),
            "low": rounded(by[leader]["share_low"] - by[rival]["share_high"]),
            "high": rounded(by[leader]["share_high"] - by[rival]["share_low"]),
        }
        for start, by in context.charted_weeks.items()
        if leader in by and rival in by
    ]
    return {
        "chart-lead": charts.band_lines(
            leads, {"lead": "#7a5ea8"},
            f"Line chart: weekly share of {name} minus that of {country(rival)}, with bounds; "
            f"above zero {name} leads",
            title=f"Lead of {name}, share points", rule=0.0,
        )
    }  # fmt: skip


def _who(row: Row) -> str:
    return f"{title(row['origin'])} over {title(row['rival_origin'])}"


def _or_never(name: str) -> Cell:
    return lambda row: row[name] or "–"


def _trend(row: Row) -> Any:
    if not row["trend_change"]:
        return "–"
    return f"{row['trend_change']} ({row['interval_low'] or '…'} to {row['interval_high'] or '…'})"
