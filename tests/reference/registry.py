"""Identification, the registry's two times, license classes: whose model a slug is on a day.

docs/method.md: "Identification", "The registry and its two times", "License classes".
"""

import functools
from collections import defaultdict

import pandas as pd

from tests.reference import inputs
from tests.reference.inputs import Row

UNIDENTIFIED = "unidentified"
LENSES = ("author_hq", "base_lineage")


@functools.cache
def _rows_of(seed: str, key: str) -> dict[str, list[Row]]:
    rows = defaultdict(list)
    for row in inputs.seed(seed):
        rows[row[key]].append(row)
    return rows


def row_of(seed: str, key: str, value: str, day: str, view: str) -> Row:
    """The row that counts on a day: of those that hold and are known, the one learned last.

    Returns an empty row if there is none. `view` is `then` (known when the day began) or `now`.
    """
    known = [
        row
        for row in _rows_of(seed, key)[value]
        if row["valid_from"] <= day
        and (not row["valid_to"] or day < row["valid_to"])
        and (view == "now" or row["known_from"] <= day)
    ]
    if not known:
        return dict.fromkeys(inputs.seed(seed)[0], "")
    newest = max(row["known_from"] for row in known)
    (row,) = (row for row in known if row["known_from"] == newest)
    return row


def parts(permaslug: str) -> tuple[str, str, str]:
    """Base slug, variant and author of a slug as the source names it."""
    name, _, variant = permaslug.partition(":")
    base = name.lower().removeprefix("~")
    return base, variant or "standard", base.split("/", maxsplit=1)[0]


def identify(permaslug: str, lab: str) -> str:
    """The identification of a slug; `lab` is what the registry says, empty if nothing."""
    base, _, author = parts(permaslug)
    if base == "other":
        return "tail"
    if base in _rows_of("routers", "base_slug"):
        return "router"
    if lab:
        return "attributed"
    return "stealth" if author in ("stealth", "openrouter") else "unmapped"


def headquarters(lab: str, day: str, view: str) -> str:
    """The country of a lab, `unidentified` if no page states it."""
    return row_of("labs", "lab_id", lab, day, view)["headquarters"] or UNIDENTIFIED


def lab_name(lab: str, day: str, view: str = "then") -> str:
    """The canonical name of a lab, `Unidentified` for what is unidentified."""
    if lab == UNIDENTIFIED:
        return "Unidentified"
    return row_of("labs", "lab_id", lab, day, view)["lab_name"]


def attribute(permaslug: str, day: str, view: str) -> Row:
    """The columns that `attributed` adds, of one slug on one day."""
    base, _, author = parts(permaslug)
    model = row_of("models", "base_slug", base, day, view)
    lab = model["lab_id"] or row_of("authors", "author", author, day, view)["lab_id"]
    base_lab = model["base_lab_id"]
    return {
        "identification": identify(permaslug, lab),
        "license": model["license"] if lab and model["license"] else "unknown",
        "revealed_as": model["revealed_as"],
        "lab_author_hq": lab or UNIDENTIFIED,
        "origin_author_hq": headquarters(lab, day, view),
        "lab_base_lineage": base_lab or UNIDENTIFIED,
        "origin_base_lineage": headquarters(base_lab, day, view),
    }


@functools.cache
def attributed(view: str) -> pd.DataFrame:
    """`inputs.usage` with what the registry says of each row in a view.

    Adds base_slug, variant, author, identification, license, revealed_as (what a stealth model was,
    else empty), and per lens `lab_<lens>` and `origin_<lens>`, both `unidentified` if not known.
    """
    table = inputs.usage().copy()
    split = map(parts, table["model_permaslug"])
    table["base_slug"], table["variant"], table["author"] = zip(*split, strict=True)
    added = pd.DataFrame(
        attribute(slug, day, view)
        for slug, day in zip(table["model_permaslug"], table["day"], strict=True)
    )
    return pd.concat([table, added], axis=1)
