"""When the lead changed between two origins, with bounds and an interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from orchestration.report import charts, colors
from orchestration.report.context import LEAD_DATES, Context
from orchestration.report.section import (
    Cell,
    Column,
    Row,
    Section,
    Table,
    point_and_ends,
    rounded,
    title,
    value,
)
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
                *(
                    Column(heading, _first_lead, "flow")
                    if name == "first_lead"
                    else Column(heading, _or_never(name))
                    for name, heading in LEAD_DATES.items()
                ),
                Column("Trend crossed (interval)", _trend),
                Column("Led", lambda r: f"{r['periods_led']} of {r['periods_compared']}"),
            ],
            [*ours, *(r for r in rows if r not in ours)],
            shown=max(len(ours), 1),
        ),
        charts=charts.drawn(_lead_chart(context)),
    )


def _lead_chart(context: Context) -> dict[str, tuple[str, charts.Spec]]:
    if len(context.pair) < 2:
        return {}
    leader, rival = context.pair
    name = f"{title(leader)} over {title(rival)}"
    leads = [
        {
            "period_start": start,
            "name": name,
            "value": rounded(by[leader]["share"] - by[rival]["share"]),
            "low": rounded(by[leader]["share_low"] - by[rival]["share_high"]),
            "high": rounded(by[leader]["share_high"] - by[rival]["share_low"]),
        }
        for start, by in context.charted_weeks.items()
        if leader in by and rival in by
    ]
    return {
        "chart-lead": (f"Lead of {country(leader)} over {country(rival)} by week, {context.said}, "
                       f"with bounds; above zero {country(leader)} is ahead", charts.band_lines(
            leads, {name: colors.color_of(leader)},
            f"Line chart: weekly share of {country(leader)} minus that of {country(rival)}, with "
            f"bounds; above zero {country(leader)} leads",
            title=f"Lead of {country(leader)}, share points", rule=0.0,
        ))
    }  # fmt: skip


def _who(row: Row) -> str:
    return f"{title(row['origin'])} over {title(row['rival_origin'])}"


def _or_never(name: str) -> Cell:
    return lambda row: row[name] or "–"


def _first_lead(row: Row) -> Any:
    """Who led in the first period of all did not take the lead in it."""
    if not row["led_from_first"]:
        return row["first_lead"] or "–"
    return Markup('<span class="whole">{}</span> <span class="soft">{}</span>').format(
        row["first_lead"], "led from the first period on"
    )


def _trend(row: Row) -> Any:
    if not row["trend_change"]:
        return "–"
    ends = f"{row['interval_low'] or '…'} to {row['interval_high'] or '…'}"
    return point_and_ends(str(row["trend_change"]), ends)
