"""The ranking of models in the latest complete week, beside the week before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestration.report.context import Context
from orchestration.report.section import (
    Column,
    Row,
    Section,
    Table,
    share_with_bounds,
    value,
)
from orchestration.words import money, number, points, spaced, tokens

_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Models(Section):
    models: Sequence[Row]
    # The share of all tokens that the models of the ranking have together.
    share: float
    table: Table


def section(context: Context) -> Models:
    rows = context.ask("models_latest")
    return Models(
        models=rows,
        share=sum(r["share"] for r in rows),
        table=Table(
            "Models by tokens in the latest complete week, all variants together; share of all "
            f"tokens with its bounds, {context.said}; change in points from the week before.",
            [
                Column("Model", _model, "slug"),
                Column("Week before", _rank_before),
                Column("Lab", lambda r: r["lab_name"] or _unknown(r), "text flow"),
                Column("Origin", value("origin"), "text"),
                Column("License", value("license", spaced), "text"),
                Column("Share", _share),
                Column("Change", value("share_change", points)),
                Column("Tokens", value("tokens", tokens)),
                Column("List price", value("average_usd_per_million_tokens", number)),
                Column("List dollars", value("list_spend_usd", money)),
            ],
            rows,
            shown=_SHOWN,
        ),
    )


def _model(row: Row) -> str:
    return f"{row['rank']}. {row['model']}"


def _share(row: Row) -> Any:
    # A model has bounds even if nobody knows whose it is.
    return share_with_bounds({**row, "origin": None})


def _unknown(row: Row) -> str:
    return f"not known ({spaced(row['identification'])})"


def _rank_before(row: Row) -> Any:
    return "new" if row["rank_before"] is None else row["rank_before"]
