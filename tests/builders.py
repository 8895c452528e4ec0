"""Small dumps in the shape of the real formats, written by the tests themselves."""

import gzip
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

Row = tuple[str, str, str]

# A small, plain feed: CN, US, FR, a tail, a stealth model and a variant.
MODELS = {
    "deepseek/deepseek-chat-v3": 400,
    "deepseek/deepseek-chat-v3:free": 100,
    "openai/gpt-4o": 300,
    "anthropic/claude-3.5-sonnet": 200,
    "mistralai/mistral-nemo": 50,
    "google/gemini-2.0-flash-001": 150,
    "openrouter/quasar-alpha": 30,
    "other": 70,
}
AS_OF = datetime(2026, 3, 1, 1, 46, tzinfo=UTC)


def days(first: str, count: int) -> list[str]:
    """`count` consecutive days from `first`, as ISO text."""
    start = date.fromisoformat(first)
    return [(start + timedelta(days=i)).isoformat() for i in range(count)]


def feed(dates: Iterable[str], scale: int = 1_000_000) -> list[Row]:
    """Rows of a healthy feed; totals vary by a few per cent over the week, as real ones do."""
    return [
        (day, slug, str(tokens * scale + i * 1_000 + n))
        for n, day in enumerate(dates)
        for i, (slug, tokens) in enumerate(MODELS.items())
    ]


def csv3(rows: Sequence[Sequence[str]]) -> bytes:
    """The three-column layout."""
    lines = ["date,model_permaslug,total_tokens", *(",".join(r) for r in rows)]
    return ("\n".join(lines) + "\n").encode()


def csv5(rows: Sequence[Row]) -> bytes:
    """The keyless export: five columns, CRLF, rank empty on `other`."""
    lines = ["date,model_permaslug,rank,total_tokens,share_of_daily_tokens"]
    for n, (day, slug, tokens) in enumerate(rows):
        rank = "" if slug == "other" else str(n + 1)
        lines.append(f"{day},{slug},{rank},{tokens},0.1")
    return ("\r\n".join(lines) + "\r\n").encode()


def api_json(rows: Sequence[Row], as_of: str = "2026-03-01T01:46:00Z", **meta: Any) -> bytes:
    """The API's answer with `meta`."""
    listed = sorted({r[0] for r in rows})
    document = {
        "data": [
            {"date": d, "model_permaslug": s, "total_tokens": t} for d, s, t in rows
        ],
        "meta": {
            "as_of": as_of,
            "version": "v1",
            "start_date": listed[0] if listed else "2026-01-01",
            "end_date": listed[-1] if listed else "2026-01-02",
            **meta,
        },
    }  # fmt: skip
    return json.dumps(document).encode()


def catalogue(
    prices: dict[str, tuple[str | None, str | None]], facts: dict[str, dict[str, Any]] | None = None
) -> bytes:
    """`/api/v1/models` with (prompt, completion) US dollars per token by id; `facts` by id stand in
    for what is said of every model."""
    data = []
    for model_id, (prompt, completion) in prices.items():
        pricing = {"prompt": prompt, "completion": completion}
        data.append(
            {
                "id": model_id,
                "canonical_slug": model_id.split(":")[0],
                "name": model_id,
                "created": 1764547200,
                "hugging_face_id": "",
                "context_length": 131072,
                "architecture": {"modality": "text->text", "instruct_type": None},
                "expiration_date": None,
                "pricing": {k: v for k, v in pricing.items() if v is not None},
                **(facts or {}).get(model_id, {}),
            }
        )
    return json.dumps({"data": data}).encode()


def providers(headquarters: dict[str, str | None], **facts: Any) -> bytes:
    """`/api/v1/providers` with headquarters by slug; `facts` stand in the entry of every one."""
    data = [
        {
            "name": slug.title(),
            "slug": slug,
            "privacy_policy_url": f"https://{slug}.example/privacy",
            "terms_of_service_url": None,
            "status_page_url": None,
            "headquarters": country,
            "datacenters": [country, "NL"] if country else None,
            **facts,
        }
        for slug, country in headquarters.items()
    ]
    return json.dumps({"data": data}).encode()


def write(folder: Path, name: str, content: bytes) -> Path:
    """Write a dump; a name that ends in .gz is compressed."""
    path = folder / name
    path.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    return path
