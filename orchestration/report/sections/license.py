"""The shares of tokens of models with open and with closed weights."""

from dataclasses import dataclass

from orchestration.report import charts, colors
from orchestration.report.context import Context
from orchestration.report.section import (
    Cell,
    Column,
    Row,
    Section,
    Table,
    grouped,
    latest_complete,
    rounded,
    share_with_bounds,
    starred,
    title,
    value,
)
from orchestration.words import month, percent, spaced


@dataclass(frozen=True, kw_only=True)
class License(Section):
    # Of the latest complete month.
    open_weight: Row | None
    table: Table
    by_origin: Table


def section(context: Context) -> License:
    rows = context.ask("license_monthly")
    order = list(colors.LICENSES)
    return License(
        open_weight=latest_complete(rows, "license").get("open_weight"),
        table=Table(
            "Share of all tokens with bounds, latest month first. * incomplete month.",
            [
                Column("Month", starred("period_start", month)),
                Column("Open weight", value("open_weight", share_with_bounds)),
                Column("Closed", value("closed", share_with_bounds)),
                Column("Unknown", lambda r: percent(r["unknown"]["share"] if r["unknown"] else 0)),
            ],
            [
                {**found[0], **dict.fromkeys(order), **{r["license"]: r for r in found}}
                for found in reversed(grouped(rows, "period_start").values())
            ],
        ),
        by_origin=Table(
            "Share of all tokens by origin and license class with bounds, latest month first. "
            "* incomplete month.",
            [
                Column("Month", starred("period_start", month)),
                *(
                    Column(f"{title(origin)}, {words}", _share_of(origin, name))
                    for origin in context.pair
                    for name, words in (("open_weight", "open weight"), ("closed", "closed"))
                ),
            ],
            [
                {**found[0], **{(r["origin"], r["license"]): r for r in found}}
                for found in reversed(
                    grouped(context.ask("origin_license_monthly"), "period_start").values()
                )
            ],
        ),
        charts=charts.drawn(
            {
                "chart-license": (
                    f"Monthly share of all tokens by license class, {context.said}",
                    charts.stacked_bars(
                    [
                        {"period_start": r["period_start"], "name": spaced(r["license"]),
                         "name_order": order.index(r["license"]), "share": rounded(r["share"])}
                        for r in rows
                    ],
                    {spaced(k): v for k, v in colors.LICENSES.items()},
                    "Stacked bar chart: monthly share of tokens of models with open and closed "
                    "weights",
                ))
            }
        ),
    )  # fmt: skip


def _share_of(origin: str, name: str) -> Cell:
    return lambda month: share_with_bounds(month.get((origin, name)))
