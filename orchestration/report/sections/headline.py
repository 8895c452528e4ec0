"""Who leads the latest complete week, by how much and since when, and what the press said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from markupsafe import Markup

from orchestration.claims import show
from orchestration.report import charts
from orchestration.report.context import Context
from orchestration.report.readings import in_view, lead, readings, views_of
from orchestration.report.section import (
    Cell,
    Column,
    Row,
    Section,
    Table,
    band,
    grouped,
    measured,
    share_with_bounds,
    title,
    value,
)
from orchestration.words import bounded, percent, tokens, week

# What makes up the unidentified tokens, in the words of the page.
_UNIDENTIFIED = {
    "tail": "the tail, which the source does not name",
    "stealth": "stealth models, not revealed yet",
    "router": "routers",
    "unmapped": "authors without a registry row",
    "no_country": "labs without a stated country",
}
_MOMENTS = {"latest": "Latest", "year_earlier": "52 weeks earlier", "first": "First"}
_SHARE_METRICS = ("share", "license_share", "price_quality", "price_gap", "first_lead_date")
_CLAIMS_SHOWN = 5


@dataclass(frozen=True)
class Standing:
    """An origin in the latest complete week: share and bounds by view of the registry.

    `said` has the label of each view with the share, or one entry if the views agree. `earlier` has
    the readings of 52 weeks before, and is empty if there is no such week.
    """

    origin: str
    said: Sequence[tuple[str, float]]
    readings: Mapping[str, Row]
    earlier: Mapping[str, Row]


@dataclass(frozen=True)
class Statement:
    """A published statement with its verdict and what was measured."""

    claim_id: str
    statement: str
    verdict: str
    label: str
    measured: Any


@dataclass(frozen=True, kw_only=True)
class Headline(Section):
    week: Row | None
    leader: Standing | None
    rival: Standing | None
    unidentified: Standing | None
    leads: Mapping[str, Row]
    unidentified_kinds: Sequence[Row]
    lead_dates: Mapping[str, Row]
    claims: int
    verdict_counts: Sequence[tuple[str, str, int]]
    statements: Sequence[Statement]
    table: Table

    @property
    def cards(self) -> list[Standing]:
        return [s for s in (self.leader, self.rival, self.unidentified) if s]


@dataclass(frozen=True)
class Preview:
    """The preview of a shared link: title, the lines below it, and the chart's rows and colors."""

    title: str
    lines: Sequence[str]
    rows: list[Row]
    colors: dict[str, str]


def section(context: Context) -> Headline:
    moments = {
        moment: {r["origin"]: r for r in rows}
        for moment, rows in grouped(context.ask("leaders"), "moment").items()
    }
    earlier = moments.get("year_earlier", {})

    def standing(row: Row | None) -> Standing | None:
        if row is None:
            return None
        before = earlier.get(row["origin"])
        return Standing(
            row["origin"], _said(row, context), readings(row), readings(before) if before else {}
        )

    leader, rival, *_ = (*context.leaders, None, None)
    claims = [r for r in context.ask("claims") if r["asked_by"] == "publisher"]
    return Headline(
        week=leader,
        leader=standing(leader),
        rival=standing(rival),
        unidentified=standing(moments.get("latest", {}).get("unidentified")),
        leads=lead(leader, rival) if leader and rival else {},
        unidentified_kinds=[
            {"name": _UNIDENTIFIED[r["kind"]], "share": r["week_share"]}
            for r in sorted(context.ask("identification"), key=lambda r: -r["week_tokens"])
            if r["kind"] in _UNIDENTIFIED and r["week_tokens"]
        ],
        lead_dates=context.lead_dates,
        claims=len(claims),
        verdict_counts=show.counts(claims),
        statements=[
            Statement(
                r["claim_id"], r["statement"], r["verdict"], show.VERDICTS[r["verdict"]],
                None if r["measured_value"] is None else measured(r),
            )
            for r in [r for r in claims if r["metric"] in _SHARE_METRICS][:_CLAIMS_SHOWN]
        ],
        table=_table(context, moments),
        charts=charts.drawn(
            {
                "chart-bounds": (
                    f"Weekly share of all tokens with its bounds, {context.said}",
                    charts.band_lines(
                    _bands(context), context.pair_colors,
                    f"Line chart: weekly shares of {' and '.join(context.pair_colors)} with the "
                    "band of what is unidentified",
                    title="Share of all tokens",
                ))
            }
        ),
    )  # fmt: skip


def preview(context: Context) -> Preview:
    rows, colors = _bands(context), context.pair_colors
    if not context.leaders:
        return Preview("Who gets used?", ["No complete week yet"], rows, colors)
    first = context.leaders[:2]
    head, *others = (
        f"{title(r['origin'])} "
        + ", ".join(f"{percent(share)} {said}" for said, share in _said(r, context))
        for r in first
    )
    bounds = [
        f"Bounds {context.said_of[view]}: "
        + ", ".join(
            f"{title(r['origin'])} {bounded(x['share_low'], x['share_high'])}"
            for r in first
            for x in [in_view(r, view)]
        )
        + "."
        for view in views_of(first)
    ]
    about = f"Share of all tokens in the week {week(first[0]['period_start'])}."
    lines = [" ".join([*(f"{o}." for o in others), about]), *bounds]
    return Preview(head, lines, rows, colors)


def _said(row: Row, context: Context) -> list[tuple[str, float]]:
    then, now = row["share_then"], row["share_now"]
    if then == now:
        return [(context.said_of["both"], then)]
    return [(context.said_of["then"], then), (context.said_of["now"], now)]


def _bands(context: Context) -> list[Row]:
    return [
        {"period_start": start, "name": title(o), **band(by[o], "share")}
        for start, by in context.charted_weeks.items()
        for o in context.pair
        if o in by
    ]


def _table(context: Context, moments: Mapping[str, Mapping[str, Row]]) -> Table:
    shown = [*context.pair, "unidentified"]
    rows = []
    for moment, label in _MOMENTS.items():
        found = moments.get(moment, {})
        views = views_of(r for o, r in found.items() if o in shown)
        for view in views if found else ():
            any_row = next(iter(found.values()))
            rows.append(
                {
                    "moment": label,
                    "period_start": any_row["period_start"],
                    "total_tokens": any_row["total_tokens"],
                    "read": context.said_of[view],
                    **{o: {"origin": o, **in_view(r, view)} for o, r in found.items()},
                }
            )
    return Table(
        "Complete ISO weeks; share of all tokens with its bounds.",
        [
            Column("Week of", _moment),
            Column("Read", value("read"), "text"),
            *(Column(title(o), _share_of(o)) for o in shown),
            Column("All tokens", value("total_tokens", tokens)),
        ],
        rows,
    )


def _moment(row: Row) -> Any:
    day: date = row["period_start"]
    return Markup('{}: <span class="day">{}</span>').format(row["moment"], day)


def _share_of(origin: str) -> Cell:
    return lambda row: share_with_bounds(row.get(origin))
