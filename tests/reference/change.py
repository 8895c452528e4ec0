"""What changed a share: entrants, leavers, and the models that stayed.

docs/method.md: "What changed a share".
"""

import datetime as dt
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import pandas as pd

from tests.reference import inputs, periods, registry, shares


class Pair(NamedTuple):
    """Two periods of one grain and why they are compared."""

    change_id: str
    pair_kind: str
    grain: str
    start: dt.date
    end: dt.date


def pairs() -> Iterator[Pair]:
    """Every pair of periods that is published; all but configured ones are complete."""
    for grain, year in (("weekly", 52), ("monthly", 12)):
        complete = periods.complete(grain)
        earlier = periods.before(complete[-1], grain, year)
        if earlier in complete:
            yield Pair(f"year_on_year_{grain}", "year_on_year", grain, earlier, complete[-1])
    months = periods.complete("monthly")
    for month in months:
        if (last := periods.before(month, "monthly")) in months:
            yield Pair(f"month_on_month_{month:%Y-%m}", "month_on_month", "monthly", last, month)
    for row in inputs.seed("change_pairs"):
        ends = (dt.date.fromisoformat(row[f"period_start_{end}"]) for end in ("from", "to"))
        yield Pair(row["change_id"], "configured", row["grain"], *ends)


def _split(
    start: dict[str, int], end: dict[str, int], total: int, total_end: int
) -> dict[str, Any]:
    """One lab's models with their tokens in both periods, split into the four terms."""
    stayed = start.keys() & end.keys()
    tokens, tokens_end = sum(start.values()), sum(end.values())
    share, share_end = Fraction(tokens, total), Fraction(tokens_end, total_end)
    part = Fraction(sum(start[m] for m in stayed), tokens or 1)  # w: nothing stays of nothing
    part_end = Fraction(sum(end[m] for m in stayed), tokens_end or 1)
    return {
        "tokens_from": tokens,
        "tokens_to": tokens_end,
        "total_tokens_from": total,
        "total_tokens_to": total_end,
        "share_from": share,
        "share_to": share_end,
        "delta_share": share_end - share,
        "entrants": (1 - part_end) * share_end,
        "leavers": -(1 - part) * share,
        "within_lab": (share + share_end) / 2 * (part_end - part),
        "between_lab": (part + part_end) / 2 * (share_end - share),
        "models_entered": len(end.keys() - stayed),
        "models_left": len(start.keys() - stayed),
    }


def share_change() -> pd.DataFrame:
    """`share_change`."""
    usage = registry.attributed("then")
    keys = {"origin": "origin_author_hq", "lab_id": "lab_author_hq", "model": "base_slug"}
    tokens = {grain: shares.tokens_by(usage, grain, **keys) for grain in ("weekly", "monthly")}
    rows = []
    for pair in pairs():
        both = [tokens[pair.grain].query("period_start == @day") for day in (pair.start, pair.end)]
        totals = [int(period["tokens"].sum()) for period in both]
        models: dict[tuple[str, str], tuple[dict, dict]] = {}
        for n, period in enumerate(both):
            for row in period.itertuples():
                models.setdefault((row.origin, row.lab_id), ({}, {}))[n][row.model] = row.tokens
        for (origin, lab), (start, end) in models.items():
            rows.append(
                {
                    "source": inputs.SOURCE,
                    "change_id": pair.change_id,
                    "pair_kind": pair.pair_kind,
                    "grain": pair.grain,
                    "period_start_from": pair.start,
                    "period_start_to": pair.end,
                    "is_complete": all(
                        periods.present(pair.grain)[day][1] for day in (pair.start, pair.end)
                    ),
                    "lens": "author_hq",
                    "origin": origin,
                    "lab_id": lab,
                    "lab_name": registry.lab_name(lab, pair.end.isoformat()),
                    **_split(start, end, *totals),
                }
            )
    return pd.DataFrame(rows, dtype=object)
