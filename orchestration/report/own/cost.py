"""What the tokens cost: what was paid beside list prices, and list dollars beside OpenRouter's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestration.report.own.part import MARKET, Part
from orchestration.report.section import (
    Column,
    Row,
    Section,
    Table,
    share_with_bounds,
    starred,
    title,
    value,
)
from orchestration.words import amount, dollars, month, number, percent


@dataclass(frozen=True, kw_only=True)
class Cost(Section):
    # The latest month, all models together.
    month: Row
    has_cost: bool
    has_prices: bool
    months: Table
    models: Table
    saved: Table
    spend: Table


def section(part: Part) -> Cost:
    rows = part.ask("own_cost")
    months = [r for r in rows if r["model_permaslug"] is None]
    latest = months[0]
    models = [
        r
        for r in rows
        if r["model_permaslug"] is not None and r["period_start"] == latest["period_start"]
    ]
    return Cost(
        month=latest,
        has_cost=any(r["cost_usd"] is not None for r in months),
        has_prices=any(r["list_cost_usd"] is not None for r in months),
        months=Table(
            f"US dollars of {part.source} by month, latest first. Compared: tokens of which both "
            "the cost and the list price are known. * incomplete month.",
            [
                Column("Month", starred("period_start", month)),
                Column("Tokens", value("tokens", amount)),
                *_dollars(),
            ],
            months,
        ),
        models=Table(
            f"US dollars of {part.source} by model in {month(latest['period_start'])}, the most "
            "expensive first.",
            [
                Column("Model", value("model_permaslug")),
                Column("Origin", value("origin"), "text"),
                Column("Tokens", value("tokens", amount)),
                *_dollars(),
            ],
            models,
        ),
        saved=_saved(part, months),
        spend=_spend(part),
    )


def _dollars() -> list[Column]:
    return [
        Column("Paid", value("cost_usd", dollars)),
        Column("At list prices", value("list_cost_usd", dollars)),
        Column("Compared", value("compared_token_share", percent)),
        Column("Paid, of these", value("compared_cost_usd", dollars)),
        Column("List, of these", value("compared_list_cost_usd", dollars)),
        Column("Paid / list", value("paid_of_list", percent, 0)),
    ]


def _saved(part: Part, months: Sequence[Row]) -> Table:
    return Table(
        f"What prompt caches and discounts saved, US dollars of {part.source} by month, latest "
        "first, for the tokens of which the cost, the list price and the list's prices of prompt "
        "caches are known. At list prices, less the two, is what was paid, also to your own keys. "
        "A negative discount is a surcharge. * incomplete month.",
        [
            Column("Month", starred("period_start", month)),
            Column("Of the tokens", value("explained_token_share", percent)),
            Column("At list prices", value("explained_list_cost_usd", dollars)),
            Column("Caches saved", value("caching_saved_usd", dollars)),
            Column("Discounts", value("discount_usd", dollars)),
            Column("Paid", value("explained_cost_usd", dollars)),
        ],
        [r for r in months if r["discount_usd"] is not None],
    )


def _spend(part: Part) -> Table:
    rows: Sequence[Row] = [r for r in part.ask("own_list_spend") if r["origin"] != "unidentified"]
    average = "average_usd_per_million_tokens"
    return Table(
        f"Tokens of {part.source} at list prices, beside {MARKET} in the same months, "
        f"{part.said}. Yours are split into prompt and completion as the log has them, those of "
        f"{MARKET} three to one. Dollars with sharp bounds. * incomplete month.",
        [
            Column("Month", starred("period_start", month)),
            Column("Origin", value("origin", title), "text"),
            Column("Share of tokens", value("token_share", percent)),
            Column(f"… {MARKET}", value("market_token_share", percent)),
            Column("Share of list dollars", lambda r: share_with_bounds(r, "spend_share")),
            Column(f"… {MARKET}", _market_spend),
            Column("US dollars per million tokens", value(average, number)),
            Column(f"… {MARKET}", value(f"market_{average}", number)),
        ],
        rows,
    )


def _market_spend(row: Row) -> Any:
    if row["market_spend_share"] is None:
        return "–"
    return share_with_bounds(row, "market_spend_share")
