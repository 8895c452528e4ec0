"""What the sections of the report share, computed once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from orchestration.gate.run import RuleResult
from orchestration.report.colors import color_of
from orchestration.report.section import Row, grouped, title
from orchestration.words import as_known

# A week with fewer days is not charted, because its share is that of a few days only.
MIN_DAYS_CHARTED = 4
# The dates of a lead that are compared and shown: columns of `crossover`, with their headings.
LEAD_DATES = {
    "first_lead": "First lead",
    "last_change": "Last change of lead",
    "leads_since": "Leads since",
    "first_identified_lead": "First beyond doubt",
    "robust_since": "Beyond doubt since",
}


@dataclass(frozen=True)
class Context:
    """One vintage and source: the input of every section.

    `ask` returns the rows of a query in `queries/`, which runs only once. `view` is the view of the
    registry in the share tables. `said_of` has the label of each view: `then`, `now`, and `both` if
    they agree.
    """

    ask: Callable[[str], list[Row]]
    view: str
    said_of: Mapping[str, str]
    # Origins of the latest complete week, the largest share first; empty if there is none.
    leaders: Sequence[Row]
    # The two origins that the page compares; one, or none, if the source has no more.
    pair: Sequence[str]
    # By first day of the week and origin.
    weeks: Mapping[date, Mapping[str, Row]]
    # When the lead between the pair changed, by view, or `both` if the dates agree.
    lead_dates: Mapping[str, Row]
    gate_results: Sequence[RuleResult]
    inputs: Sequence[Row]
    quarantined: int
    quarantined_fields: int

    @property
    def said(self) -> str:
        """The label of the view in the share tables."""
        return self.said_of[self.view]

    @property
    def pair_colors(self) -> dict[str, str]:
        """The color of each of the pair by its title."""
        return {title(o): color_of(o) for o in self.pair}

    @property
    def charted_weeks(self) -> dict[date, Mapping[str, Row]]:
        """The weeks with enough days for a chart."""
        return {
            start: by
            for start, by in self.weeks.items()
            if _any(by)["days_present"] >= MIN_DAYS_CHARTED
        }


def make_context(
    ask: Callable[[str], list[Row]],
    registry: Mapping[str, str],
    results: Sequence[RuleResult],
    inputs: Sequence[Row],
    quarantined_scopes: Sequence[str],
) -> Context:
    """Make the context. `registry` has `view` and `as_of`, as in the manifest."""
    asked = cache(ask)
    view = registry["view"]
    latest = [
        r for r in asked("leaders") if r["moment"] == "latest" and r["origin"] != "unidentified"
    ]
    leaders = sorted(latest, key=lambda r: (-r[f"share_{view}"], r["origin"]))
    weekly = asked("origin_weekly")
    present = sorted({r["origin"] for r in weekly} - {"unidentified"})
    # Without a complete week, the pair is China and the United States, which people ask about.
    usual = [o for o in ("CN", "US") if o in present]
    pair = [r["origin"] for r in leaders[:2]] or usual or present[:2]
    return Context(
        ask=asked,
        view=view,
        said_of=as_known(registry["as_of"]),
        leaders=leaders,
        pair=pair,
        weeks={
            start: {r["origin"]: r for r in rows}
            for start, rows in grouped(weekly, "period_start").items()
        },
        lead_dates=_lead_dates(asked("crossover"), pair),
        gate_results=results,
        inputs=inputs,
        quarantined=quarantined_scopes.count("row"),
        quarantined_fields=quarantined_scopes.count("field"),
    )


def _any(by: Mapping[str, Row]) -> Row:
    return next(iter(by.values()))


def _lead_dates(crossovers: Sequence[Row], pair: Sequence[str]) -> dict[str, Row]:
    """The weekly dates of the leader over its rival, by view of the registry."""
    by_view: dict[str, Row] = {
        r["registry_view"]: r
        for r in crossovers
        if r["grain"] == "weekly" and [r["origin"], r["rival_origin"]] == list(pair)
    }
    dates: list[list[Any]] = [
        [r[f] for f in (*LEAD_DATES, "trend_change")] for r in by_view.values()
    ]
    if len(dates) == 2 and dates[0] == dates[1]:
        return {"both": by_view["then"]}
    return by_view
