"""Derive price_seed_other.csv: what other price lists state about models in the usage history.

    python -m tools.derive_other_prices --inputs FOLDER

A run of the pipeline needs only the seeds. Inputs: dated states of models.dev,
pydantic/genai-prices and LiteLLM's price map; the catalogue's price events, as in derive_prices;
and the shipped usage history, for its permaslugs.

What a row means
    The base price of one kind in USD per million tokens, exactly as printed (LiteLLM's price per
    token is multiplied by 1,000,000 without floats). valid_from is the day of the first state with
    this price. valid_to is the day of the next state with another price or none, and is empty if
    the last state still has this price. Prices above a prompt length, of batches and of audio are
    left out. price_source_readings.csv lists the days on which each list was read. Between two of
    them nothing is known, so a disagreement counts only on such a day.

How a name in a list is matched to a permaslug: by equality of whole names, never by similarity
    catalogue_id            the catalogue had this id on that day; its permaslug then
    catalogue_id_other_day  the catalogue did not have the id on that day, and the id had the same
                            permaslug on all days on which the catalogue had it
    permaslug               the name is itself a permaslug of the catalogue or of the usage history
    first_party_id          the lab's own list price for its own model, by the table FIRST_PARTY
    Everything else is unmatched and left out. If a state has several names for one permaslug, the
    better kind of match wins, then the first name in the alphabet. Names are those under
    OpenRouter: provider `openrouter` of models.dev and genai-prices, `openrouter/…` of LiteLLM.
    Aliases by pattern or by a second name, which genai-prices has, are not used, because they
    combine models with different prices.
"""

import csv
import gzip
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import duckdb

from tools.derive_prices import DAILY_STATES, LOAD_EVENTS, RESOLVED_STATES, per_million
from tools.inputs import Inputs, parse_arguments

KINDS = ("prompt", "completion", "input_cache_read", "input_cache_write")
MATCH_KINDS = ("catalogue_id", "catalogue_id_other_day", "permaslug", "first_party_id")

# Models that OpenRouter's catalogue does not list (it lists models that answer in text) and whose
# lab sells them under its own name. Key: permaslug; then the name in each list.
FIRST_PARTY = {
    "openai/text-embedding-3-small": {
        "models_dev": "openai/text-embedding-3-small",
        "genai_prices": "openai/text-embedding-3-small",
        "litellm": "text-embedding-3-small",
    },
    "openai/text-embedding-3-large": {
        "models_dev": "openai/text-embedding-3-large",
        "genai_prices": "openai/text-embedding-3-large",
        "litellm": "text-embedding-3-large",
    },
    "google/gemini-embedding-001": {
        "models_dev": "google/gemini-embedding-001",
        "genai_prices": "google/gemini-embedding-001",
        "litellm": "gemini/gemini-embedding-001",
    },
    "perplexity/pplx-embed-v1-0.6B": {"litellm": "perplexity/pplx-embed-v1-0.6b"},
}


class Reading(NamedTuple):
    """The prices of one name in one list on one day."""

    price_source: str
    read_on: date
    name: str
    openrouter_id: str | None
    prices: dict[str, str]


# Name in the list, the name under OpenRouter if it is one, and a cost per kind.
Entry = tuple[str, str | None, Sequence[Any]]


def _prices(costs: Sequence[Any]) -> dict[str, str]:
    """Costs by kind as plain decimals. None (not offered) and -1 (a router) are left out."""
    stated = zip(KINDS, costs, strict=True)
    known = {k: format(Decimal(str(v)), "f") for k, v in stated if v not in (None, "")}
    return {
        k: v.rstrip("0").rstrip(".") if "." in v else v for k, v in known.items() if Decimal(v) >= 0
    }


def models_dev(rows: list[dict[str, str]]) -> Iterator[Entry]:
    """One state of models.dev."""
    for row in rows:
        provider, name = row["provider"], row["model_id"]
        costs = [row[f"cost_{c}"] for c in ("input", "output", "cache_read", "cache_write")]
        yield f"{provider}/{name}", name if provider == "openrouter" else None, costs


