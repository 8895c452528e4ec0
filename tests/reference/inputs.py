"""What the reference reads: the landed dump, the seeds, the rule sets, the published tables' keys.

Everything is read as text; an empty field is the empty string. ISO dates compare as text.
"""

import csv
import functools
import gzip
import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

PROJECT = Path(__file__).resolve().parents[2]
SOURCE = "openrouter_rankings"

Row = dict[str, str]


@functools.cache
def seed(name: str) -> list[Row]:
    """The rows of a seed, column by name."""
    path = PROJECT / "dbt_project" / "seeds" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@functools.cache
def configuration(name: str) -> Any:
    """The content of `configuration/<name>.yml`."""
    return yaml.safe_load((PROJECT / "configuration" / f"{name}.yml").read_text(encoding="utf-8"))


@functools.cache
def keys() -> dict[str, list[str]]:
    """The key columns of every published table, by its data contract."""
    contracts = (PROJECT / "data_contracts" / "published").glob("*.odcs.yaml")
    return {
        table["name"]: [c["name"] for c in table["properties"] if c.get("primaryKey")]
        for contract in contracts
        for table in yaml.safe_load(contract.read_text(encoding="utf-8"))["schema"]
    }


@functools.cache
def as_of() -> datetime:
    """When the shipped dump was made, to the minute."""
    (sidecar,) = (PROJECT / "data" / "landing" / SOURCE).glob("*/sidecar.json")
    stated = json.loads(sidecar.read_bytes())["as_of"]
    return datetime.fromisoformat(stated).replace(second=0, microsecond=0)


@functools.cache
def usage() -> pd.DataFrame:
    """The shipped dump, one row per day and model, in the dump's own words.

    Columns: usage_date (datetime), day (ISO text), model_permaslug, tokens (int64), dump_sha256.
    """
    (dump,) = (PROJECT / "data" / "landing" / SOURCE).glob("*/dump.csv.gz")
    landed = dump.read_bytes()
    rows = list(csv.DictReader(gzip.decompress(landed).decode("utf-8").splitlines()))
    table = pd.DataFrame(
        {
            "day": [row["date"] for row in rows],
            "model_permaslug": [row["model_permaslug"] for row in rows],
            "tokens": pd.array([int(row["total_tokens"]) for row in rows], dtype="int64"),
        }
    )
    table.insert(0, "usage_date", pd.to_datetime(table["day"]))
    table["dump_sha256"] = hashlib.sha256(landed).hexdigest()
    return table
