"""What a request log cost, and where it was served: the marts of a run, recomputed from the log."""

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import land, read_records
from orchestration.pipeline import transform
from orchestration.settings import Settings
from tests.reference import compare, served

LOG = "usage_events"
KEY = ["usage_date", "model_permaslug", "provider_id", "region"]
# The catalogue states no cache prices of the first on 2025-10-20, and never a price for writes of
# the second; nobody has a price of the last.
MODELS = (
    "anthropic/claude-4.5-sonnet-20250929", "openai/gpt-4o-mini", "deepseek/deepseek-r1:free",
    "our-own/fine-model",
)  # fmt: skip
REGIONS = {
    "eu-west-1": "IE", "ap-southeast-3": "ID", "EastUS": "US", "europe-west4": "NL", "eu": None,
    "de": "DE", "moon-base-1": None, None: None,
}  # fmt: skip
PROVIDERS = {"amazon-bedrock": "US", "deepseek": "CN", "our-cluster": None, None: None}


def requests() -> list[dict[str, Any]]:
    """Requests of three days, as the log states them; the same each time."""
    draw = random.Random(7)
    made = []
    for _ in range(1500):
        # One in five used no tokens, and most of these state no cost.
        is_empty = draw.random() < 0.2
        prompt = 0 if is_empty else draw.randint(1, 200_000)
        read = draw.choice([0, 0, draw.randint(0, prompt)])
        write = draw.choice([0, 0, draw.randint(0, prompt - read)])
        made.append(
            {
                "day": draw.choice(["2025-10-20", "2026-01-05", "2026-01-06"]),
                "model": draw.choice(MODELS),
                "provider": draw.choice(list(PROVIDERS)),
                "region": draw.choice(list(REGIONS)),
                "prompt_tokens": prompt,
                "cache_read_tokens": read,
                "cache_write_tokens": write,
                "completion_tokens": 0 if is_empty else draw.randint(0, 9_000),
                "cost_usd": Decimal(draw.randint(0, 10**9)).scaleb(-9)
                if draw.random() < (0.1 if is_empty else 0.99)
                else None,
                "own_key_cost_usd": Decimal(draw.choice([0, 0, draw.randint(0, 10**6)])).scaleb(-6),
            }
        )
    return made


@pytest.fixture(scope="module")
def marts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """The tables of a run on this log alone, by name."""
    folder = tmp_path_factory.mktemp("served")
    settings = Settings(data_dir=folder / "data", shipped_history=False)
    log = folder / "2026-01-08T00-00-00Z.jsonl"
    log.write_text("".join(line(n, r) for n, r in enumerate(requests())), encoding="utf-8")
    land(log, settings)
    transform(ingest_all(read_records(settings), settings), settings)
    names = ("served_daily", "usage_daily", "spend_by_origin", "share_by_origin")
    with duckdb.connect(str(settings.database_path), read_only=True) as connection:
        for name in names:
            file = Path(folder / f"{name}.parquet")
            connection.execute(f"copy (from marts.{name}) to '{file}'")
    return {name: compare.read(folder / f"{name}.parquet") for name in names}


def line(number: int, request: dict[str, Any]) -> str:
    stated = {k: str(v) if isinstance(v, Decimal) else v for k, v in request.items()}
    started_at = f"{stated.pop('day')}T10:00:00Z"
    return json.dumps({"request_id": str(number), "started_at": started_at, **stated}) + "\n"


def test_every_dollar_of_a_log_is_what_the_method_says(marts: dict[str, pd.DataFrame]) -> None:
    expected = served.costs(requests())
    published = marts["served_daily"][list(expected)]
    assert set(expected["unknown_because"]) == {
        "no_list_price", "no_cache_price", "no_cost", None
    }  # fmt: skip
    found = compare.differences(published, expected, KEY)
    assert not found, f"{len(found)} differences, the first are:\n" + "\n".join(found[:10])


def test_list_spend_uses_the_tokens_as_the_log_splits_them(
    marts: dict[str, pd.DataFrame],
) -> None:
    expected = served.list_spend(requests())
    found = compare.differences(
        marts["usage_daily"][list(expected)], expected, ["usage_date", "model_permaslug"]
    )
    assert not found, "\n".join(found[:10])
    spend = marts["spend_by_origin"]
    days = expected.dropna().groupby("usage_date")["list_spend_usd"].sum()
    for lens in ("author_hq", "base_lineage", "serving_hq"):
        daily = spend[(spend["grain"] == "daily") & (spend["lens"] == lens)]
        for end in served.BAND:
            assert daily.groupby("period_start")[end].sum().to_dict() == days.to_dict()


def test_headquarters_and_country_of_the_machines_are_two_things(
    marts: dict[str, pd.DataFrame],
) -> None:
    rows = marts["served_daily"]
    regions = {str(name or "unidentified").lower(): code for name, code in REGIONS.items()}
    for row in rows.itertuples():
        assert row.served_in == (regions[row.region] or "unidentified")
        provider = None if row.provider_id == "unidentified" else row.provider_id
        assert row.serving_headquarters == (PROVIDERS[provider] or "unidentified")
    lens = marts["share_by_origin"].query("grain == 'daily' and lens == 'serving_hq'")
    by_origin = lens.groupby("origin")["tokens"].sum().to_dict()
    assert by_origin == rows.groupby("serving_headquarters")["tokens"].sum().to_dict()