def genai_prices(providers: list[dict[str, Any]], day: str) -> Iterator[Entry]:
    """One state of genai-prices; of prices with a start date, the last one that has begun."""
    fields = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
    for provider in providers:
        for model in provider["models"]:
            prices = model["prices"]
            if isinstance(prices, list):
                begun = [
                    p["prices"]
                    for p in prices
                    if set(p.get("constraint", {})) <= {"start_date"}
                    and p.get("constraint", {}).get("start_date", "") <= day
                ]
                prices = begun[-1] if begun else {}
            costs = [prices.get(f) for f in fields]
            yield (
                f"{provider['id']}/{model['id']}",
                model["id"] if provider["id"] == "openrouter" else None,
                [c["base"] if isinstance(c, dict) else c for c in costs],
            )


def litellm(models: dict[str, dict[str, Any]], day: str) -> Iterator[Entry]:
    """One state of LiteLLM's price map, which is per token."""
    fields = (
        "input_cost_per_token",
        "output_cost_per_token",
        "cache_read_input_token_cost",
        "cache_creation_input_token_cost",
    )
    for name, model in models.items():
        if name != "sample_spec" and model.get("input_cost_per_token") is not None:
            costs = [model.get(f) for f in fields]
            under_openrouter = name.startswith("openrouter/")
            yield (
                name,
                name.removeprefix("openrouter/") if under_openrouter else None,
                [None if c is None else per_million(str(c)) for c in costs],
            )


JSON_LISTS: dict[str, Callable[[Any, str], Iterator[Entry]]] = {
    "genai_prices": genai_prices,
    "litellm": litellm,
}


def states(inputs: Inputs) -> Iterator[tuple[str, str, Iterator[Entry]]]:
    """(list, day, its entries) for every state of every list."""
    with gzip.open(inputs.path("prices/models-dev/monthly.csv.gz"), "rt", encoding="utf-8") as file:
        by_day: dict[str, list[dict[str, str]]] = defaultdict(list)
        for row in csv.DictReader(file):
            by_day[row["snapshot"]].append(row)
    for day in sorted(by_day):
        yield "models_dev", day, models_dev(by_day[day])
    for source, entries in JSON_LISTS.items():
        for path in inputs.paths(f"prices/{source.replace('_', '-')}/[0-9]*.json.gz"):
            with gzip.open(path, "rt", encoding="utf-8") as file:
                yield (
                    source,
                    path.name[:10],
                    entries(json.load(file, parse_float=Decimal), path.name[:10]),
                )


class Names:
    """Finds the permaslug of a name at OpenRouter, and the kind of match."""

    def __init__(self, inputs: Inputs) -> None:
        events = str(inputs.path("openrouter/models/price_events_*.parquet"))
        usage = str(inputs.path("data/landing/openrouter_rankings/*/dump.csv.gz"))
        connection = duckdb.connect()
        connection.execute("set timezone = 'UTC'")
        connection.execute(LOAD_EVENTS, {"events": events})
        connection.execute(DAILY_STATES)
        connection.execute(RESOLVED_STATES)
        self.states: dict[str, list[tuple[date, date, str | None]]] = defaultdict(list)
        for model_id, day_from, day_to, slug in connection.execute(
            "select model_id, day_from, day_to, model_permaslug from resolved_states"
        ).fetchall():
            self.states[model_id].append((day_from, day_to, slug))
        self.used = {
            slug
            for (slug,) in connection.execute(
                "select distinct model_permaslug from read_csv(?, all_varchar = true)",
                [usage],
            ).fetchall()
        }
        self.permaslugs = {s for states in self.states.values() for *_, s in states} | self.used

    def permaslug(self, name: str, day: date) -> tuple[str, str] | None:
        """(permaslug, match kind), or None if there is no certain match."""
        states = self.states.get(name, [])
        today = [slug for day_from, day_to, slug in states if day_from <= day < day_to]
        if today:
            return (today[0], "catalogue_id") if today[0] is not None else None
        ever = {slug for *_, slug in states}
        if len(ever) == 1 and (slug := next(iter(ever))) is not None:
            return slug, "catalogue_id_other_day"
        if not states and name in self.permaslugs:
            return name, "permaslug"
        return None


