"""Tokens at list prices: share of dollars beside share of tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestration.report import charts
from orchestration.report.context import Context
from orchestration.report.section import (
    Column,
    Row,
    Section,
    Table,
    between,
    latest_complete,
    latest_first,
    rounded,
    share_with_bounds,
    starred,
    title,
    value,
)
from orchestration.words import money, month, percent


@dataclass(frozen=True, kw_only=True)
class Spend(Section):
    # Of the latest complete month, by origin.
    latest: Mapping[str, Row]
    # The labs with the most tokens and the most dollars, which may be the same; None without labs.
    most_tokens: Row | None
    most_dollars: Row | None
    table: Table
    labs: Table


def section(context: Context) -> Spend:
    rows = [r for r in context.ask("spend") if r["origin"] in context.pair]
    labs = context.ask("spend_by_lab")
    return Spend(
        latest=latest_complete(rows, "origin"),
        most_tokens=max(labs, key=lambda r: r["token_share"], default=None),
        most_dollars=labs[0] if labs else None,
        table=Table(
            f"Latest month first, {context.said}. Band: if all models share one split into prompt "
            "and completion and completions cost more than prompts. "
            "Sharp bounds: every model its own split, unidentified tokens anyone’s. "
            "* incomplete month.",
            [
                Column("Month", starred("period_start", month)),
                Column("Origin", value("origin"), "text"),
                Column("Share of tokens", value("token_share", percent)),
                Column("Share of dollars", value("spend_share", percent)),
                Column("Band", between("same_split_low", "same_split_high")),
                Column("Sharp bounds", between("spend_share_low", "spend_share_high")),
                Column("List dollars", value("list_spend_usd", money)),
                Column("From all prompt", value("list_spend_low_usd", money)),
                Column("To all completion", value("list_spend_high_usd", money)),
                Column("Tokens priced", value("priced_token_share", percent)),
            ],
            latest_first(rows, "origin"),
        ),
        labs=Table(
            "Latest complete month, by list dollars; share with sharp bounds.",
            [
                Column("Lab", value("lab_name")),
                Column("Origin", value("origin"), "text"),
                Column("List dollars", value("list_spend_usd", money)),
                Column("Band", between("list_spend_low_usd", "list_spend_high_usd", _dollars)),
                Column("Share of dollars", lambda r: share_with_bounds(r, "spend_share")),
                Column("Share of tokens", value("token_share", percent)),
            ],
            labs,
        ),
        charts=charts.drawn(
            {
                "chart-spend": (
                    f"Share of tokens and share of list dollars by month, {context.said}",
                    _chart(rows, context),
                )
            }
        ),
    )


def _dollars(low: float | None, high: float | None) -> str:
    return f"{money(low)} to {money(high)}"


def _chart(rows: Sequence[Row], context: Context) -> charts.Spec:
    def points(measure: str, name: str, low: str, high: str) -> list[Row]:
        return [
            {"period_start": r["period_start"], "name": title(r["origin"]), "measure": measure,
             "value": rounded(r[name]), "low": rounded(r[low]), "high": rounded(r[high])}
            for r in rows
        ]  # fmt: skip

    return charts.band_lines(
        [
            *points("share of tokens", "token_share", "token_share", "token_share"),
            *points("share of list dollars", "spend_share", "same_split_low", "same_split_high"),
        ],
        context.pair_colors,
        "Line chart: share of tokens beside share of list dollars by origin and month",
        title="Share", grain="month", dash=True,
    )  # fmt: skip
