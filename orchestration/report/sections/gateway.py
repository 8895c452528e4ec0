"""Another gateway beside this source: shares on both, and measured spend beside implied spend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestration.report import charts
from orchestration.report.context import MIN_DAYS_CHARTED, Context
from orchestration.report.section import (
    Cell,
    Column,
    Row,
    Section,
    Table,
    latest_complete,
    latest_first,
    point_and_ends,
    rounded,
    share_with_bounds,
    starred,
    title,
    value,
)
from orchestration.words import month, percent, points

_NAMES = {"openrouter_rankings": "OpenRouter", "vercel_leaderboard": "Vercel"}


@dataclass(frozen=True, kw_only=True)
class Gateway(Section):
    # The names of this source and of the other gateway; empty if there is no other.
    ours: str
    theirs: str
    # Of the latest complete month (the latest one if none is complete), by origin of the pair.
    latest: Mapping[str, Row]
    # The error of implied spend in the latest complete month, or the latest one; None without any.
    error: Row | None
    # What must be cited: of each of the two sources, the line of its newest dump.
    notices: Sequence[str]
    table: Table
    labs: Table
    spend: Table
    errors: Table


def section(context: Context) -> Gateway:
    rows = [r for r in context.ask("gateways_monthly") if r["origin"] in context.pair]
    labs, spend, errors = (
        context.ask(q) for q in ("gateways_labs", "gateway_spend", "gateway_spend_error")
    )
    # Without a day that both have only spend is shown.
    sources = [
        rows[0]["source"] if rows else "",
        next((r["gateway_source"] for r in [*rows, *errors]), ""),
    ]
    ours, theirs = (_NAMES.get(s, s) for s in sources)
    return Gateway(
        ours=ours,
        theirs=theirs,
        latest=latest_complete(rows, "origin") or _latest(rows),
        error=next((r for r in errors if r["is_complete"]), errors[0] if errors else None),
        notices=_notices(context.inputs, sources),
        table=Table(
            "Share of tokens on two gateways, latest month first: means of the daily shares with "
            "bounds, and their spread in points. * not complete on both.",
            [
                Column("Month", starred("period_start", month)),
                Column("Origin", value("origin"), "text"),
                Column("Days", value("days_compared", str)),
                Column(ours, lambda r: share_with_bounds(r, "mean_share")),
                Column("Weighted by tokens", value("token_weighted_share", percent)),
                Column(theirs, lambda r: share_with_bounds(r, "gateway_share")),
                Column("Spread", _spread),
            ],
            latest_first(rows, "origin"),
        ),
        labs=Table(
            f"Labs on two gateways, {_month(labs)}, the larger share first.",
            [
                Column("Lab", value("lab_name")),
                Column("Origin", value("origin"), "text"),
                Column(f"{ours}, tokens", lambda r: share_with_bounds(r, "mean_share")),
                Column(f"{theirs}, tokens", lambda r: share_with_bounds(r, "gateway_share")),
                Column("Spread", _spread),
                Column(f"{theirs}, requests", value("requests_share", percent)),
                Column(f"{theirs}, measured spend", value("spend_share", percent)),
            ],
            labs,
        ),
        spend=Table(
            "Measured beside implied share of spend, latest month first; implied with its bounds "
            "over all splits into prompt and completion. * incomplete month.",
            [
                Column("Month", starred("period_start", month)),
                Column("Lab", value("lab_name"), "text"),
                Column("Models", value("models_compared", str)),
                Column("Measured", value("measured_share", percent)),
                Column("Implied", lambda r: share_with_bounds(r, "implied_share")),
                Column("Difference", value("implied_minus_measured", points)),
            ],
            spend,
        ),
        errors=Table(
            "How far implied shares of spend are from measured ones, latest month first; points. "
            "* incomplete month.",
            [
                Column("Month", starred("period_start", month)),
                Column("Days", value("days_compared", str)),
                Column("Labs", value("labs", str)),
                Column("Mean difference", _size("mean_difference")),
                Column("Furthest", _furthest),
                Column("At the wrong lab", value("misplaced_share", percent)),
                Column("Tokens compared", value("compared_token_share", percent)),
                Column("Spend compared", value("compared_spend_share", percent)),
            ],
            errors,
        ),
        charts=charts.drawn(
            {
                "chart-gateway": (
                    f"Weekly share of tokens on {ours} and on {theirs}, {context.said}",
                    _chart(context, ours, theirs),
                )
            }
        ),
    )


def _latest(rows: Sequence[Row]) -> dict[str, Row]:
    last = max((r["period_start"] for r in rows), default=None)
    return {r["origin"]: r for r in rows if r["period_start"] == last}


def _month(labs: Sequence[Row]) -> str:
    if not labs:
        return ""
    return month(labs[0]["period_start"]) + ("" if labs[0]["is_complete"] else " (incomplete)")


def _notices(inputs: Sequence[Row], sources: Sequence[str]) -> list[str]:
    newest = {i["source"]: i["citation"] for i in sorted(inputs, key=lambda i: str(i["as_of"]))}
    return [newest[s] for s in sources if s in newest]


def _spread(row: Row) -> Any:
    point, low, high = (points(row[f"spread{end}"]) for end in ("", "_low", "_high"))
    return point_and_ends(point, f"{low} to {high}")


def _size(name: str) -> Cell:
    """A difference without its sign, in points."""
    return lambda row: f"{100 * row[name]:.1f}"


def _furthest(row: Row) -> str:
    return f"{row['furthest_lab']}, {points(row['furthest_difference'])}"


def _chart(context: Context, ours: str, theirs: str) -> charts.Spec:
    rows = [
        r
        for r in context.ask("gateways_weekly")
        if r["origin"] in context.pair and r["days_compared"] >= MIN_DAYS_CHARTED
    ]
    return charts.band_lines(
        [
            {
                "period_start": r["period_start"],
                "name": title(r["origin"]),
                "measure": gateway,
                "value": rounded(r[share]),
                "low": rounded(r[f"{share}_low"]),
                "high": rounded(r[f"{share}_high"]),
            }
            for gateway, share in ((ours, "mean_share"), (theirs, "gateway_share"))
            for r in rows
        ],
        context.pair_colors,
        f"Line chart: share of tokens by origin and week on {ours} and on {theirs}, with bounds",
        title="Mean of daily shares",
        dash=True,
    )
