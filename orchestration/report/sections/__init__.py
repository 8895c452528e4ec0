"""The sections of the report in the order of the page, one module each.

The function `section` of a module makes the facts, tables and charts from the context. The template
of the same name (`orchestration/templates/sections/<name>.html.j2`) gets them under that name.
"""

from collections.abc import Callable
from typing import NamedTuple

from orchestration.report.context import Context
from orchestration.report.section import Section
from orchestration.report.sections import (
    change,
    claims,
    compare,
    concentration,
    coverage,
    crossover,
    gateway,
    headline,
    labs,
    license,  # noqa: A004  # the section is called so
    models,
    origin,
    price,
    quality,
    revisions,
    spend,
    uses,
)


class Chapter(NamedTuple):
    """A section: its anchor (also the name of its module and template), title, and function."""

    anchor: str
    title: str
    make: Callable[[Context], Section] | None


SECTIONS = (
    Chapter("headline", "Who leads", headline.section),
    Chapter("claims", "What the press said", claims.section),
    Chapter("origin", "Share by origin", origin.section),
    Chapter("crossover", "When the lead changed", crossover.section),
    Chapter("change", "What changed the shares", change.section),
    Chapter("compare", "Compare two weeks", compare.section),
    Chapter("labs", "Labs", labs.section),
    Chapter("models", "Models", models.section),
    Chapter("license", "Open weights", license.section),
    Chapter("concentration", "Concentration", concentration.section),
    Chapter("price", "Price", price.section),
    Chapter("spend", "Spend", spend.section),
    Chapter("quality", "Price against quality", quality.section),
    Chapter("uses", "Uses", uses.section),
    Chapter("gateway", "Another gateway", gateway.section),
    Chapter("revisions", "Revisions", revisions.section),
    Chapter("coverage", "What this rests on", coverage.section),
    # These have no data.
    Chapter("method", "Method", None),
    Chapter("cite", "Citation", None),
)
