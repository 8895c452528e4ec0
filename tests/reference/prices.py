"""List prices, the day they hold, and price bands.

docs/method.md: "Prices". Prices are whole numbers of 10⁻¹² US dollars per million tokens.
"""

import functools
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import NamedTuple

import pandas as pd

from tests.reference import inputs, registry

SEEDS = ("price_seed", "price_seed_other", "price_notes")
SCALE = 10**12
BANDS = ((Fraction(1, 2), "under_0.5"), (2, "0.5_to_2"), (10, "2_to_10"))


class Price(NamedTuple):
    """One validity of one kind of price; valid_to is exclusive, empty without end."""

    precedence: int
    kind: str
    usd_per_million: Decimal
    valid_from: str
    valid_to: str


def _corrected(row: inputs.Row) -> Decimal | None:
    """The price of a seed's row, after data_contracts/corrections.yml; None if it falls away."""
    price = Decimal(row["usd_per_million_tokens"])
    for wrong in inputs.configuration("corrections"):
        begins, ends = (str(wrong[end] or "") for end in ("valid_from", "valid_to"))
        if (
            (wrong["source"], wrong["key"], wrong["field"])
            == (row["price_source"], row["model_permaslug"], row["price_kind"])
            and Decimal(wrong["expect"]) == price
            and begins <= row["valid_from"]
            and (not ends or (row["valid_to"] and row["valid_to"] <= ends))
        ):
            return None if wrong["value"] is None else Decimal(wrong["value"])
    return price


@functools.cache
def stated() -> dict[str, list[Price]]:
    """What all price lists say of each model, corrected."""
    precedence = {
        row["price_source"]: int(row["precedence"]) for row in inputs.seed("price_sources")
    }
    prices = defaultdict(list)
    for row in (row for name in SEEDS for row in inputs.seed(name)):
        value = _corrected(row)
        if value is not None:
            prices[row["model_permaslug"]].append(
                Price(
                    precedence[row["price_source"]],
                    row["price_kind"],
                    value,
                    row["valid_from"],
                    row["valid_to"],
                )
            )
    return prices


def on_day(model: str, day: str) -> dict[str, Decimal]:
    """All kinds of price of a model on a day on which it is used, from the source that speaks.

    The source is the first in order of precedence that says anything of the model on that day.
    """
    valid = [
        price
        for price in stated().get(model, ())
        if price.valid_from <= day and (not price.valid_to or day < price.valid_to)
    ]
    first = min((price.precedence for price in valid), default=0)
    return {p.kind: p.usd_per_million for p in valid if p.precedence == first}


def whole(price: Decimal) -> int:
    """A price in 10⁻¹² US dollars per million tokens, halves rounded up."""
    return int((price * SCALE).to_integral_value(ROUND_HALF_UP))


def prompt_and_completion(permaslug: str, day: str) -> tuple[int, int] | None:
    """Both prices that a band and a value need, or None: then the row is unpriced.

    A `:free` variant is free. Prompt and completion at 0 with another price above 0 (images,
    requests) say nothing of tokens.
    """
    if registry.parts(permaslug)[1] == "free":
        return 0, 0
    kinds = on_day(permaslug, day)
    if not {"prompt", "completion"} <= kinds.keys():
        return None
    both = whole(kinds.pop("prompt")), whole(kinds.pop("completion"))
    return None if both == (0, 0) and any(kinds.values()) else both


def band(both: tuple[int, int] | None) -> str:
    """The price band: lower edge in, upper edge out, at the blend (3 × prompt + completion) / 4."""
    if both is None:
        return "unpriced"
    if both == (0, 0):
        return "free"
    blend = Fraction(3 * both[0] + both[1], 4 * SCALE)
    return next((name for edge, name in BANDS if blend < edge), "10_and_over")


@functools.cache
def priced() -> pd.DataFrame:
    """`registry.attributed("then")` with both prices (None if unpriced) and the band."""
    table = registry.attributed("then").copy()
    both = [
        prompt_and_completion(model, day)
        for model, day in zip(table["model_permaslug"], table["day"], strict=True)
    ]
    table["price_band"] = list(map(band, both))
    table["prompt"] = pd.Series([pair and pair[0] for pair in both], dtype=object)
    table["completion"] = pd.Series([pair and pair[1] for pair in both], dtype=object)
    return table
