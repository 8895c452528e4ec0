"""What changed the shares of the two leading origins, lab by lab."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.report import charts
from orchestration.report.context import Context
from orchestration.report.section import CHANGE_TERMS, Column, Row, Section, Table, rounded, value
from orchestration.words import country, month, percent, points

_LABS_IN_WATERFALL = 8


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
        drawn[waterfall.id] = charts.waterfall(
            _steps(labs, earlier, later), charts.color_of(origin, context.pair),
            f"Waterfall chart: how the share of {country(origin)} went from {percent(earlier)} "
            f"to {percent(later)}, lab by lab",
        )  # fmt: skip
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


def _steps(labs: list[Row], start: float, stop: float) -> list[Row]:
    """The bars of a waterfall: both shares, the labs that changed most, and the others as one."""
    large = [r for r in labs if r["size_order"] <= _LABS_IN_WATERFALL]
    rest = [r for r in labs if r["size_order"] > _LABS_IN_WATERFALL]
    moves = sorted(((r["lab_name"], r["delta_share"]) for r in large), key=lambda m: -m[1])
    if rest:
        moves.append((f"{len(rest)} other labs", sum(r["delta_share"] for r in rest)))
    bars = [_bar("Earlier", 0, 0.0, start, "share", percent(start))]
    level = start
    for label, delta in moves:
        kind = "gain" if delta >= 0 else "loss"
        bars.append(_bar(label, len(bars), level, level + delta, kind, points(delta)))
        level += delta
    return [*bars, _bar("Later", len(bars), 0.0, stop, "share", percent(stop))]


def _bar(label: str, position: int, start: float, stop: float, kind: str, text: str) -> Row:
    return {
        "label": label, "position": position, "start": rounded(start), "stop": rounded(stop),
        "edge": rounded(max(start, stop)), "kind": kind, "text": text,
    }  # fmt: skip
