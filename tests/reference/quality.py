"""Is a model of one country nearly as good as the best of the other, and much cheaper?

docs/method.md: "Price against quality".
"""

import datetime as dt
import functools
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import pandas as pd

from tests.reference import inputs, periods, prices, registry

ORIGINS = ("CN", "US")
FARTHEST = dt.timedelta(days=31)
GOOD_ENOUGH = Fraction(9, 10)
CHEAP_ENOUGH = Fraction(1, 5)
RIVALS = 10

Row = dict[str, Any]


class Model(NamedTuple):
    """A model with an index and a paid list price."""

    name: str
    index: Decimal
    blend: Fraction
    prompt: Decimal
    completion: Decimal
    tokens: int


class Month(NamedTuple):
    """What is known of a month: models by origin, best first, and days."""

    start: dt.date
    priced_on: dt.date
    index_read_on: dt.date
    index_source: str
    models: dict[str, list[Model]]
    indexed_models: int
    indexed_token_share: dict[str, Fraction]


@functools.cache
def _readings() -> dict[dt.date, dict[str, inputs.Row]]:
    """Every reading of the index, by day and model."""
    found: dict[dt.date, dict[str, inputs.Row]] = {}
    for row in inputs.seed("quality_seed"):
        if row["intelligence_index"]:
            day = dt.date.fromisoformat(row["read_on"])
            found.setdefault(day, {})[row["base_slug"]] = row
    return found


def _origin(model: str, day: str) -> str:
    """Headquarters of the lab by the registry's row of the model, else of its author."""
    said = registry.row_of("models", "base_slug", model, day, "then")["lab_id"]
    author = registry.parts(model)[2]
    lab = said or registry.row_of("authors", "author", author, day, "then")["lab_id"]
    return registry.headquarters(lab, day, "then")


@functools.cache
def _plain() -> dict[str, str]:
    """The priced permaslug without variant of each base slug."""
    return {
        registry.parts(slug)[0]: slug
        for slug in prices.stated()
        if registry.parts(slug)[1] == "standard"
    }


def months() -> Iterator[Month]:
    """Months with a reading within 31 days of their last day."""
    usage = registry.attributed("then")
    starts = periods.starts(usage["usage_date"], "monthly")
    for start in periods.present("monthly"):
        rows = usage[starts == start]
        day = rows["day"].max()
        priced_on = dt.date.fromisoformat(day)
        read_on = min(sorted(_readings(), reverse=True), key=lambda d, p=priced_on: abs(d - p))
        if abs(read_on - priced_on) > FARTHEST:
            continue
        tokens = rows["tokens"].groupby(rows["base_slug"]).sum().to_dict()
        reading = _readings()[read_on]
        models: dict[str, list[Model]] = {origin: [] for origin in ORIGINS}
        for name, row in reading.items():
            kinds = prices.on_day(_plain().get(name, name), day)
            origin = _origin(name, day)
            if origin not in models or not {"prompt", "completion"} <= kinds.keys():
                continue
            prompt, completion = kinds["prompt"], kinds["completion"]
            blend = Fraction(3 * prompt + completion) / 4
            index = Decimal(row["intelligence_index"])
            if blend:
                model = Model(name, index, blend, prompt, completion, tokens.get(name, 0))
                models[origin].append(model)
        for found in models.values():
            found.sort(key=lambda m: (-m.index, m.blend, m.name))
        share = {}
        for origin in ORIGINS:
            own = rows[rows["origin_author_hq"] == origin]
            indexed = int(own["tokens"][own["base_slug"].isin(reading)].sum())
            share[origin] = Fraction(indexed, int(own["tokens"].sum()))
        (source,) = {row["index_source"] for row in reading.values()}
        yield Month(start, priced_on, read_on, source, models, len(reading), share)


def cheapest(models: list[Model], rival: Model) -> Model | None:
    """The cheapest with at least 90 % of the rival's index."""
    good = [m for m in models if m.index >= GOOD_ENOUGH * Fraction(rival.index)]
    return min(good, key=lambda m: (m.blend, -m.index, m.name), default=None)


def _said(prefix: str, model: Model | None) -> Row:
    return {
        f"{prefix}_model": model and model.name,
        f"{prefix}_quality_index": model and Fraction(model.index),
        f"{prefix}_usd_per_million_tokens": model and prices.published(model.blend),
        f"{prefix}_tokens": model and model.tokens,
    }


def _against(model: Model | None, rival: Model) -> Row:
    """The cheapest model that is good enough, against one rival."""
    ratio = model and model.blend / rival.blend
    return {
        **_said("cheapest", model),
        "quality_ratio": model and Fraction(model.index) / Fraction(rival.index),
        "price_ratio": ratio,
        "price_ratio_all_prompt": model and Fraction(model.prompt) / Fraction(rival.prompt),
        "price_ratio_all_completion": model
        and Fraction(model.completion) / Fraction(rival.completion),
        "claim_90_80": ratio is not None and ratio <= CHEAP_ENOUGH,
    }


def _head(month: Month, origin: str, rival_origin: str) -> Row:
    return {
        "period_start": month.start,
        "origin": origin,
        "rival_origin": rival_origin,
        "priced_on": month.priced_on,
        "index_read_on": month.index_read_on,
        "index_source": month.index_source,
    }


def price_quality() -> pd.DataFrame:
    """`price_quality`."""
    rows = []
    for month in months():
        for origin, rival_origin in (ORIGINS, ORIGINS[::-1]):
            own, others = month.models[origin], month.models[rival_origin]
            if not others:
                continue
            best, rival = own[0] if own else None, others[0]
            home = cheapest(others, rival)
            rows.append(
                {
                    **_head(month, origin, rival_origin),
                    **_said("best", best),
                    **_said("rival_best", rival),
                    "best_quality_ratio": best and Fraction(best.index) / Fraction(rival.index),
                    **_against(cheapest(own, rival), rival),
                    "home_cheapest_model": home.name,
                    "home_price_ratio": home.blend / rival.blend,
                    "indexed_models": month.indexed_models,
                    "indexed_token_share": month.indexed_token_share[origin],
                }
            )
    return periods.describe(pd.DataFrame(rows, dtype=object), "monthly")


def price_quality_pairs() -> pd.DataFrame:
    """`price_quality_pairs`: against each of the other's ten best."""
    rows = [
        {
            **_head(month, origin, rival_origin),
            "rival_rank": rank,
            **_said("rival", rival),
            **_against(cheapest(month.models[origin], rival), rival),
        }
        for month in months()
        for origin, rival_origin in (ORIGINS, ORIGINS[::-1])
        for rank, rival in enumerate(month.models[rival_origin][:RIVALS], start=1)
    ]
    return periods.describe(pd.DataFrame(rows, dtype=object), "monthly")
