"""Weekly share of all tokens by origin."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from orchestration.report import charts, colors
from orchestration.report.context import Context
from orchestration.report.section import (
    Cell,
    Column,
    Row,
    Section,
    Table,
    rounded,
    share_with_bounds,
    starred,
    title,
    value,
)
from orchestration.words import percent, tokens


@dataclass(frozen=True, kw_only=True)
class Origin(Section):
    table: Table


def section(context: Context) -> Origin:
    # The pair, all other countries, and unidentified: they add up to all tokens.
    named = [*context.pair, "other countries", "unidentified"]
    weeks = {start: _week(start, by, context) for start, by in context.weeks.items()}
    return Origin(
        table=Table(
            "Share of all tokens with bounds, latest week first. * incomplete week.",
            [
                Column("Week of", starred("period_start")),
                Column("Days", value("days_present", str)),
                *(Column(title(o), _share_of(o)) for o in context.pair),
                Column("Other countries", value("other countries", percent)),
                Column("Unidentified", value("unidentified", percent)),
                Column("Tokens", value("total_tokens", tokens)),
            ],
            list(weeks.values())[::-1],
        ),
        charts=charts.drawn(
            {
                "chart-origin": (
                    f"Weekly share of all tokens by origin, {context.said}",
                    charts.stacked_area(
                    [
                        {"period_start": start, "name": title(group), "name_order": order,
                         "share": rounded(_share(weeks[start], group))}
                        for start in context.charted_weeks
                        for order, group in enumerate(named)
                    ],
                    {title(o): colors.color_of(o) for o in named},
                    "Stacked area chart: weekly share of tokens by origin, with unidentified on "
                    "top",
                ))
            }
        ),
    )  # fmt: skip


def _week(start: date, by: Mapping[str, Row], context: Context) -> Row:
    """A week: the rows of the pair, and the shares of other countries and of unidentified."""
    any_row = next(iter(by.values()))
    return {
        "period_start": start,
        "days_present": any_row["days_present"],
        "is_complete": any_row["is_complete"],
        "total_tokens": any_row["total_tokens"],
        **{o: by[o] for o in context.pair if o in by},
        "other countries": sum(
            r["share"] for o, r in by.items() if o not in (*context.pair, "unidentified")
        ),
        "unidentified": by["unidentified"]["share"] if "unidentified" in by else 0.0,
    }


def _share(week: Row, group: str) -> float:
    """The share of an origin or group; 0 if it has no row in this week."""
    found = week.get(group, 0.0)
    return float(found["share"] if isinstance(found, dict) else found)


def _share_of(origin: str) -> Cell:
    return lambda week: share_with_bounds(week.get(origin))
