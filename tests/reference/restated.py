"""Periods that the registry restates: as known then beside as known now.

docs/method.md: "The registry and its two times".
"""

import pandas as pd

from tests.reference import periods, registry, shares
from tests.reference.registry import LENSES

KEY = ["source", "period_start", "is_complete", "lens", "origin"]


def _because(grain: str) -> dict[tuple[object, str], str]:
    """By period and lens: the slugs whose origin is another one now, and what they were."""
    then, now = registry.attributed("then"), registry.attributed("now")
    starts = periods.starts(then["usage_date"], grain)
    found = {}
    for lens in LENSES:
        moved = then[f"origin_{lens}"] != now[f"origin_{lens}"]
        reveals = now["base_slug"] + " is " + now["revealed_as"]
        for start, names in reveals[moved].groupby(starts[moved]):
            found[start, lens] = "; ".join(sorted(names.unique()))
    return found


def by_origin(grain: str) -> pd.DataFrame:
    """`restated_by_origin_*`: all origins of every period in which any origin's tokens moved."""
    views = [shares.by_origin(grain, view) for view in ("then", "now")]
    table = views[0].merge(views[1], on=KEY, how="outer", suffixes=("_then", "_now"))
    keep = ["tokens", "total_tokens", "share", "share_high"]
    for column in (f"{c}_{view}" for c in keep for view in ("then", "now")):
        table[column] = table[column].astype(object).where(table[column].notna(), 0)
    because = _because(grain)
    table["because"] = list(
        map(because.get, zip(table["period_start"], table["lens"], strict=True))
    )
    table = table[table["because"].notna()].copy()
    table["tokens_moved"] = table["tokens_now"] - table["tokens_then"]
    table["total_tokens"] = table[["total_tokens_then", "total_tokens_now"]].max(axis=1)
    columns = ["tokens", "share", "share_high"]
    return table[
        [*KEY, "tokens_moved", "total_tokens", "because"]
        + [f"{c}_{view}" for c in columns for view in ("then", "now")]
    ].reset_index(drop=True)
