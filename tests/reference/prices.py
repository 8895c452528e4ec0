"""List prices, the day they hold, and price bands.

docs/method.md: "Prices". Prices are whole numbers of 10⁻¹² US dollars per million tokens.
"""

import bisect
import datetime as dt
import functools
import itertools
import math
from collections import defaultdict
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import pandas as pd

from tests.reference import inputs, registry

SEEDS = ("price_seed", "price_seed_other", "price_notes")
SCALE = 10**12
CATALOGUE = 2  # precedence up to which a list is OpenRouter's own catalogue
FOREVER = "9999-12-31"
TOKEN_KINDS = ("prompt", "completion")
BANDS = ((Fraction(1, 2), "under_0.5"), (2, "0.5_to_2"), (10, "2_to_10"))


class Price(NamedTuple):
    """One validity of one kind of price; valid_to is exclusive, `FOREVER` without end."""

    price_kind: str
    usd_per_million_tokens: Decimal
    valid_from: str
    valid_to: str
    price_source: str
    precedence: int
    matched_id: str
    match_kind: str
    correction_id: str | None
    last_seen_on: dt.date


def _correction(row: inputs.Row) -> dict[str, Any] | None:
    """The correction in configuration/corrections.yml that is about a seed's row."""
    for wrong in inputs.configuration("corrections"):
        if (
            (wrong["source"], wrong["key"], wrong["field"])
            == (row["price_source"], row["model_permaslug"], row["price_kind"])
            and Decimal(wrong["expect"]) == Decimal(row["usd_per_million_tokens"])
            and str(wrong["valid_from"] or "") <= row["valid_from"]
            and (row["valid_to"] or FOREVER) <= str(wrong["valid_to"] or FOREVER)
        ):
            return wrong
    return None


@functools.cache
def _readings(source: str) -> list[str]:
    """Days on which a list was read; of the dated snapshots those on which any price changed."""
    if source == "openrouter_catalogue":
        ends = {row[end] for row in inputs.seed("price_seed") for end in ("valid_from", "valid_to")}
        return sorted(ends - {""})
    read = inputs.seed("price_source_readings")
    return sorted(row["read_on"] for row in read if row["price_source"] == source)


def last_seen_on(row: inputs.Row) -> str:
    """The last day on which a list is known to have stated a price: its last reading of it."""
    days = _readings(row["price_source"])
    place = bisect.bisect_left(days, row["valid_to"] or FOREVER)
    return max(row["valid_from"], days[place - 1] if place else "")


@functools.cache
def stated() -> dict[str, list[Price]]:
    """What all price lists say of each model, corrected and rounded to nine decimals; a correction
    to null takes it away."""
    precedence = {
        row["price_source"]: int(row["precedence"]) for row in inputs.seed("price_sources")
    }
    prices = defaultdict(list)
    for row in (row for name in SEEDS for row in inputs.seed(name)):
        wrong = _correction(row)
        value = wrong["value"] if wrong else row["usd_per_million_tokens"]
        if value is None:
            continue
        price = Price(
            row["price_kind"],
            Decimal(value).quantize(Decimal("1e-9"), ROUND_HALF_UP),
            row["valid_from"],
            row["valid_to"] or FOREVER,
            row["price_source"],
            precedence[row["price_source"]],
            row["source_model_id"],
            row["match_kind"],
            wrong and wrong["id"],
            dt.date.fromisoformat(last_seen_on(row)),
        )
        lists = prices[row["model_permaslug"]]
        if lists and (one := _continued(lists[-1], price)):
            lists[-1] = one
        else:
            lists.append(price)
    return prices


def _continued(last: Price, price: Price) -> Price | None:
    """Both as one, if the catalogue goes on with the price that it stated before, else None."""
    named = ("price_kind", "price_source", "usd_per_million_tokens", "correction_id")
    if price.precedence > CATALOGUE or last.valid_to != price.valid_from:
        return None
    if any(getattr(last, name) != getattr(price, name) for name in named):
        return None
    return last._replace(valid_to=price.valid_to, last_seen_on=price.last_seen_on)


@functools.cache
def days_of_use() -> dict[str, list[str]]:
    """The days on which the source names each model, in order."""
    days = defaultdict(list)
    for row in inputs.usage().sort_values("day").itertuples():
        days[row.model_permaslug].append(row.day)
    return days


