"""What a request log's tokens cost: at list prices, with the list's cache prices, and as paid.

docs/method.md: "What requests cost". Requests are given as the log states them; dollars are
fractions, rounded to nine decimals where the method rounds them.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import pandas as pd

from tests.reference import prices, registry

Request = dict[str, Any]
TOKENS = ("prompt_tokens", "cache_read_tokens", "cache_write_tokens", "completion_tokens")
MILLION = 10**6
NONE = "unidentified"


def _grouped(requests: Iterable[Request], *columns: str) -> dict[tuple[Any, ...], list[Request]]:
    groups = defaultdict(list)
    for request in requests:
        groups[tuple(request[column] for column in columns)].append(request)
    return groups


def _usd(model: str, day: str) -> dict[str, Fraction]:
    """US dollars per token by kind; a `:free` variant costs nothing, whatever the kind."""
    if registry.parts(model)[1] == "free":
        return dict.fromkeys(
            ("prompt", "completion", "input_cache_read", "input_cache_write"), Fraction(0)
        )
    return {
        kind: Fraction(prices.whole(price), prices.SCALE * MILLION)
        for kind, price in prices.on_day(model, day).items()
    }


def _sum(requests: list[Request], column: str) -> Any:
    return sum(request[column] or 0 for request in requests)


def costs(requests: Iterable[Request]) -> pd.DataFrame:
    """The columns of `served_daily` in tokens and US dollars, by its key."""
    rows = []
    groups = _grouped(requests, "day", "model", "provider", "region")
    for (day, model, provider, region), everyone in groups.items():
        # What used no tokens is not a request here; if it cost something, that was paid.
        own = [r for r in everyone if r["prompt_tokens"] or r["completion_tokens"]]
        if not own:
            continue
        read, write = _sum(own, "cache_read_tokens"), _sum(own, "cache_write_tokens")
        usd = _usd(model, day)
        row: dict[str, Any] = {column: _sum(own, column) for column in TOKENS} | {
            "usage_date": dt.date.fromisoformat(day),
            "model_permaslug": model,
            "provider_id": provider or NONE,
            "region": (region or NONE).lower(),
            "tokens": _sum(own, "prompt_tokens") + _sum(own, "completion_tokens"),
            "requests": len(own),
            "cost_usd": None,
            "own_key_cost_usd": Fraction(_sum(everyone, "own_key_cost_usd")),
            "list_cost_usd": None,
            "caching_saved_usd": None,
            "list_cost_cached_usd": None,
            "discount_usd": None,
            "unknown_because": "no_list_price",
        }
        if all(request["cost_usd"] is not None for request in own):
            row["cost_usd"] = Fraction(_sum(everyone, "cost_usd"))
        if {"prompt", "completion"} <= usd.keys():
            uncached = row["prompt_tokens"] * usd["prompt"]
            listed = uncached + row["completion_tokens"] * usd["completion"]
            row["list_cost_usd"] = prices.rounded(listed, 9)
            row["unknown_because"] = "no_cache_price"
            needed = {"input_cache_read": read, "input_cache_write": write}
            if all(kind in usd for kind, tokens in needed.items() if tokens):
                plain = row["prompt_tokens"] - read - write
                cached = sum(tokens * usd[kind] for kind, tokens in needed.items() if tokens)
                saved = uncached - plain * usd["prompt"] - cached
                row["caching_saved_usd"] = prices.rounded(saved, 9)
                row["list_cost_cached_usd"] = row["list_cost_usd"] - row["caching_saved_usd"]
                row["unknown_because"] = "no_cost"
                if row["cost_usd"] is not None:
                    paid = row["cost_usd"] + row["own_key_cost_usd"]
                    row["discount_usd"] = row["list_cost_cached_usd"] - paid
                    row["unknown_because"] = None
        rows.append(row)
    return pd.DataFrame(rows, dtype=object)


def list_spend(requests: Iterable[Request]) -> pd.DataFrame:
    """`list_spend_usd` of `usage_daily` and both ends of its band, by day and model."""
    rows = []
    for (day, model), own in _grouped(requests, "day", "model").items():
        usd = _usd(model, day)
        spend = (
            _sum(own, "prompt_tokens") * usd["prompt"]
            + _sum(own, "completion_tokens") * usd["completion"]
            if {"prompt", "completion"} <= usd.keys()
            else None
        )
        row = {"usage_date": dt.date.fromisoformat(day), "model_permaslug": model}
        rows.append(row | dict.fromkeys(BAND, spend))
    return pd.DataFrame(rows, dtype=object)


BAND = ("list_spend_usd", "list_spend_low_usd", "list_spend_high_usd")
