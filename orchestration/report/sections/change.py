"""What changed the shares of the two leading origins, lab by lab."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.report import charts, colors
from orchestration.report.context import Context
from orchestration.report.section import CHANGE_TERMS, Column, Row, Section, Table, title, value
from orchestration.report.waterfall import bars
from orchestration.words import country, month, percent


@dataclass(frozen=True)
class Waterfall:
    """The chart of an origin: its element id, and the first and last share."""

    id: str
    origin: str
    earlier: float
    later: float


@dataclass(frozen=True, kw_only=True)
class Change(Section):
    change: Row | None
    waterfalls: Sequence[Waterfall]
    table: Table
    months: Table


def section(context: Context) -> Change:
    rows = context.ask("change")
    waterfalls, drawn = [], {}
    for origin in context.pair:
        labs = [r for r in rows if r["origin"] == origin]
        if not labs:
            continue
        earlier, later = (sum(r[f] for r in labs) for f in ("share_from", "share_to"))
        waterfall = Waterfall(f"chart-change-{origin.lower()}", origin, earlier, later)
        waterfalls.append(waterfall)
        drawn[waterfall.id] = (_title(waterfall, labs[0], context.said), charts.waterfall(
            bars([(r["lab_name"], r["delta_share"]) for r in labs], earlier, later, "labs"),
            colors.color_of(origin),
            f"Waterfall chart: how the share of {country(origin)} went from {percent(earlier)} "
            f"to {percent(later)}, lab by lab",
        ))  # fmt: skip
    return Change(
        change=rows[0] if rows else None,
        waterfalls=waterfalls,
        table=Table(
            "Share points; the four terms add up to the change.",
            [
                Column("Lab", value("lab_name")),
                Column("Origin", value("origin"), "text"),
                Column("From", value("share_from", percent)),
                Column("To", value("share_to", percent)),
                *CHANGE_TERMS,
            ],
            sorted(rows, key=lambda r: (-abs(r["delta_share"]), r["origin"], r["lab_id"])),
        ),
        months=Table(
            "Month on month, share points, latest first; the four terms add up to the change.",
            [
                Column("Month", value("period_start_to", month)),
                Column("Origin", value("origin"), "text"),
                Column("Share", value("share_to", percent)),
                *CHANGE_TERMS,
            ],
            [r for r in context.ask("change_monthly") if r["origin"] in context.pair],
        ),
        charts=charts.drawn(drawn),
    )


def _title(waterfall: Waterfall, row: Row, said: str) -> str:
    grain = "week" if row["grain"] == "weekly" else "month"
    return (
        f"{title(waterfall.origin)}: {percent(waterfall.earlier)} to {percent(waterfall.later)} of "
        f"all tokens, from the {grain} of {row['period_start_from']} to that of "
        f"{row['period_start_to']}, lab by lab, {said}"
    )
