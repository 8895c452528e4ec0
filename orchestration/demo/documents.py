"""The demo server's other answers, in their owners' shapes.

Where a dump of a source is landed, the server hands out that dump as it is. Otherwise these
documents are made from what the project ships: the catalogue, providers and endpoints from the
seeds (facts of OpenRouter's catalogue), the others from the shipped rankings, with made-up names
and round shares that nobody can take for measured ones. Shapes: the owner's OpenAPI examples
(2026-05), a real catalogue of 2026-08-22, a real answer of classifications/task of 2026-09-21 and
Vercel's real answer of 2026-03-01.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from orchestration.demo.exports import published_at
from orchestration.demo.history import OTHER
from orchestration.demo.simulator import Feed, as_json, millis
from orchestration.settings import DBT_PROJECT_DIR

LEADERBOARDS = ("labs", "models")
_FIRST_LEADERBOARD_DAY = date(2025, 10, 1)
_APP_WINDOW_DAYS = 30
_TASK_WINDOW_DAYS = 7
_MILLION = 1_000_000
_APPS = 20
_MOST_LISTED = 10


@cache
def _seed(name: str) -> tuple[dict[str, str], ...]:
    path = DBT_PROJECT_DIR / "seeds" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def _per_token(usd_per_million: str) -> str:
    """A price as the catalogue writes it, in US dollars per token."""
    return f"{(Decimal(usd_per_million) / _MILLION).normalize():f}"


def _prices(day: date) -> dict[str, dict[str, Any]]:
    """`pricing` by catalogue id on a day, with the canonical slug under `slug`."""
    on = day.isoformat()
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in _seed("price_seed"):
        if row["valid_from"] <= on and (not row["valid_to"] or on < row["valid_to"]):
            model = found[row["source_model_id"]]
            model["slug"] = row["model_permaslug"].split(":")[0]
            kind = row["price_kind"]
            model.setdefault("pricing", {})[kind] = _per_token(row["usd_per_million_tokens"])
    tiers: dict[tuple[str, ...], dict[str, Any]] = {}
    newest = max(row["last_seen_on"] for row in _seed("price_override_seed"))
    for row in _seed("price_override_seed"):
        if row["first_seen_on"] <= on and (
            row["last_seen_on"] == newest or on <= row["last_seen_on"]
        ):
            limits = {n: row[n] for n in ("min_prompt_tokens", "utc_start", "utc_end")}
            key = (row["source_model_id"], *limits.values())
            tier = tiers.setdefault(
                key, {n: int(v.replace(":", "")) for n, v in limits.items() if v}
            )
            tier[row["price_kind"]] = _per_token(row["usd_per_million_tokens"])
    for (model_id, *_), tier in tiers.items():
        if model_id in found:
            found[model_id]["pricing"].setdefault("overrides", []).append(tier)
    return found


def _benchmarks(day: date) -> dict[str, dict[str, float]]:
    """Quality indices by slug, as read last before the day."""
    indices = ("intelligence_index", "coding_index", "agentic_index")
    found = {}
    for row in _seed("quality_seed"):  # in order of read_on
        if row["read_on"] <= day.isoformat():
            found[row["base_slug"]] = {n: float(row[n]) for n in indices if row[n]}
    return found


def models(day: date) -> bytes:
    """`/api/v1/models`: every model with a price in the seeds on that day."""
    benchmarks = _benchmarks(day)
    data = []
    for model_id, model in sorted(_prices(day).items()):
        entry = {
            "id": model_id,
            "canonical_slug": model["slug"],
            "hugging_face_id": None,
            "name": model_id,
            "created": 1735689600,
            "context_length": 131072,
            "architecture": {
                "modality": "text->text",
                "input_modalities": ["text"],
                "output_modalities": ["text"],
                "tokenizer": "Other",
                "instruct_type": None,
            },
            "pricing": model["pricing"],
            "top_provider": {"context_length": 131072, "max_completion_tokens": None},
            "per_request_limits": None,
            "supported_parameters": ["max_tokens", "temperature"],
            "expiration_date": None,
        }
        if found := benchmarks.get(model["slug"].lower()):
            entry["benchmarks"] = {"artificial_analysis": found, "design_arena": []}
        data.append(entry)
    return as_json({"data": data})


def providers() -> bytes:
    """`/api/v1/providers`, from the seed of providers."""
    return as_json(
        {
            "data": [
                {
                    "name": row["provider_name"],
                    "slug": row["provider_slug"],
                    "privacy_policy_url": None,
                    "terms_of_service_url": None,
                    "status_page_url": None,
                    "headquarters": row["headquarters"] or None,
                    "datacenters": None,
                }
                for row in _seed("providers")
                if not row["valid_to"]
            ]
        }
    )


def _endpoint(model_id: str, pricing: dict[str, Any], provider: dict[str, str]) -> dict[str, Any]:
    return {
        "name": f"{provider['provider_name']} | {model_id}",
        "model_id": model_id,
        "model_name": model_id,
        "context_length": 131072,
        "pricing": {**pricing, "discount": 0},
        "provider_name": provider["provider_name"],
        "tag": provider["provider_slug"],
        "quantization": "unknown",
        "max_completion_tokens": None,
        "max_prompt_tokens": None,
        "supported_parameters": ["max_tokens", "temperature"],
        "status": 0,
        "uptime_last_30m": 100,
        "uptime_last_5m": 100,
        "uptime_last_1d": 100,
        "supports_implicit_caching": False,
        "latency_last_30m": None,
        "throughput_last_30m": None,
    }


def _served_by(model_id: str) -> list[dict[str, str]]:
    """Two providers of the seed, the same ones for a model each time: made up."""
    known = _seed("providers")
    start = sum(model_id.encode()) % len(known)
    return [known[start], known[(start + 1) % len(known)]]


def endpoints(model: str, day: date) -> bytes | None:
    """`/api/v1/models/{author}/{slug}/endpoints`, or None if the catalogue of the day does not have
    the model, by id or canonical slug."""
    prices = _prices(day)
    ids = [i for i, m in prices.items() if model in (i, m["slug"])]
    if not ids:
        return None
    model_id = min(ids, key=lambda i: (i != model, ":" in i, i))
    pricing = prices[model_id]["pricing"]
    return as_json(
        {
            "data": {
                "id": model_id,
                "name": model_id,
                "created": 1735689600,
                "description": "",
                "architecture": {
                    "tokenizer": "Other",
                    "instruct_type": None,
                    "modality": "text->text",
                    "input_modalities": ["text"],
                    "output_modalities": ["text"],
                },
                "endpoints": [_endpoint(model_id, pricing, p) for p in _served_by(model_id)],
            }
        }
    )


def _settled_totals(feed: Feed, last: date, days: int) -> dict[str, int]:
    """Tokens by permaslug over the days up to `last`."""
    totals: dict[str, int] = defaultdict(int)
    for back in range(days):
        for slug, tokens in feed.settled(last - timedelta(days=back)):
            totals[slug] += tokens
    return totals


def _most_used(feed: Feed, day: date, count: int) -> list[str]:
    """Models by tokens of the 7 days before a day."""
    totals = _settled_totals(feed, day - timedelta(days=1), _TASK_WINDOW_DAYS)
    totals.pop(OTHER, None)
    return sorted(totals, key=lambda slug: (-totals[slug], slug))[:count]


def zero_retention(feed: Feed, day: date) -> bytes:
    """`/api/v1/endpoints/zdr`: one endpoint for each of the most used models with a price."""
    by_slug = {m["slug"]: (i, m["pricing"]) for i, m in _prices(day).items() if ":" not in i}
    found = (by_slug.get(slug.split(":")[0]) for slug in _most_used(feed, day, _MOST_LISTED))
    return as_json({"data": [_endpoint(i, p, _served_by(i)[0]) for i, p in filter(None, found)]})


def _meta(first: date, last: date) -> dict[str, str]:
    return {
        "as_of": millis(published_at(last + timedelta(days=1))),
        "version": "v1",
        "start_date": first.isoformat(),
        "end_date": last.isoformat(),
    }


def app_rankings(feed: Feed, day: date) -> bytes:
    """`/api/v1/datasets/app-rankings`: 20 made-up apps that share half of the window's tokens, the
    n-th with 1/n of the first."""
    last = day - timedelta(days=1)
    first = last - timedelta(days=_APP_WINDOW_DAYS - 1)
    total = sum(_settled_totals(feed, last, _APP_WINDOW_DAYS).values()) // 2
    parts = [_MILLION // n for n in range(1, _APPS + 1)]
    data = [
        {
            "rank": rank,
            "app_id": 900_000 + rank,
            "app_name": f"Simulated app {rank}",
            "total_tokens": str(total * part // sum(parts)),
            "total_requests": total * part // sum(parts) // 20_000,
        }
        for rank, part in enumerate(parts, start=1)
    ]
    return as_json({"data": data, "meta": _meta(first, last)})


def session_cost(feed: Feed, day: date) -> bytes:
    """`/api/v1/datasets/session-cost`: made-up medians of one app with each of the ten most used
    models."""
    last = day - timedelta(days=1)
    data = [
        {
            "app_slug": "simulated-app-1",
            "app_name": "Simulated app 1",
            "turn_range": "10-49-turns",
            "model_permaslug": slug,
            "median_session_cost_usd": round(1 / rank, 2),
        }
        for rank, slug in enumerate(_most_used(feed, day, _MOST_LISTED), start=1)
    ]
    meta = {
        "as_of": millis(published_at(day)),
        "version": "v1",
        "window_days": 30,
        "window_end_date": last.isoformat(),
    }
    return as_json({"data": data, "meta": meta})


def benchmarks(day: date) -> bytes:
    """`/api/v1/benchmarks`: the indices of the seed, of the models that have a price on that
    day."""
    prices = {m["slug"].lower(): (i, m["pricing"]) for i, m in _prices(day).items()}
    data = [
        {
            "source": "artificial-analysis",
            "model_permaslug": slug,
            "display_name": prices[slug][0],
            **indices,
            "pricing": {n: prices[slug][1].get(n) for n in ("prompt", "completion")},
        }
        for slug, indices in sorted(_benchmarks(day).items())
        if slug in prices
    ]
    meta = {
        "as_of": millis(published_at(day)),
        "version": "v1",
        "source": None,
        "source_url": None,
        "citation": None,
        "task_type": None,
        "model_count": len(data),
    }
    return as_json({"data": data, "meta": meta})


def tasks(feed: Feed, day: date) -> bytes:
    """`/api/v1/classifications/task`: three tags of the seed `use_map` with made-up round shares,
    each led by the same two models."""
    lead = _most_used(feed, day, 2)
    tags = (
        ("code:general_impl", "Code Generation", "code", 0.5, 0.6, 1, 1),
        ("agent:tool_dispatch", "Tool Dispatch", "agent", 0.3, 0.3, 1, 1),
        ("summarization", "Summarization", "general", 0.2, 0.1, 1, 1),
    )
    shares = ("usage_share", "token_share", "category_usage_share", "category_token_share")
    classifications = [
        {
            "tag": tag,
            "display_name": name,
            "macro_category": category,
            **dict(zip(shares, values, strict=True)),
            "models": [
                {"id": slug, "tag_usage_share": 0.25, "tag_token_share": 0.125 * (3 - rank)}
                for rank, slug in enumerate(lead, start=1)
            ],
        }
        for tag, name, category, *values in tags
    ]
    data = {
        "window_days": _TASK_WINDOW_DAYS,
        "as_of": (day - timedelta(days=1)).isoformat(),
        "classifications": classifications,
        "macro_categories": [
            {"key": category, "label": category.title(), "usage_share": u, "token_share": t}
            for _, _, category, u, t, *_ in tags
        ],
    }
    return as_json({"data": data})


@dataclass(frozen=True)
class Leaderboard:
    """Vercel's `/api/ai/leaderboard-export`. Rows of landed answers are handed out as they are;
    for days without any, the shares of the rankings are used under names that say so."""

    landed: dict[tuple[str, date], list[dict[str, Any]]] = field(default_factory=dict)

    def answer(
        self, dataset: str, feed: Feed, day: date, first: date | None, last: date | None
    ) -> bytes:
        """One answer in the documented shape: by default the two months up to the running day."""
        is_range = first is not None or last is not None
        last = min(last or day, day)
        first = max(first or last - timedelta(days=60), _FIRST_LEADERBOARD_DAY)
        rows = []
        for back in range((last - first).days, -1, -1):
            of_day = last - timedelta(days=back)
            rows += self.landed.get((dataset, of_day)) or list(_derived(dataset, feed, of_day))
        document: dict[str, Any] = {
            "dataset": dataset,
            "license": "CC-BY-4.0",
            "license_url": "https://creativecommons.org/licenses/by/4.0/",
            "modality": "text",
        }
        if is_range:
            document |= {
                "from": first.isoformat(),
                "to": last.isoformat(),
                "earliest_available_date": _FIRST_LEADERBOARD_DAY.isoformat(),
            }
        return as_json({**document, "rows": rows})


def _derived(dataset: str, feed: Feed, day: date) -> Iterator[dict[str, Any]]:
    """Shares of one day that add up to exactly 100, for each of three metrics."""
    totals: dict[str, int] = defaultdict(int)
    for slug, tokens in feed.settled(day):
        name = slug.split("/")[0] if dataset == "labs" else slug
        totals["Other" if slug == OTHER else f"Simulated {name}"] += tokens
    whole = sum(totals.values())
    for metric in ("requests", "tokens", "spend"):
        left = 100 * 10_000
        parts = {}
        for name, tokens in sorted(totals.items()):
            if name != "Other" and whole:
                parts[name] = tokens * 1_000_000 // whole
                left -= parts[name]
        if not whole:
            continue
        parts["Other"] = left
        for name, part in sorted(parts.items(), key=lambda p: -p[1]):
            yield {
                "date": day.isoformat(),
                "group": dataset.removesuffix("s"),
                "name": name,
                "metric": metric,
                "modality": "text",
                "share_percent": part / 10_000,
            }