def spoken(model: str) -> Iterator[tuple[str, str, list[Price]]]:
    """From day to day (exclusive), the prices of the source that counts for a model.

    Of all that say anything of the model on a day, for any kind, the first in order of precedence.
    What the catalogue has listed and taken down is filled only between two changes between which
    the model was used.
    """
    lists = stated().get(model, [])
    changes = sorted({day for price in lists for day in (price.valid_from, price.valid_to)})
    for begins, ends in itertools.pairwise(changes):
        valid = [p for p in lists if p.valid_from <= begins < p.valid_to]
        first = min((p.precedence for p in valid), default=CATALOGUE)
        listed = any(p.precedence <= CATALOGUE and p.valid_from <= begins for p in lists)
        is_filled = first > CATALOGUE and listed
        if valid and not (is_filled and not used(model, begins, ends)):
            yield begins, ends, [p for p in valid if p.precedence == first]


def used(model: str, begins: str, ends: str) -> bool:
    """True if the source names the model on a day from `begins` to `ends` (exclusive)."""
    days = days_of_use().get(model, [])
    place = bisect.bisect_left(days, begins)
    return place < len(days) and days[place] < ends


@functools.cache
def history(model: str) -> list[tuple[str, str, Price]]:
    """Each price with the days on which it counts, from and to (exclusive)."""
    runs: list[tuple[str, str, Price]] = []
    open_runs: dict[Price, int] = {}
    for begins, ends, prices in spoken(model):
        for price in prices:
            place = open_runs.get(price)
            if place is not None and runs[place][1] == begins:
                runs[place] = (runs[place][0], ends, price)
            else:
                open_runs[price] = len(runs)
                runs.append((begins, ends, price))
    return runs


def price_history() -> pd.DataFrame:
    """`price_history`."""
    rows = [
        {"model_permaslug": model}
        | price._asdict()
        | {"valid_from": dt.date.fromisoformat(begins)}
        | {"valid_to": None if ends == FOREVER else dt.date.fromisoformat(ends)}
        for model in stated()
        for begins, ends, price in history(model)
    ]
    return pd.DataFrame(rows, dtype=object)


def listed_on(model: str, day: str) -> dict[str, Price]:
    """The price of each kind that counts for a model on a day."""
    return {
        price.price_kind: price for begins, ends, price in history(model) if begins <= day < ends
    }


def on_day(model: str, day: str) -> dict[str, Decimal]:
    """All kinds of price of a model on a day."""
    return {kind: price.usd_per_million_tokens for kind, price in listed_on(model, day).items()}


def rounded(value: Fraction, decimals: int) -> Fraction:
    """A price rounded to so many decimals, halves up."""
    return Fraction(math.floor(value * 10**decimals + Fraction(1, 2)), 10**decimals)


def published(usd: Fraction) -> Fraction:
    """An amount or a blend in US dollars as it is published: rounded last, to nine decimals."""
    return rounded(usd, 9)


def whole(price: Decimal) -> int:
    """A price in 10⁻¹² US dollars per million tokens, rounded to a whole number."""
    return int(rounded(Fraction(price), 12) * SCALE)


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


def of_row(
    model: str, day: str, tokens: int, prompt: int | None, completion: int
) -> dict[str, Any]:
    """The price columns of a row of `usage_daily`, given its two prices from `priced`."""
    if prompt is None:
        return {}
    spend = (Fraction(3 * prompt + completion, 4), min(prompt, completion), max(prompt, completion))
    row: dict[str, Any] = {
        f"list_spend{end}_usd": published(Fraction(tokens * usd, 10**6 * SCALE))
        for end, usd in zip(("", "_low", "_high"), spend, strict=True)
    }
    is_free = registry.parts(model)[1] == "free"
    listed = {} if is_free else listed_on(model, day)
    usd = [listed[kind].usd_per_million_tokens if listed else Decimal(0) for kind in TOKEN_KINDS]
    stale = [
        (dt.date.fromisoformat(day) - listed[kind].last_seen_on).days
        for kind in TOKEN_KINDS
        if listed
    ]
    fresh_days = inputs.configuration("gate")["price_freshness"]["fresh_days"]
    return row | {
        "price_source": listed["prompt"].price_source if listed else None,
        "price_is_fresh": max(stale, default=0) <= fresh_days,
        "prompt_usd_per_million_tokens": usd[0],
        "completion_usd_per_million_tokens": usd[1],
        "blend_usd_per_million_tokens": published(Fraction(3 * usd[0] + usd[1]) / 4),
    }
