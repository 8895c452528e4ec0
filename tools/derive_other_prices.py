"""Derive price_seed_other.csv: what other price lists say of models in the usage history.

    python derive_other_prices.py --catalogue-dir DIR --prices-dir DIR --usage-file FILE

Kept to show how the facts were derived; a run of the pipeline needs only the CSV files. DIR of the
catalogue is that of derive_prices.py; DIR of the prices holds dated states of three lists:
models-dev/monthly.csv.gz, genai-prices/YYYY-MM-DD_*.json.gz and litellm/YYYY-MM-DD_*.json.gz.
FILE is a usage dump with a column model_permaslug.

Sources: models.dev (MIT), pydantic/genai-prices (MIT), LiteLLM's price map (MIT).

What a row says
    The base price of one kind in USD per million tokens, exact as printed (LiteLLM's per token
    times 1,000,000, without a float on the way). valid_from is the day of the first state that
    said so, valid_to the day of the next state that said something else or nothing, empty where
    the last state still said so. Prices above a prompt length, of batches and of audio are left
    out. price_source_readings.csv lists the days on which each list was read: between two of them
    nothing is known, so a disagreement counts only on such a day.

From the name in a list to the permaslug: equality of whole names, never similarity
    catalogue_id            the catalogue had this id on that day; its permaslug then
    catalogue_id_other_day  the catalogue never had it on that day, but on all days on which it had
                            it the id stood for one and the same permaslug
    permaslug               the name is itself a permaslug of the catalogue or of the usage history
    first_party_id          the lab's own list price for its own model, by the table FIRST_PARTY
    Everything else is unmatched and left out. Of several names for one permaslug in one state the
    better kind wins, then the alphabet. Names are those under OpenRouter: provider `openrouter` of
    models.dev and genai-prices, `openrouter/…` of LiteLLM. Aliases by pattern or by a second
    name, as genai-prices has them, are not used: they lump models of different prices.
"""

import argparse
import csv
import gzip
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
from derive_prices import DAILY_STATES, LOAD_EVENTS, RESOLVED_STATES, per_million

KINDS = ("prompt", "completion", "input_cache_read", "input_cache_write")
HERE = Path(__file__).parent.parent / "dbt_project" / "seeds"
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
    """What one list said of one name on one day."""

    price_source: str
    read_on: date
    name: str
    openrouter_id: str | None
    prices: dict[str, str]


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _prices(found: dict[str, Any]) -> dict[str, str]:
    """Decimals as plain text; -1 marks a router, None is not offered."""
    known = {k: Decimal(str(v)) for k, v in found.items() if v not in (None, "")}
    return {k: _plain(v) for k, v in known.items() if v >= 0}


def read_models_dev(folder: Path) -> Iterator[Reading]:
    """Every state of models.dev."""
    with gzip.open(folder / "models-dev" / "monthly.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            provider, name = row["provider"], row["model_id"]
            costs = [row[f"cost_{c}"] for c in ("input", "output", "cache_read", "cache_write")]
            yield Reading(
                "models_dev",
                date.fromisoformat(row["snapshot"]),
                f"{provider}/{name}",
                name if provider == "openrouter" else None,
                _prices(dict(zip(KINDS, costs, strict=True))),
            )


def _state_files(folder: Path) -> dict[date, Path]:
    return {date.fromisoformat(p.name[:10]): p for p in sorted(folder.glob("[0-9]*.json.gz"))}


def _json_states(folder: Path) -> Iterator[tuple[date, Any]]:
    for read_on, path in _state_files(folder).items():
        with gzip.open(path, "rt", encoding="utf-8") as file:
            yield read_on, json.load(file, parse_float=Decimal)


def read_genai_prices(folder: Path) -> Iterator[Reading]:
    """Every state of genai-prices; of prices with a start date the last one that has begun."""
    fields = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
    for read_on, providers in _json_states(folder / "genai-prices"):
        for provider in providers:
            for model in provider["models"]:
                prices = model["prices"]
                if isinstance(prices, list):
                    begun = [
                        p["prices"]
                        for p in prices
                        if set(p.get("constraint", {})) <= {"start_date"}
                        and p.get("constraint", {}).get("start_date", "") <= read_on.isoformat()
                    ]
                    prices = begun[-1] if begun else {}
                costs = [prices.get(f) for f in fields]
                base = [c["base"] if isinstance(c, dict) else c for c in costs]
                yield Reading(
                    "genai_prices",
                    read_on,
                    f"{provider['id']}/{model['id']}",
                    model["id"] if provider["id"] == "openrouter" else None,
                    _prices(dict(zip(KINDS, base, strict=True))),
                )


def read_litellm(folder: Path) -> Iterator[Reading]:
    """Every state of LiteLLM's price map."""
    fields = (
        "input_cost_per_token",
        "output_cost_per_token",
        "cache_read_input_token_cost",
        "cache_creation_input_token_cost",
    )
    for read_on, models in _json_states(folder / "litellm"):
        for name, model in models.items():
            costs = [model.get(f) for f in fields]
            if name == "sample_spec" or model.get("input_cost_per_token") is None:
                continue
            per_token = dict(zip(KINDS, costs, strict=True))
            yield Reading(
                "litellm",
                read_on,
                name,
                name.removeprefix("openrouter/") if name.startswith("openrouter/") else None,
                _prices({k: None if v is None else per_million(str(v))
                         for k, v in per_token.items()}),
            )  # fmt: skip


class Names:
    """Which permaslug a name of OpenRouter's stands for, and how that is known."""

    def __init__(self, catalogue_dir: Path, usage_file: Path) -> None:
        connection = duckdb.connect()
        connection.execute("set timezone = 'UTC'")
        connection.execute(LOAD_EVENTS, [str(catalogue_dir / "price_events_*.parquet")])
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
                [str(usage_file)],
            ).fetchall()
        }
        self.permaslugs = {s for states in self.states.values() for *_, s in states} | self.used

    def permaslug(self, name: str, day: date) -> tuple[str, str] | None:
        """(permaslug, match kind), or None where nothing is certain."""
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


