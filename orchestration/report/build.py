"""Build `report/index.html` and `report/preview.png` from the tables of a vintage, and
`report/own.html` if it has a company's own request logs. `explorer` makes `report/explorer.html`,
and `report/own-explorer.html` with those logs. What can be taken away of the report is beside it:
the answer of every query in `report/data`, every chart as a picture and its points in
`report/figures`.

Every number on the page is the result of a query (`queries/*.sql`) on the published Parquet files;
none is typed by hand. The modules in `sections` turn the results into facts, tables and charts; the
templates contain the prose.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
from markupsafe import Markup

from orchestration.csv_files import csv_bytes, csv_notice
from orchestration.gate.run import RuleResult
from orchestration.pages import environment, safe_json
from orchestration.report import charts
from orchestration.report.context import make_context
from orchestration.report.explorer import page as explorer
from orchestration.report.own.page import PAGE_NAME, make_own_page
from orchestration.report.section import Row, Section
from orchestration.report.sections import SECTIONS
from orchestration.report.sections.headline import Preview
from orchestration.report.sections.headline import preview as make_preview
from orchestration.settings import PRIMARY_SOURCE, Settings
from orchestration.sources import SOURCES
from orchestration.tables import open_tables, rows, sql_text
from orchestration.words import as_known

QUERIES_DIR = Path(__file__).parent / "queries"
PREVIEW_NAME = "preview.png"
_NOT_DRAWN = ("apps", "tasks")


def query_text(name: str) -> str:
    """The text of a query of the report."""
    return (QUERIES_DIR / f"{name}.sql").read_text(encoding="utf-8")


def headline(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """The headline figures in a stable order, each as known then before as known now."""
    return rows(
        connection,
        "select * from headline order by source, period_start, figure, registry_view desc",
    )


def _limit_to_one_source(connection: duckdb.DuckDBPyConnection) -> tuple[str, list[str]]:
    """Make every query see only one usage source; returns its name and those of the others.

    A vintage may have several usage sources (for example a company's request log), whose shares
    must never be mixed. The page is about the primary source or, without it, about the largest.
    """
    ranked = connection.sql(
        "select source from usage_daily group by source "
        f"order by source <> {sql_text(PRIMARY_SOURCE)}, sum(tokens) desc, source"
    ).fetchall()
    names = [name for (name,) in ranked] or [PRIMARY_SOURCE]
    tables = connection.sql(
        "select table_name from information_schema.columns where table_schema = 'main' "
        "and column_name = 'source' and table_name <> 'quarantine' order by table_name"
    ).fetchall()
    connection.execute("create schema one_source")
    # Only other usage sources are left out; sources of prices or of tasks stay visible.
    others = ", ".join(map(sql_text, names[1:])) or "null"
    for (table,) in tables:
        connection.execute(
            f"create view one_source.{table} as "
            f"select * from main.{table} where (source in ({others})) is not true"
        )
    connection.execute("set search_path = 'one_source,main'")
    return names[0], names[1:]


def _report_url(vintage_id: str, settings: Settings) -> str:
    """The address of the report's folder: absolute if `public_url` is set, else relative."""
    vintages = (
        f"{str(settings.public_url).rstrip('/')}/vintages" if settings.public_url else "../.."
    )
    return f"{vintages}/{vintage_id}/report/"


def _credit(citations: Sequence[str], inputs: Sequence[Row], vintage_id: str) -> str:
    """Whose numbers the charts draw. It is in every picture and description, because people share
    them without the page. Apps, tasks and request logs are in no chart, so only the page cites
    them."""
    drawn = {
        i["citation"]
        for i in inputs
        if i["source"] in SOURCES and SOURCES[i["source"]].kind not in _NOT_DRAWN
    }
    others = {i["citation"] for i in inputs} - drawn
    shown = dict.fromkeys(c for c in citations if c not in others)
    return " ".join([*shown, f"tokenshare, vintage {vintage_id}."])


class Answer(NamedTuple):
    """What a query returned: the names of its columns, and its rows."""

    names: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Page:
    """The report of a vintage: its HTML, that of the page of own request logs (None without any),
    the content of the preview picture, the answers of the queries, and the charts by element id."""

    html: str
    own: str | None
    preview: Preview
    said: str
    credit: str
    answers: Mapping[str, Answer]
    specs: Mapping[str, charts.Spec]


class _Asker:
    """Asks the queries of the report, each once, and keeps the answers."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.answers: dict[str, Answer] = {}

    def __call__(self, name: str) -> list[Row]:
        if name not in self.answers:
            cursor = self._connection.execute(query_text(name))
            names = [column[0] for column in cursor.description or ()]
            self.answers[name] = Answer(names, cursor.fetchall())
        answer = self.answers[name]
        return [dict(zip(answer.names, row, strict=True)) for row in answer.rows]


def render(
    tables_dir: Path,
    vintage_id: str,
    results: Sequence[RuleResult],
    inputs: Sequence[Row],
    citations: Sequence[str],
    settings: Settings,
    registry: Mapping[str, str],
    withheld: Sequence[str] = (),
) -> Page:
    """The page of a vintage; the arguments are those of `build_report`."""
    with open_tables(tables_dir) as connection:
        ask, ask_own = _Asker(connection), _Asker(connection)
        own = make_own_page(
            ask_own,
            as_known(registry["as_of"])[registry["view"]],
            inputs,
            vintage_id,
            query_text,
        )
        source, other_sources = _limit_to_one_source(connection)
        scopes = [r["scope"] for r in rows(connection, "select scope from quarantine")]
        context = make_context(ask, registry, results, inputs, scopes)
        credit = _credit(citations, inputs, vintage_id)
        made = {
            c.anchor: _finished(c.make(context), credit, vintage_id) for c in SECTIONS if c.make
        }
        preview = make_preview(context)
    # The variables that the page and every section may use, besides the section's own.
    common = {
        "vintage_id": vintage_id,
        "address": _report_url(vintage_id, settings),
        "citations": citations,
        "source": source,
        "said": context.said,
        "said_of": context.said_of,
        "query_text": query_text,
    }
    chapters = [
        (c.anchor, c.title, _section_html(c.anchor, made.get(c.anchor), common)) for c in SECTIONS
    ]
    specs = {e: spec for section in made.values() for e, spec in section.charts.items()}
    drawing = {
        "credit": credit,
        "config": safe_json(charts.CONFIG),
        "javascript": Markup(charts.javascript(settings.warehouse_dir)),  # noqa: S704  # our pinned library
    }
    html = (
        environment()
        .get_template("report.html.j2")
        .render(
            common,
            **drawing,
            chapters=chapters,
            days=context.ask("coverage")[0],
            other_sources=other_sources,
            own_page=PAGE_NAME if own else None,
            withheld=withheld,
            preview=preview,
            picture=PREVIEW_NAME,
            brief=_brief(source, inputs),
            specs=safe_json(specs),
        )
    )
    own_html = own and (
        environment()
        .get_template("own.html.j2")
        .render(
            common,
            **drawing,
            parts=own.parts,
            newest_day=own.newest_day,
            withheld=withheld,
            specs=safe_json(own.specs),
        )
    )
    answers = {**ask.answers, **(ask_own.answers if own else {})}
    all_specs = {**specs, **(own.specs if own else {})}
    return Page(html, own_html, preview, context.said, credit, answers, all_specs)


def _finished(section: Section, credit: str, vintage_id: str) -> Section:
    return replace(section, charts=charts.on_page(section.charts, credit, vintage_id))


def _brief(source: str, inputs: Sequence[Row]) -> str:
    """Source and license in few words, because a preview cuts the description."""
    licenses = [i["license"] for i in inputs if i["source"] == source and i.get("license")]
    if source != PRIMARY_SOURCE or not licenses:
        return ""
    return f"Data: OpenRouter, {licenses[-1]}. "


def _files(page: Page, vintage_id: str, citations: Sequence[str]) -> dict[str, bytes]:
    """What goes with the pages, by path: the answers of their queries, and of every chart a
    picture and the points that it draws."""
    files = {f"data/{n}.csv": csv_bytes(a.names, a.rows) for n, a in page.answers.items()}
    for element, spec in page.specs.items():
        points = spec["data"]["values"]
        names = list(dict.fromkeys(name for point in points for name in point))
        cells = [[point.get(name) for name in names] for point in points]
        stem = f"figures/{charts.file_stem(element)}"
        files[f"{stem}.csv"] = csv_bytes(names, cells)
        files[f"{stem}.svg"] = charts.picture_svg(spec)
    for folder, what in (
        ("data", "The answer of every query of the report; the page says how it is computed."),
        ("figures", "Every chart of the report as a picture (SVG) and the points that it draws."),
    ):
        files[f"{folder}/README.txt"] = csv_notice(what, vintage_id, citations)
    return files


def _section_html(anchor: str, section: Section | None, common: Mapping[str, Any]) -> Markup:
    """The HTML of a section, rendered by its template, which sees no other section."""
    template = environment().get_template(f"sections/{anchor}.html.j2")
    return Markup(template.render(common, **{anchor: section}))  # noqa: S704  # escaped by the template


def build_report(
    tables_dir: Path,
    target: Path,
    vintage_id: str,
    results: Sequence[RuleResult],
    inputs: Sequence[Row],
    citations: Sequence[str],
    settings: Settings,
    registry: Mapping[str, str],
    withheld: Sequence[str] = (),
) -> None:
    """Write the report of a vintage. `target` is the path of the HTML file.

    `registry` has `view` and `as_of` of the registry that was used, as in the manifest. `withheld`
    has a sentence for each source that is withheld, with the reason. The preview picture, the
    explorers and the page of own request logs are written beside the HTML file. The script of the
    charts is cached in the warehouse.
    """
    page = render(tables_dir, vintage_id, results, inputs, citations, settings, registry, withheld)
    for path, content in _files(page, vintage_id, citations).items():
        beside = target.parent / path
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
    target.write_text(page.html, encoding="utf-8")
    if page.own:
        (target.parent / PAGE_NAME).write_text(page.own, encoding="utf-8")
    explorers = explorer.render(
        tables_dir, vintage_id, inputs, citations, settings, registry, withheld
    )
    for name, html in explorers.items():
        (target.parent / name).write_text(html, encoding="utf-8")
    lines = [*page.preview.lines, f"The chart reads {page.said}."]
    (target.parent / PREVIEW_NAME).write_bytes(
        charts.preview_png(
            page.preview.rows, page.preview.colors, page.preview.title, lines, page.credit
        )
    )
