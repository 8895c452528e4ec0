"""What tokens cost at list prices: by origin and lab, as an index of the same models, by band."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestration.report import charts, colors
from orchestration.report.context import Context
from orchestration.report.section import (
    Cell,
    Column,
    Row,
    Section,
    Table,
    band,
    between,
    grouped,
    latest_complete,
    latest_first,
    rounded,
    starred,
    title,
    value,
)
from orchestration.words import month, number, percent, spaced

# From this share of priced tokens on, the page says that a month rests on stale prices.
_STALE_SHARE_SAID = 0.01


@dataclass(frozen=True, kw_only=True)
class Price(Section):
    # Of the latest complete month, by origin.
    latest: Mapping[str, Row]
    index_latest: Mapping[str, Row]
    stale_months: Sequence[Row]
    labs: Table
    index: Table
    bands: Table


def section(context: Context) -> Price:
    prices = [r for r in context.ask("price_by_origin") if r["origin"] in context.pair]
    index = [r for r in context.ask("price_index") if r["origin"] in context.pair]
    bands = context.ask("price_bands")
    return Price(
        latest=latest_complete(prices, "origin"),
        index_latest=latest_complete(index, "origin"),
        stale_months=[
            r
            for r in context.ask("coverage_monthly")
            if (r["stale_share_of_priced"] or 0) >= _STALE_SHARE_SAID
        ],
        labs=_labs(context.ask("price_by_lab")),
        index=_index(index),
        bands=_bands(bands),
        charts=charts.drawn(
            {
                "chart-price-origin": (
                    f"Token-weighted list price by month, {context.said}",
                    _price_chart(prices, context),
                ),
                "chart-index": (
                    "Price of the same models, and average price of what was used, by month",
                    _index_chart(index, context),
                ),
                "chart-price": (
                    "Monthly share of all tokens by list price band",
                    _bands_chart(bands),
                ),
            }
        ),
    )


def _labs(rows: Sequence[Row]) -> Table:
    usd = "average_usd_per_million_tokens"
    return Table(
        "US dollars per million tokens at list prices, 3:1, latest complete month; from all "
        "prompt to all completion.",
        [
            Column("Lab", value("lab_name")),
            Column("Origin", value("origin"), "text"),
            Column("Average", value(usd, number)),
            Column("Band", between(f"{usd}_low", f"{usd}_high", _dollars)),
            Column("Without free", value("paid_usd_per_million_tokens", number)),
            Column("Tokens priced", value("priced_token_share", percent)),
        ],
        rows,
    )


def _dollars(low: Any, high: Any) -> str:
    return f"{number(low)} to {number(high)}"


def _price_chart(prices: Sequence[Row], context: Context) -> charts.Spec:
    return charts.band_lines(
        [
            {"period_start": r["period_start"], "name": title(r["origin"]),
             **band(r, "average_usd_per_million_tokens")}
            for r in prices
            if r["average_usd_per_million_tokens_low"]
        ],
        context.pair_colors,
        "Line chart: token-weighted list price by origin and month, with its band",
        title="US dollars per million tokens (log.)", form="~g", tip_form=".2f",
        grain="month", scale="log",
    )  # fmt: skip


def _index(rows: Sequence[Row]) -> Table:
    return Table(
        "First month of each chain = 100, latest month first. * incomplete month.",
        [
            Column("Month", starred("period_start", month)),
            Column("Origin", value("origin"), "text"),
            Column("Same models", value("index", number, 1)),
            Column("All prompt", value("index_all_prompt", number, 1)),
            Column("All completion", value("index_all_completion", number, 1)),
            Column("Average price", value("average_price_index", number, 1)),
            Column("Mix", value("mix_index", number, 1)),
            Column("Matched models", value("matched_models", str)),
            Column("Their share of tokens", value("matched_token_share_to", percent)),
            Column("100 in", value("base_period", month)),
        ],
        latest_first(rows, "origin"),
    )


def _index_chart(rows: Sequence[Row], context: Context) -> charts.Spec:
    def points(measure: str, name: str, low: str = "", high: str = "") -> list[Row]:
        return [
            {"period_start": r["period_start"], "name": title(r["origin"]), "measure": measure,
             "value": rounded(r[name], 1), "low": rounded(r.get(low), 1),
             "high": rounded(r.get(high), 1)}
            for r in rows
            if r[name]
        ]  # fmt: skip

    return charts.band_lines(
        [
            *points("same models (index)", "index", "index_all_prompt", "index_all_completion"),
            *points("what was used (average)", "average_price_index"),
        ],
        context.pair_colors,
        "Line chart: chained price index of the same models, and index of the average "
        "price of what was used, by origin and month",
        title="Index, first month of the chain = 100", form=",.0f", tip_form=".1f",
        grain="month", dash=True,
    )  # fmt: skip


def _bands(rows: Sequence[Row]) -> Table:
    ordered = sorted(rows, key=lambda b: (b["band_order"] is None, b["band_order"]))
    found = dict.fromkeys(b["price_band"] for b in ordered)
    return Table(
        "Share of all tokens, latest month first. * incomplete month.",
        [
            Column("Month", starred("period_start", month)),
            *(Column(spaced(name), _share_of(name)) for name in found),
        ],
        [
            {**months[0], "share_of": {r["price_band"]: r["share"] for r in months}}
            for months in reversed(grouped(rows, "period_start").values())
        ],
    )


def _share_of(price_band: str) -> Cell:
    return lambda month_: percent(month_["share_of"].get(price_band, 0))


def _bands_chart(rows: Sequence[Row]) -> charts.Spec:
    return charts.stacked_bars(
        [
            {"period_start": b["period_start"], "name": spaced(b["price_band"]),
             "name_order": b["band_order"], "share": rounded(b["share"])}
            for b in rows
        ],
        {spaced(k): v for k, v in colors.BANDS.items()},
        "Stacked bar chart: monthly share of tokens by list price band",
        "US dollars per million tokens",
    )  # fmt: skip