def matched(readings: list[Reading], names: Names) -> tuple[dict[tuple[str, str], Any], Counter]:
    """What each list said of each used permaslug on each day; and counts of the unmatched."""
    first_party = {
        (source, name): permaslug
        for permaslug, lists in FIRST_PARTY.items()
        for source, name in lists.items()
    }
    candidates: dict[tuple[str, str, date], list[tuple[int, str, str, Reading]]] = defaultdict(list)
    counts: Counter = Counter()
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
    """Runs of equal prices over consecutive states of the list."""
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


def derive(catalogue_dir: Path, prices_dir: Path, usage_file: Path, output_dir: Path) -> None:
    """Write both seeds and report on stderr how names were matched."""
    names = Names(catalogue_dir, usage_file)
    readings = [
        *read_models_dev(prices_dir),
        *read_genai_prices(prices_dir),
        *read_litellm(prices_dir),
    ]
    # A state that names no model was read all the same, and ends every price.
    days: dict[str, list[date]] = {
        "models_dev": sorted({r.read_on for r in readings if r.price_source == "models_dev"}),
        "genai_prices": list(_state_files(prices_dir / "genai-prices")),
        "litellm": list(_state_files(prices_dir / "litellm")),
    }
    said, counts = matched(readings, names)
    rows = sorted(
        (
            permaslug, kind, price, valid_from.isoformat(),
            valid_to.isoformat() if valid_to else "", source, match_kind, name,
        )
        for (permaslug, source), by_day in said.items()
        for kind, price, name, match_kind, valid_from, valid_to in intervals(by_day, days[source])
    )  # fmt: skip
    header = (
        "model_permaslug", "price_kind", "usd_per_million_tokens", "valid_from", "valid_to",
        "price_source", "match_kind", "source_model_id",
    )  # fmt: skip
    for file, lines in (
        ("price_seed_other.csv", [header, *rows]),
        (
            "price_source_readings.csv",
            [("price_source", "read_on"), *((s, d) for s in days for d in days[s])],
        ),
    ):
        text = "\n".join(",".join(str(cell) for cell in line) for line in lines) + "\n"
        (output_dir / file).write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(rows)} prices", file=sys.stderr)
    for (source, kind), count in sorted(counts.items()):
        print(f"{source}: {count} readings {kind}", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Derive price_seed_other.csv from price lists.")
    parser.add_argument("--catalogue-dir", type=Path, required=True)
    parser.add_argument("--prices-dir", type=Path, required=True)
    parser.add_argument("--usage-file", type=Path, required=True)
    parser.add_argument("--output-dir", type=Path, default=HERE)
    arguments = parser.parse_args()
    derive(
        arguments.catalogue_dir,
        arguments.prices_dir,
        arguments.usage_file,
        arguments.output_dir,
    )
