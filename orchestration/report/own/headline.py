"""The shares of the leading origins beside OpenRouter's, in the latest period and before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestration.report import charts, colors
from orchestration.report.context import MIN_DAYS_CHARTED
from orchestration.report.own.part import MARKET, YOURS, Part, share_of
from orchestration.report.section import (
    Cell,
    Column,
    Row,
    Section,
    Table,
    grouped,
    rounded,
    title,
    value,
)
from orchestration.words import amount


@dataclass(frozen=True, kw_only=True)
class Headline(Section):
    # The rows of the two leading origins, and of what is not identified, in the latest period.
    origins: Sequence[Row]
    unidentified: Row | None
    # What a reader must know about the period, each a sentence.
    remarks: Sequence[str]
    chart: str
    # By week, or by day.
    table: Table


def section(part: Part) -> Headline:
    origins = {r["name"]: r for r in part.shares("origin")}
    chart = part.element("chart-trend")
    return Headline(
        origins=[origins[o] for o in part.pair],
        unidentified=origins.get("unidentified"),
        remarks=_remarks(part),
        chart=chart,
        table=_table(part),
        charts=charts.drawn({chart: (_title(part), _trend(part))})
        if len(_charted(part)) > 1
        else {},
    )


def _remarks(part: Part) -> list[str]:
    """What is missing on either side of the latest period."""
    now, said = part.latest, []
    if not part.is_weekly:
        said.append(
            f"No ISO week has {MIN_DAYS_CHARTED} days with tokens in this log, so this part shows "
            "its latest day."
        )
    elif now["days_present"] < 7:
        said.append(
            f"The log has tokens on {now['days_present']} of the 7 days of this week; whether the "
            "others had none or are not landed, the log does not say."
        )
    if bad := now["incomplete_days"]:
        said.append(
            f"Rows of {bad} day{'s' if bad > 1 else ''} of it are in quarantine, so tokens may be "
            "missing (table quarantine)."
        )
    if not part.has_market:
        last = now["market_last_day"]
        said.append(
            f"There is no data of {MARKET} "
            + (f"for {part.window}; its last day here is {last}." if last else "in this vintage.")
        )
    elif not now["market_is_complete"]:
        days = now["market_days_present"]
        said.append(
            f"{MARKET} has {days} of the 7 days of this week."
            if part.is_weekly and days < 7
            else f"{MARKET} is not complete in this period."
        )
    return said


def _charted(part: Part) -> list[Row]:
    """The periods with enough days for a chart."""
    return [p for p in part.periods if p["has_days"]]


def _title(part: Part) -> str:
    grain = "Weekly" if part.is_weekly else "Daily"
    return f"{grain} share of all tokens with its bounds, yours and {MARKET}, {part.said}"


def _trend(part: Part) -> charts.Spec:
    drawn = {p["period_start"] for p in _charted(part)}
    rows = [
        r
        for r in part.ask("own_shares")
        if r["share_of"] == "origin" and r["name"] in part.pair and r["period_start"] in drawn
    ]
    return charts.band_lines(
        [
            {
                "period_start": r["period_start"],
                "name": title(r["name"]),
                "measure": measure,
                "value": rounded(r[share]),
                "low": rounded(r[f"{share}_low"]),
                "high": rounded(r[f"{share}_high"]),
            }
            for measure, share in ((YOURS, "share"), (MARKET, "market_share"))
            for r in rows
        ],
        {title(o): colors.color_of(o) for o in part.pair},
        f"Line chart: share of tokens by origin, yours beside {MARKET}, with bounds",
        title="Share of all tokens",
        grain="week" if part.is_weekly else "day",
        dash=True,
    )


def _table(part: Part) -> Table:
    by_start = grouped(
        [r for r in part.ask("own_shares") if r["share_of"] == "origin"], "period_start"
    )
    rows = [
        {**p, "origins": {r["name"]: r for r in by_start[p["period_start"]]}}
        for p in reversed(part.periods)
    ]
    return Table(
        f"Share of all tokens of {part.source} and of {MARKET} with its bounds, {part.said}, "
        "latest first. * not complete.",
        [
            Column("Week of" if part.is_weekly else "Day", _starred),
            Column("Days", value("days_present", str)),
            *(
                Column(f"{title(origin)}, {whose}", _share_of(origin, share))
                for origin in part.pair
                for whose, share in (("yours", "share"), (MARKET, "market_share"))
            ),
            Column("Your tokens", value("total_tokens", amount)),
        ],
        rows,
    )


def _starred(row: Row) -> str:
    return str(row["period_start"]) + ("" if row["is_complete"] else " *")


def _share_of(origin: str, name: str) -> Cell:
    def cell(row: Row) -> Any:
        found = row["origins"].get(origin)
        return share_of(name)(found) if found else "–"

    return cell
