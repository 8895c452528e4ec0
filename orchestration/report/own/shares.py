"""The shares of the latest period by origin, lab, license and price band, beside OpenRouter's."""

from dataclasses import dataclass

from orchestration.report import charts, colors
from orchestration.report.own.part import MARKET, YOURS, Part
from orchestration.report.section import Column, Row, Section, Table, rounded, title, value
from orchestration.words import spaced

_LABS_DRAWN = 10


@dataclass(frozen=True, kw_only=True)
class Shares(Section):
    chart: str
    tables: tuple[Table, ...]


def section(part: Part) -> Shares:
    origins = [{**r, "title": title(r["name"])} for r in part.shares("origin")]
    labs = [{**r, "title": r["label"]} for r in part.shares("lab")]
    licenses, bands = (
        [{**r, "title": spaced(r["name"])} for r in part.shares(of)]
        for of in ("license", "price_band")
    )
    order = list(colors.BANDS)
    chart = part.element("chart-labs")
    return Shares(
        chart=chart,
        tables=(
            part.beside(origins, "Origin", "By the country of the lab."),
            part.beside(labs, "Lab", "By lab.", [Column("Origin", value("origin"), "text")]),
            part.beside(licenses, "License", "By license class of the model."),
            part.beside(
                sorted(bands, key=lambda r: order.index(r["name"])),
                "US dollars per million tokens",
                "By list price, three prompt tokens to one completion token.",
            ),
        ),
        charts=charts.drawn(
            {
                chart: (
                    f"Share of tokens by lab, yours and {MARKET}, {part.window}, {part.said}",
                    _labs(part, labs),
                )
            }
        )
        if part.has_market
        else {},
    )


def _labs(part: Part, labs: list[Row]) -> charts.Spec:
    """The labs that lead on either side."""
    known = [r for r in labs if not r["is_unknown"]]
    known.sort(key=lambda r: (-max(r["share"], r["market_share"]), r["name"]))
    shown = known[:_LABS_DRAWN]
    origins = list(dict.fromkeys(r["origin"] for r in shown))
    return charts.side_by_side(
        [
            {
                "label": r["title"],
                "position": position,
                "origin": title(r["origin"]),
                "name": whose,
                "value": rounded(r[share]),
                "low": rounded(r[f"{share}_low"]),
                "high": rounded(r[f"{share}_high"]),
            }
            for position, r in enumerate(shown)
            for whose, share in ((YOURS, "share"), (MARKET, "market_share"))
        ],
        {title(o): colors.color_of(o) for o in origins},
        [YOURS, MARKET],
        f"Bar chart: share of tokens by lab, yours beside {MARKET}, with bounds",
    )
