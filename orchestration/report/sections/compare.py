"""Two weeks beside each other: two by default, and any two that the reader picks.

The default comparison is a query, so it is there without a script. For others the page has the
shares of all weeks, and its script does with them what the query does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from orchestration.report.context import Context
from orchestration.report.section import Column, Row, Section, Table, point_and_ends, title, value
from orchestration.words import bounded, percent, points, tokens

# The page has shares as whole numbers of this many parts.
_PARTS = 100_000_000


@dataclass(frozen=True, kw_only=True)
class Compare(Section):
    # The Mondays of the default comparison; None without two complete weeks.
    picked: tuple[date, date] | None
    # The first and the last day that can be picked.
    days: tuple[date, date] | None
    data: Mapping[str, Any]
    origins: Table
    labs: Table


def section(context: Context) -> Compare:
    rows, weeks = context.ask("compare"), context.ask("compare_weeks")
    picked = (rows[0]["earlier"], rows[0]["later"]) if rows else None
    starts = sorted({r["period_start"] for r in weeks})
    beside = "" if picked is None else f"Week of {picked[0]} beside week of {picked[1]}"
    about = f"{beside}, {context.said}: share of all tokens with its bounds; change in points"
    return Compare(
        picked=picked,
        days=(starts[0], starts[-1] + timedelta(days=6)) if picked else None,
        data=_data(weeks),
        origins=_table(f"By origin. {about}.", [r for r in rows if r["share_of"] == "origin"]),
        labs=_table(
            f"By lab. {about}.",
            [r for r in rows if r["share_of"] == "lab"],
            [Column("Origin", value("origin"), "text")],
        ),
    )


def _table(caption: str, rows: Sequence[Row], more: Sequence[Column] = ()) -> Table:
    return Table(
        caption,
        [
            Column("Of", _name),
            *more,
            Column("Earlier", _side("earlier")),
            Column("Later", _side("later")),
            Column("Change", _change),
            Column("Tokens earlier", value("tokens_earlier", tokens)),
            Column("Tokens later", value("tokens_later", tokens)),
        ],
        rows,
    )


def _name(row: Row) -> str:
    return title(row["id"]) if row["share_of"] == "origin" else str(row["name"])


def _is_unknown(row: Row) -> bool:
    return bool(row["share_of"] == "origin" and row["id"] == "unidentified")


def _side(side: str) -> Any:
    def cell(row: Row) -> Any:
        share = percent(row[f"share_{side}"])
        if _is_unknown(row):
            return share
        return point_and_ends(share, bounded(row[f"low_{side}"], row[f"high_{side}"]))

    return cell


def _change(row: Row) -> Any:
    change = points(row["change"])
    if _is_unknown(row):
        return change
    return point_and_ends(change, f"{points(row['change_low'])} to {points(row['change_high'])}")


def _data(rows: Sequence[Row]) -> dict[str, Any]:
    """What the script needs: names once, and by week the numbers of every row."""
    names = sorted({(r["share_of"], r["id"]) for r in rows})
    at = {name: i for i, name in enumerate(names)}
    latest = {(r["share_of"], r["id"]): r for r in rows}
    weeks: dict[str, Any] = {}
    for r in rows:
        week = weeks.setdefault(
            r["period_start"].isoformat(), {"complete": r["is_complete"], "rows": []}
        )
        parts = [round(float(r[f]) * _PARTS) for f in ("share", "share_low", "share_high")]
        week["rows"].append([at[r["share_of"], r["id"]], int(r["tokens"]), *parts])
    return {
        "parts": _PARTS,
        "names": [
            [of, key, _name(latest[of, key]), latest[of, key]["origin"]] for of, key in names
        ],
        "weeks": weeks,
    }
