"""Make the page from its parts, one for each source of request logs in a vintage."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple

from markupsafe import Markup

from orchestration.pages import environment
from orchestration.report.charts import Spec, on_page
from orchestration.report.own import cost, headline, models, names, serving, shares
from orchestration.report.own.part import MARKET, Part, make_part
from orchestration.report.section import Row, Section
from orchestration.settings import PRIMARY_SOURCE

PAGE_NAME = "own.html"


class Chapter(NamedTuple):
    """A section of every part: its name (also of its module and template), title and function."""

    name: str
    title: str
    make: Callable[[Part], Section]


CHAPTERS = (
    Chapter("headline", "You and the market", headline.section),
    Chapter("shares", "Shares", shares.section),
    Chapter("models", "What moved your shares", models.section),
    Chapter("cost", "Cost", cost.section),
    Chapter("serving", "Who serves you", serving.section),
    Chapter("names", "Unknown names", names.section),
)


class OwnPage(NamedTuple):
    """The variables of the template `own.html.j2`, and the charts by element id."""

    parts: Sequence[tuple[Part, Sequence[tuple[Chapter, Markup]]]]
    specs: Mapping[str, Spec]

    @property
    def newest_day(self) -> date:
        """The newest UTC day of all its sources."""
        last_days: list[date] = [part.latest["last_day"] for part, _ in self.parts]
        return max(last_days)


def make_own_page(
    ask: Callable[[str], list[Row]],
    said: str,
    inputs: Sequence[Row],
    vintage_id: str,
    query_text: Callable[[str], str],
) -> OwnPage | None:
    """Make the page; None if the vintage has no tokens of a request log.

    `ask` returns the rows of a query of all sources; `said` is the label of the registry's view.
    """
    sources = dict.fromkeys(r["source"] for r in ask("own_periods"))
    parts = [make_part(source, ask, said, inputs) for source in sources]
    made: list[tuple[Part, list[tuple[Chapter, Markup]]]] = []
    specs: dict[str, Spec] = {}
    for part in parts:
        chapters = []
        for chapter in CHAPTERS:
            section = chapter.make(part)
            finished: dict[str, Spec] = {}
            for element, spec in section.charts.items():
                credit = _credit(spec, part, inputs, vintage_id)
                finished |= on_page({element: spec}, credit, vintage_id)
            section = replace(section, charts=finished)
            specs |= finished
            html = (
                environment()
                .get_template(f"own/{chapter.name}.html.j2")
                .render(part=part, section=section, query_text=query_text)
            )
            chapters.append((chapter, Markup(html)))  # noqa: S704  # escaped by the template
        made.append((part, chapters))
    return OwnPage(made, specs) if made else None


def _credit(spec: Spec, part: Part, inputs: Sequence[Row], vintage_id: str) -> str:
    """Whose numbers a chart draws: it names OpenRouter if a row of it is OpenRouter's."""
    drawn = [part.source]
    if any(MARKET in row.values() for row in spec["data"]["values"]):
        drawn.append(PRIMARY_SOURCE)
    newest = {i["source"]: i["citation"] for i in sorted(inputs, key=lambda i: str(i["as_of"]))}
    cited = [newest[source] for source in drawn if source in newest]
    return " ".join([*cited, f"tokenshare, vintage {vintage_id}."])
