"""Derive quality_seed.csv: quality indices per model, with the day on which they were read.

    python derive_quality.py --catalogue-dir DIR [--output FILE]

Kept to show how the facts were derived; a run of the pipeline needs only the CSV. DIR holds dated
catalogue snapshots (YYYY-MM-DD.json.gz) of OpenRouter's /api/v1/models. Those before 2026-07 have
no indices; catalogues that are landed later continue the seed.

Source: Artificial Analysis (artificialanalysis.ai), as OpenRouter's catalogue repeats it in
benchmarks.artificial_analysis; snapshots collected by jvrck/openrouterlist (MIT, facts of the
catalogue).

What a row says
    On the day read_on the catalogue stated these indices of the model. base_slug is the canonical
    slug without variant, lower case; variants (`:free`, `:batch`) repeat the index of their model,
    and a difference between them stops the script. Models without an Intelligence Index are left
    out, also where they have another one.
    Values of two readings are not on one scale: between 2026-08-01 and 2026-08-22 those of 86 of 96
    models moved at once, by up to 2.6 points; between the two readings before it those of 2 of 60.
"""

import argparse
import csv
import gzip
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

KINDS = ("intelligence_index", "coding_index", "agentic_index")
CITATION = "Artificial Analysis via OpenRouter"
HEADER = ("base_slug", "read_on", *KINDS, "index_source", "source_model_id")


def readings(path: Path) -> list[tuple[str, ...]]:
    """The rows of one snapshot, sorted by slug."""
    day = path.name.removesuffix(".json.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        # Decimals keep the published digits.
        models: list[dict[str, Any]] = json.load(file, parse_float=Decimal)["data"]
    found: dict[str, tuple[str, ...]] = {}
    # The plain id speaks before its variants.
    for model in sorted(models, key=lambda m: (m["id"].startswith("~"), ":" in m["id"], m["id"])):
        indices = ((model.get("benchmarks") or {}).get("artificial_analysis")) or {}
        if indices.get("intelligence_index") is None:
            continue
        slug = (model.get("canonical_slug") or model["id"].split(":")[0]).lower()
        values = tuple("" if indices.get(k) is None else str(indices[k]) for k in KINDS)
        row = (slug, day, *values, CITATION, model["id"])
        if found.setdefault(slug, row)[2:5] != values:
            raise SystemExit(f"{path.name}: {slug}: {model['id']} says {values}, {found[slug]}")
    return [found[slug] for slug in sorted(found)]


def main() -> None:
    """Write the seed and report what went into it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--catalogue-dir", type=Path, required=True)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(__file__).parent.parent / "dbt_project" / "seeds" / "quality_seed.csv",
    )
    arguments = parser.parse_args()
    rows: list[tuple[str, ...]] = []
    for path in sorted(arguments.catalogue_dir.glob("*.json.gz")):
        found = readings(path)
        print(f"{path.name}: {len(found)} models with an index", file=sys.stderr)
        rows += found
    with arguments.output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
