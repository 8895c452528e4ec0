"""`configuration/corrections.yml`: known errors of upstream sources, as the table raw.corrections.

Only the form is judged here. Staging models apply the corrections; `int_corrections` stops the run
where upstream no longer says what a correction expects.
"""

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from orchestration.errors import TransformError
from orchestration.settings import CONFIGURATION_DIR

PATH = CONFIGURATION_DIR / "corrections.yml"
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("field", pa.string(), nullable=False),
        pa.field("expect", pa.string(), nullable=False),
        pa.field("value", pa.string()),
        pa.field("valid_from", pa.date32()),
        pa.field("valid_to", pa.date32()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("evidence", pa.string(), nullable=False),
        pa.field("checked_on", pa.date32(), nullable=False),
    ]
)
SOURCES = ("openrouter_catalogue", "models_dev", "genai_prices", "litellm")


def _problem(entry: Any) -> str | None:
    """What is wrong with the form of one entry, in words."""
    if not isinstance(entry, dict):
        return "is no mapping"
    if differing := set(entry) ^ set(SCHEMA.names):
        return f"has too many or too few fields: {', '.join(sorted(map(str, differing)))}"
    for field in SCHEMA:
        value = entry[field.name]
        kind = date if field.type == pa.date32() else str
        if value is None and field.nullable:
            continue
        if not isinstance(value, kind) or value == "":
            # Numbers are quoted: YAML would read them as floats and lose digits.
            wanted = "a date" if kind is date else "a quoted text"
            return f"{field.name} is {value!r}, expected {wanted}"
    if entry["source"] not in SOURCES:
        return f"source is {entry['source']!r}, expected one of {', '.join(SOURCES)}"
    first, end = entry["valid_from"], entry["valid_to"]
    if first is not None and end is not None and first >= end:
        return f"valid_from {first} is not before valid_to {end}"
    return None


def read_corrections(path: Path | None = None) -> pa.Table:
    """All corrections, sorted by id.

    Raises TransformError naming an entry that is malformed, or two that speak of the same days.
    """
    path = path or PATH
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise TransformError(f"{path.name}: cannot be read: {error}") from error
    if not isinstance(entries, list):
        raise TransformError(f"{path.name}: is no list of corrections")
    for entry in entries:
        if problem := _problem(entry):
            name = entry.get("id") if isinstance(entry, dict) else entry
            raise TransformError(f"{path.name}: correction {name}: {problem}")
    for n, one in enumerate(entries):
        for other in entries[:n]:
            same = all(one[f] == other[f] for f in ("source", "key", "field"))
            days = max(one["valid_from"] or date.min, other["valid_from"] or date.min) < min(
                one["valid_to"] or date.max, other["valid_to"] or date.max
            )
            if one["id"] == other["id"] or (same and days):
                raise TransformError(
                    f"{path.name}: corrections {other['id']} and {one['id']} speak of the same"
                )
    return pa.Table.from_pylist(sorted(entries, key=lambda e: str(e["id"])), schema=SCHEMA)