Said = dict[str, tuple[str, str, str]]  # price kind: price, name in the list, match kind


def matched(
    readings: list[Reading], names: Names
) -> tuple[dict[tuple[str, str], Any], Counter[tuple[str, str]]]:
    """The prices of each used permaslug in each list on each day, and counts by kind of match."""
    first_party = {
        (source, name): permaslug
        for permaslug, lists in FIRST_PARTY.items()
        for source, name in lists.items()
    }
    candidates: dict[tuple[str, str, date], list[tuple[int, str, str, Reading]]] = defaultdict(list)
    counts: Counter[tuple[str, str]] = Counter()
    for reading in readings:
        found = None
        if reading.openrouter_id is not None:
            found = names.permaslug(reading.openrouter_id, reading.read_on)
            counts[reading.price_source, found[1] if found else "unmatched"] += 1
        elif permaslug := first_party.get((reading.price_source, reading.name)):
            found = (permaslug, "first_party_id")
            counts[reading.price_source, "first_party_id"] += 1
        if found and found[0] in names.used and reading.prices:
            rank = MATCH_KINDS.index(found[1])
            key = (found[0], reading.price_source, reading.read_on)
            candidates[key].append((rank, reading.name, found[1], reading))
    said: dict[tuple[str, str], dict[date, Said]] = defaultdict(dict)
    for (permaslug, source, day), options in candidates.items():
        _, name, kind, reading = min(options, key=lambda o: o[:2])
        said[permaslug, source][day] = {k: (p, name, kind) for k, p in reading.prices.items()}
    return said, counts


def intervals(said: dict[date, Said], read_days: list[date]) -> Iterator[tuple[Any, ...]]:
    """The intervals of equal prices over consecutive states of a list."""
    for kind in KINDS:
        begun: date | None = None
        last: tuple[str, str, str] | None = None
        for day in read_days:
            now = said.get(day, {}).get(kind)
            if now != last:
                if last is not None:
                    yield kind, *last, begun, day
                begun, last = day, now
        if last is not None:
            yield kind, *last, begun, None


def main() -> None:
    """Write both seeds and report how names were matched."""
    inputs = parse_arguments(__doc__)
    names = Names(inputs)
    readings: list[Reading] = []
    # A state without models counts as read as well, and ends every price.
    days: dict[str, list[date]] = defaultdict(list)
    for source, day, entries in states(inputs):
        read_on = date.fromisoformat(day)
        days[source].append(read_on)
        readings += [Reading(source, read_on, n, i, _prices(costs)) for n, i, costs in entries]
    said, counts = matched(readings, names)
    rows = sorted(
        (
            permaslug, kind, price, valid_from.isoformat(),
            valid_to.isoformat() if valid_to else "", source, match_kind, name,
        )
        for (permaslug, source), by_day in said.items()
        for kind, price, name, match_kind, valid_from, valid_to in intervals(by_day, days[source])
    )  # fmt: skip
    inputs.write(
        "price_seed_other.csv",
        (
            "model_permaslug", "price_kind", "usd_per_million_tokens", "valid_from", "valid_to",
            "price_source", "match_kind", "source_model_id",
        ),
        rows,
    )  # fmt: skip
    inputs.write(
        "price_source_readings.csv",
        ("price_source", "read_on"),
        [(source, day) for source in days for day in days[source]],
    )
    print(f"{len(rows)} prices", file=sys.stderr)
    for (source, kind), count in sorted(counts.items()):
        print(f"{source}: {count} readings {kind}", file=sys.stderr)


if __name__ == "__main__":
    main()
