"""The models that moved the shares from the period before to the latest one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.report import charts, colors
from orchestration.report.own.part import Part
from orchestration.report.section import Column, Row, Section, Table, title, value
from orchestration.report.waterfall import bars
from orchestration.words import country, percent, points


@dataclass(frozen=True)
class Move:
    """How the share of an origin changed; `id` is the element of its chart."""

    id: str
    origin: str
    earlier: float
    later: float


@dataclass(frozen=True, kw_only=True)
class Models(Section):
    # The two periods inside a sentence; empty if there is none before the latest one.
    earlier: str
    later: str
    moves: Sequence[Move]
    table: Table


def section(part: Part) -> Models:
    rows = [
        r for r in part.ask("own_models") if r["period_start_to"] == part.latest["period_start"]
    ]
    moves, drawn = [], {}
    for origin in part.pair:
        models = [r for r in rows if r["origin"] == origin]
        if not models:
            continue
        earlier, later = (sum(r[f] for r in models) for f in ("share_from", "share_to"))
        move = Move(part.element(f"chart-models-{origin.lower()}"), origin, earlier, later)
        moves.append(move)
        drawn[move.id] = (_title(move, part, models[0]), charts.waterfall(
            bars(
                list(zip(_labels(models), (r["delta_share"] for r in models), strict=True)),
                earlier, later, "models",
            ),
            colors.color_of(origin),
            f"Waterfall chart: how the share of {country(origin)} in your tokens went from "
            f"{percent(earlier)} to {percent(later)}, model by model",
        ))  # fmt: skip
    return Models(
        earlier=_window(part, rows[0], "from") if rows else "",
        later=_window(part, rows[0], "to") if rows else "",
        moves=moves,
        table=Table(
            f"Models of {part.source}, the largest changes first, {part.said}; shares of all "
            "tokens, changes in points.",
            [
                Column("Model", value("base_slug")),
                Column("Lab", value("lab_name"), "text"),
                Column("Origin", value("origin"), "text"),
                Column("From", value("share_from", percent)),
                Column("To", value("share_to", percent)),
                Column("Change", value("delta_share", points)),
            ],
            rows,
        ),
        charts=charts.drawn(drawn),
    )


def _title(move: Move, part: Part, row: Row) -> str:
    return (
        f"{title(move.origin)}: {percent(move.earlier)} to {percent(move.later)} of your tokens, "
        f"from {_window(part, row, 'from')} to {_window(part, row, 'to')}, model by model, "
        f"{part.said}"
    )


def _labels(rows: Sequence[Row]) -> list[str]:
    """The slug of each model, without its author unless that would make two the same."""
    slugs = [str(r["base_slug"]) for r in rows]
    short = [slug.rsplit("/", 1)[-1] for slug in slugs]
    count = Counter(short)
    return [s if count[s] == 1 else slug for s, slug in zip(short, slugs, strict=True)]


def _window(part: Part, row: Row, side: str) -> str:
    days = row[f"days_present_{side}"]
    window = part.window_of(row[f"period_start_{side}"])
    return f"{window} ({days} days)" if part.is_weekly and days < 7 else window
