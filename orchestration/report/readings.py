"""An origin's share in both views of the registry, as known then and as known now."""

from collections.abc import Iterable

from orchestration.report.section import Row


def in_view(row: Row, view: str) -> Row:
    """Share and bounds of an origin in one view; `both` if the views agree."""
    view = "then" if view == "both" else view
    share, high = row[f"share_{view}"], row[f"share_high_{view}"]
    return {"share": share, "share_low": share, "share_high": high}


def views_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """`both` if the views agree on every row, else `then` and `now`."""
    agree = all(in_view(r, "then") == in_view(r, "now") for r in rows)
    return ("both",) if agree else ("then", "now")


def readings(row: Row) -> dict[str, Row]:
    """Share and bounds by view."""
    return {view: in_view(row, view) for view in views_of([row])}


def lead(leader: Row, rival: Row) -> dict[str, Row]:
    """By view: the lead with its bounds, and the origin that leads beyond doubt (`holder`), or
    None if neither does."""
    leads = {}
    for view in views_of([leader, rival]):
        mine, other = in_view(leader, view), in_view(rival, view)
        low = mine["share_low"] - other["share_high"]
        high = mine["share_high"] - other["share_low"]
        holder = leader["origin"] if low > 0 else rival["origin"] if high < 0 else None
        leads[view] = {"share": mine["share"] - other["share"], "low": low, "high": high,
                       "holder": holder}  # fmt: skip
    return leads
