"""Price against quality: is the cheapest good model of one country much cheaper?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from markupsafe import Markup

from orchestration.report import charts, colors
from orchestration.report.context import Context
from orchestration.report.section import (
    Cell,
    Column,
    Row,
    Section,
    Table,
    point_and_ends,
    rounded,
    starred,
    title,
    value,
)
from orchestration.words import cheaper, month, number, tokens

# The origin whose models the claim is about.
_CHALLENGER = "CN"


@dataclass(frozen=True, kw_only=True)
class Quality(Section):
    # The claim in the latest month; None if no catalogue covers the challenger.
    latest: Row | None
    months_judged: int
    months_held: Sequence[date]
    # A row of the chart, which has its dates; None without a chart.
    scatter: Row | None
    table: Table
    models: Table


def section(context: Context) -> Quality:
    rows = context.ask("quality")
    judged = [r for r in rows if r["origin"] == _CHALLENGER]
    models = [r for r in context.ask("quality_scatter") if r["usd_per_million_tokens"]]
    return Quality(
        latest=judged[0] if judged else None,
        months_judged=len(judged),
        months_held=sorted(r["period_start"] for r in judged if r["claim_90_80"]),
        scatter=models[0] if models else None,
        table=Table(
            "Cheapest model of the origin with at least 90 % of the rival’s best index. "
            "US dollars per million tokens, 3:1.",
            [
                Column("Month", starred("period_start", month)),
                Column("Origin", value("origin"), "text"),
                Column("Rival’s best: index, dollars", _model("rival_best"), "text flow"),
                Column("Cheapest at 90 %: index, dollars", _model("cheapest"), "text flow"),
                Column("Cheaper by (all prompt to all completion)", _cheaper_by),
                Column("80 % cheaper?", lambda r: "yes" if r["claim_90_80"] else "no", "text"),
                Column("Rival’s own at 90 %, cheaper by", _home, "text flow"),
                Column("Prices, index of", _dates, "text flow"),
            ],
            rows,
        ),
        models=Table(
            "The ten best models of each origin with an index and a paid list price.",
            [
                Column("Model", value("model")),
                Column("Origin", value("origin"), "text"),
                Column("Index", value("quality_index", number, 1)),
                Column("US dollars", value("usd_per_million_tokens", number)),
                Column("Tokens in the month", value("tokens", tokens)),
            ],
            models,
        ),
        charts=charts.drawn(
            {
                "chart-quality": (
                    "Quality index against list price, ten best models of each origin",
                    _chart(models, rows),
                )
            }
        ),
    )


def _chart(models: Sequence[Row], rows: Sequence[Row]) -> charts.Spec:
    origins = sorted({r["origin"] for r in models})
    prices = sorted(float(r["usd_per_million_tokens"]) for r in models)
    labeled = {
        r[name]
        for r in rows
        if r["period_start"] == rows[0]["period_start"]
        for name in ("rival_best_model", "cheapest_model")
    }
    return charts.scatter(
        [
            {"name": title(r["origin"]), "model": r["model"],
             "quality_index": rounded(r["quality_index"], 1),
             "usd": rounded(r["usd_per_million_tokens"], 3),
             "label": _short(r["model"]) if r["model"] in labeled else "",
             "middle": prices[len(prices) // 2]}
            for r in models
        ],
        {title(o): colors.color_of(o) for o in origins},
        "Scatter chart: quality index against list price of the ten best models of each origin",
    )  # fmt: skip


def _model(which: str) -> Cell:
    """A model with its index and price."""

    def cell(row: Row) -> Any:
        model = row[f"{which}_model"]
        if model is None:
            return "none"
        return Markup('{} <span class="soft">{}, {}</span>').format(
            _short(model),
            number(row[f"{which}_quality_index"], 1),
            number(row[f"{which}_usd_per_million_tokens"]),
        )

    return cell


def _cheaper_by(row: Row) -> Any:
    if row["price_ratio"] is None:
        return "–"
    point, low, high = (
        cheaper(row[f"price_ratio{end}"]) for end in ("", "_all_prompt", "_all_completion")
    )
    return point_and_ends(point, f"{low} to {high}")


def _home(row: Row) -> str:
    if not row["home_cheapest_model"]:
        return "–"
    return f"{_short(row['home_cheapest_model'])}, {cheaper(row['home_price_ratio'])}"


def _dates(row: Row) -> str:
    return f"{row['priced_on'] or '–'}, {row['index_read_on'] or '–'}"


def _short(model: str) -> str:
    """The name of a model without its lab and date."""
    name = model.partition("/")[2] or model
    head, _, tail = name.rpartition("-")
    return head if head and tail.isdigit() and len(tail) == 8 else name
