"""Small dumps in the shape of the real formats, written by the tests themselves."""

import gzip
import hashlib
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
    """Rows of a healthy feed; totals vary by a few percent over the week, as real ones do."""
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


def export_manifest(
    content: bytes, retrieved_at: str = "2026-09-08T01:46:15.433Z", **fields: Any
) -> bytes:
    """The manifest beside a keyless export of `content`, as published (not compressed).

    Shape of https://openrouter.ai/api/v1/datasets/exports/rankings-daily/2026-10-08.manifest.json,
    read in October 2026 (Source: OpenRouter, openrouter.ai, CC BY 4.0).
    """
    day = retrieved_at[:10]
    exports = "https://openrouter.ai/api/v1/datasets/exports"
    document = {
        "dataset": "rankings-daily",
        "schema_version": "v1",
        "snapshot_date": day,
        "retrieved_at": retrieved_at,
        "row_count": len(content.splitlines()) - 1,
        "update_cadence": "daily",
        "license": {
            "name": "CC BY 4.0",
            "url": "https://creativecommons.org/licenses/by/4.0/",
        },
        "attribution": "Source: OpenRouter (openrouter.ai), licensed under CC BY 4.0: reuse and "
        "republish with attribution to OpenRouter.",
        "readme_url": f"{exports}/README.md",
        "files": {
            "csv": {
                "url": f"{exports}/rankings-daily/{day}.csv",
                "encoding_format": "text/csv",
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            },
            "json": {
                "url": f"{exports}/rankings-daily/{day}.json",
                "encoding_format": "application/json",
                "bytes": 318071,
                "sha256": "cf1b393a5027ccb7f9d3cb6a10bf64168261400e4b74d1e6832e54c651c41db4",
            },
        },
        "latest": {
            "csv": f"{exports}/rankings-daily/latest.csv",
            "json": f"{exports}/rankings-daily/latest.json",
            "manifest": f"{exports}/rankings-daily/latest.manifest.json",
        },
        **fields,
    }
    return json.dumps(document).encode()


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


# Cut to one model: with it nearly no price of the seeds holds any more.
CUT_CATALOGUE = catalogue({"openai/gpt-4o": ("0.0000025", "0.00001")})


def app_rankings(
    tokens: dict[int, int], as_of: str = "2026-03-01T01:46:00.250Z", **meta: Any
) -> bytes:
    """`/api/v1/datasets/app-rankings` with tokens by app id, in the order given."""
    data = [
        {
            "rank": rank,
            "app_id": app_id,
            "app_name": f"App {app_id}",
            "total_tokens": str(total),
            "total_requests": 4,
        }
        for rank, (app_id, total) in enumerate(tokens.items(), start=1)
    ]
    stated = {
        "as_of": as_of,
        "version": "v1",
        "start_date": "2026-01-30",
        "end_date": "2026-02-28",
    }
    return json.dumps({"data": data, "meta": {**stated, **meta}}).encode()


APP_ARCHIVE_COLUMNS = [
    "fetched_at", "commit", "list", "meta_as_of", "start_date", "end_date", "rank", "app_id",
    "app_name", "total_tokens", "total_requests",
]  # fmt: skip


def app_archive(rows: Iterable[dict[str, str]]) -> bytes:
    """The archive of many app-rankings: CRLF; `rows` stand in for the cells of a plain row."""
    plain = {
        "fetched_at": "2026-07-01T12:05:56.773Z",
        "commit": "d7f49335ee",
        "list": "apps_month",
        "meta_as_of": "2026-07-01T12:05:48.752Z",
        "start_date": "2026-06-01",
        "end_date": "2026-06-30",
        "rank": "1",
        "app_id": "3067167",
        "app_name": "Hermes Agent",
        "total_tokens": "400",
        "total_requests": "4",
    }
    lines = [APP_ARCHIVE_COLUMNS, *([{**plain, **r}[c] for c in APP_ARCHIVE_COLUMNS] for r in rows)]
    return ("\r\n".join(",".join(line) for line in lines) + "\r\n").encode()


def task_classifications(
    tags: dict[str, dict[str, Any]],
    models: dict[str, dict[str, tuple[float, float]]] | None = None,
    **data: Any,
) -> bytes:
    """`/api/v1/classifications/task`: `tags` stand in for fields of a plain entry, `models` are
    (share of the tag's requests, of its tokens) by tag and id; `data` replaces the rest.

    The shape is that of a real answer: fields, their order, permaslugs as ids, and shares as
    numbers rounded to three decimals, without zeros at the end. Source: OpenRouter
    (openrouter.ai/rankings), as of 2026-09-21. Licensed under CC BY 4.0."""
    entries = [
        {
            "tag": tag,
            "display_name": tag.title(),
            "macro_category": tag.split(":")[0] if ":" in tag else "general",
            "usage_share": 0.25,
            "token_share": 0.5,
            "category_usage_share": 1,
            "category_token_share": 1,
            "models": [
                {"id": i, "tag_usage_share": requests, "tag_token_share": tokens}
                for i, (requests, tokens) in (models or {}).get(tag, {}).items()
            ],
            **stated,
        }
        for tag, stated in tags.items()
    ]
    document = {
        "window_days": 7,
        "as_of": "2026-02-28",
        "classifications": entries,
        "macro_categories": [
            {"key": "code", "label": "Code", "usage_share": 0.25, "token_share": 0.5}
        ],
        **data,
    }
    return json.dumps({"data": document}).encode()


def write(folder: Path, name: str, content: bytes) -> Path:
    """Write a dump; a name that ends in .gz is compressed."""
    path = folder / name
    path.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    return path
