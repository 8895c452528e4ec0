"""What a reporter does with the report in a real browser: read it at any width, point at a chart,
copy, save, embed, compare two weeks, print it, and open it weeks later."""

# ruff: noqa: F811  # fixtures of another module are imported, and are arguments here

import csv
import gzip
import io
import json
import re
import struct
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import duckdb
import pytest
from playwright.sync_api import Browser, Page
from pypdf import PdfReader

from orchestration.contracts.odcs import tables as contracts
from orchestration.csv_files import csv_bytes
from orchestration.publication.csv_copies import write_csv_copies
from orchestration.publication.vintage import Vintage
from orchestration.report.build import query_text
from orchestration.report.section import title
from orchestration.settings import Settings
from orchestration.tables import open_tables, parquet
from tests.integration.test_report import (
    CHROMIUM,
    CUT,
    altered,
    browser,  # noqa: F401  # a fixture
    open_page,
    rebuild,
    report,  # noqa: F401  # a fixture
    small_report,  # noqa: F401  # a fixture
    violations,
)

IN_A_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: see `make browser`")
# The words of every cell of these rows.
CELLS = """(rows) => rows.map((row) =>
  [...row.cells].map((cell) => cell.textContent.replace(/\\s+/g, " ").trim()))"""


@pytest.fixture(scope="module")
def opened(browser: Browser, report: Path) -> Iterator[Page]:
    """The report of the shipped history, for tests that leave it as it is."""
    page = open_page(browser, report, 1280)
    yield page
    page.close()


@IN_A_BROWSER
@pytest.mark.parametrize("width", [390, 768, 1280, 1920])
def test_nothing_is_cut_at_a_usual_width(browser: Browser, report: Path, width: int) -> None:
    page = open_page(browser, report, width)
    assert page.evaluate(CUT) == []
    assert page.locator("section[aria-labelledby=crossover] td").count() > 20
    if width == 390:
        # Long tables are lists there, and axe has not seen them in another test.
        label = "getComputedStyle(document.querySelector('.many td'), '::before').content"
        assert page.evaluate(label) == '"Read"'
        assert violations(page) == []
    page.close()


@IN_A_BROWSER
def test_it_is_there_in_two_seconds(browser: Browser, report: Path) -> None:
    """The best of three, since the machine also does other things."""
    took = []
    for _ in range(3):
        page = browser.new_page()
        page.goto(report.as_uri(), wait_until="load")
        took.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventStart"))
        page.close()
    assert 0 < min(took) < 2000


def points_at(page: Page, chart: str, across: float, down: float) -> list[str]:
    """The lines of the tooltip at a place of the chart, as fractions of its drawing area."""
    page.evaluate("id => document.getElementById(id).scrollIntoView({block: 'center'})", chart)
    area = page.locator(f"#{chart} svg .mark-group.role-frame > g > path.background").first
    box = area.bounding_box()
    assert box
    page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for(timeout=5000)
    text = tooltip.inner_text()
    page.mouse.move(0, 0)
    return [line.strip() for line in text.splitlines() if line.strip()]


def drawn(page: Page, chart: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = page.evaluate(f"specs['{chart}'].data.values")
    return rows


@IN_A_BROWSER
@pytest.mark.parametrize(
    ("chart", "heading"),
    [("chart-bounds", "Share of all tokens"), ("chart-origin", "Share of all tokens"),
     ("chart-labs", "Share of all tokens"), ("chart-lead", "Lead of China, share points")],
)  # fmt: skip
def test_a_tooltip_names_what_is_drawn_wherever_the_pointer_is(
    opened: Page, chart: str, heading: str
) -> None:
    """In any height of a week: what is measured, which week, and every line with its figures."""
    rows = drawn(opened, chart)
    for across, down in ((0.31, 0.02), (0.7, 0.5), (0.7, 0.98)):
        said = points_at(opened, chart, across, down)
        assert said[:2] == [heading, "Week of"]
        of_week = [r for r in rows if r["period_start"] == said[2]]
        assert of_week
        figures = dict(zip(said[3::2], said[4::2], strict=True))
        assert set(figures) == {r["name"] for r in rows}
        for row in of_week:
            point = row.get("share", row.get("value"))
            expected = f"{100 * point:.1f}%".replace("-", "−")
            if row.get("low") != row.get("high"):
                low, high = (f"{100 * row[e]:.1f}%".replace("-", "−") for e in ("low", "high"))
                expected += f" ({low} to {high})"
            assert figures[row["name"]] == expected


@IN_A_BROWSER
def test_a_thin_step_and_a_small_point_are_easy_to_hit(opened: Page) -> None:
    said = points_at(opened, "chart-change-cn", 0.97, 0.5)
    steps = {r["label"]: r["text"] for r in drawn(opened, "chart-change-cn")}
    assert said[1] == "Share of all tokens"
    assert said[2].removesuffix(" points") == steps[said[0]]
    said = points_at(opened, "chart-license", 0.5, 0.01)
    assert said[:2] == ["Share of all tokens", "Month"]
    assert set(said[3::2]) == {"open weight", "closed", "unknown"}


@IN_A_BROWSER
def test_an_old_page_says_so_by_the_reader_s_clock(browser: Browser, report: Path) -> None:
    newest = date(2026, 10, 9)
    for moment, said in (
        (datetime(2026, 10, 12, 23, 59, tzinfo=UTC), ""),
        (datetime(2026, 10, 8, 12, 0, tzinfo=UTC), ""),  # a clock that is wrong
        (datetime(2026, 10, 13, 0, 1, tzinfo=UTC), "Data to 9 October, read on 13 October: 4 days"),
        (datetime(2026, 11, 28, 9, 0, tzinfo=UTC),
         "Data to 9 October, read on 28 November: 50 days later."),
        (datetime(2027, 1, 2, 9, 0, tzinfo=UTC),
         "Data to 9 October 2026, read on 2 January 2027: 85 days later."),
    ):  # fmt: skip
        # Elsewhere the day is another one; UTC counts.
        context = browser.new_context(timezone_id="Pacific/Kiritimati")
        page = context.new_page()
        page.clock.set_fixed_time(moment)
        page.goto(report.as_uri())
        notice = page.locator("#stale")
        assert notice.is_visible() == bool(said), moment
        assert notice.inner_text().startswith(said) if said else not notice.text_content()
        context.close()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert f"Newest day: {newest}." in page.inner_text("header")
    assert not page.locator("#stale").is_visible()
    # Charts are pictures then, and the default comparison is there.
    picture = page.locator("#chart-origin-figure img")
    assert picture.is_visible()
    assert picture.evaluate("i => i.naturalWidth") > 500
    assert page.locator("#compare-origins tbody tr").count() >= 3
    assert not page.locator("#compare-chooser").is_visible()
    context.close()


def copied(page: Page) -> str:
    page.wait_for_function("document.getElementById('live').textContent !== ''")
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


@pytest.fixture
def clipboard(browser: Browser, report: Path) -> Iterator[Page]:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(report.as_uri())
    page.wait_for_selector("body[data-ready=yes]", timeout=20_000)
    yield page
    context.close()


@IN_A_BROWSER
def test_a_table_is_copied_whole_with_whom_to_cite(clipboard: Page, report: Path) -> None:
    """Also the rows that are not shown; by the keyboard; and a screen reader hears of it."""
    part = clipboard.locator("section[aria-labelledby=models] .numbers")
    part.locator("button").focus()
    clipboard.keyboard.press("Enter")
    caption, *rows, credit, address = copied(clipboard).splitlines()
    assert clipboard.inner_text("#live") == "Table copied"
    assert clipboard.get_attribute("#live", "role") == "status"
    assert caption.startswith("Models by tokens in the latest complete week")
    cells = part.locator("tr").evaluate_all(CELLS)
    heads = [row for row in cells if row == cells[0]]
    assert len(heads) == 2  # the second part repeats the headings, the copy does not
    expected = [cells[0], *(row for row in cells if row != cells[0])]
    assert [row.split("\t") for row in rows] == expected
    assert "Source: OpenRouter" in credit
    assert "CC BY 4.0" in credit
    assert report.parent.parent.name in credit
    assert report.parent.parent.name in address
    assert clipboard.locator("section[aria-labelledby=models] details[open]").count() == 0


@IN_A_BROWSER
def test_no_copied_cell_is_a_formula(browser: Browser, small_report: Path, tmp_path: Path) -> None:
    """A model may be called like one; its name is text on the page, too."""
    name = '=HYPERLINK(\\"http://evil.example\\")<img src=x onerror=alert(1)>'.replace("\\", "")

    def renamed(table: str, columns: list[str]) -> str:
        quoted = name.replace("'", "''")
        if "lab_name" not in columns:
            return "from t"
        called = f"case when lab_name is not null then '{quoted}' end as lab_name"
        return f"select * replace ({called}) from t"

    tables = altered(small_report.parent.parent / "tables", tmp_path / "tables", renamed)
    path = rebuild(tables, tmp_path / "page")
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{path.as_uri()}#compare=2026-01-05,2026-02-02")
    page.wait_for_selector("body[data-ready=yes]", timeout=20_000)
    assert page.locator("img[src=x]").count() == 0
    for section in ("models", "compare"):
        page.locator(f"section[aria-labelledby={section}] button[data-do=table]").last.click()
        page.wait_for_function("document.getElementById('live').textContent === 'Table copied'")
        text = page.evaluate("navigator.clipboard.readText()")
        page.evaluate("document.getElementById('live').textContent = ''")
        assert f"'{name}" in text
        assert not re.search("(^|\t)=", text, re.MULTILINE)
    context.close()
    data = (path.parent / "data" / "models_latest.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(data)))
    assert {r["lab_name"] for r in rows} - {""} == {f"'{name}"}


@IN_A_BROWSER
def test_a_link_and_the_html_to_embed_name_the_vintage(
    clipboard: Page,
    shipped: tuple[Settings, Vintage],
    browser: Browser,
    tmp_path: Path,
) -> None:
    vintage = shipped[1]
    figure = clipboard.locator("#chart-origin-figure")
    figure.get_by_text("Copy link").click()
    assert copied(clipboard) == f"{vintage.report.as_uri()}#chart-origin-figure"
    clipboard.evaluate("document.getElementById('live').textContent = ''")
    figure.get_by_text("Embed").click()
    snippet = copied(clipboard)
    (link,) = re.findall('<a href="([^"]+)"', snippet)
    (picture,) = re.findall('<img src="([^"]+)"', snippet)
    (alt,) = re.findall('alt="([^"]+)"', snippet)
    assert link == f"{vintage.report.as_uri()}#chart-origin-figure"
    assert picture == (vintage.report.parent / "figures" / "origin.svg").as_uri()
    assert "Source: OpenRouter" in alt
    other = tmp_path / "article.html"
    other.write_text(f"<!doctype html><title>An article</title>{snippet}", encoding="utf-8")
    page = browser.new_page()
    page.goto(other.as_uri())
    assert page.evaluate("document.images[0].naturalWidth") > 500
    page.click("a")
    page.wait_for_url("**#chart-origin-figure")
    page.close()


@IN_A_BROWSER
def test_a_page_that_is_served_as_the_latest_one_gives_links_to_its_vintage(
    browser: Browser,
    small_report: Path,
    tmp_path: Path,
) -> None:
    tables = small_report.parent.parent / "tables"
    latest = rebuild(tables, tmp_path / "published" / "latest")
    served = rebuild(tables, tmp_path / "served", public_url="https://shares.example/published/")
    expected = "/published/vintages/20260101T000000Z-00000000/report/index.html"
    for path, start in ((latest, tmp_path.as_uri()), (served, "https://shares.example")):
        page = open_page(browser, path)
        assert page.evaluate("permalink()") == start + expected
        page.close()


class Texts(HTMLParser):
    """The figures of a page: title by element id."""

    def __init__(self) -> None:
        super().__init__()
        self.titles: dict[str, str] = {}
        self.figure = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "figure":
            self.figure = str(dict(attrs)["id"]).removesuffix("-figure")

    def handle_data(self, data: str) -> None:
        if self.figure:
            self.titles[self.figure] = data
            self.figure = ""


def test_every_figure_is_a_picture_and_a_table_beside_the_page(
    report: Path,
    shipped: tuple[Settings, Vintage],
) -> None:
    html = report.read_text(encoding="utf-8")
    (specs,) = re.findall(r"const specs = (\{.*\}), config = \{", html)
    texts = Texts()
    texts.feed(html)
    listed = {o["path"] for o in shipped[1].manifest["outputs"]}
    for element, spec in json.loads(specs).items():
        title, stem = texts.titles[element], element.removeprefix("chart-")
        svg = (report.parent / "figures" / f"{stem}.svg").read_bytes()
        root = ElementTree.fromstring(svg)
        words = " ".join(" ".join(root.itertext()).split())
        assert title in words
        for part in ("Source: OpenRouter", "CC BY 4.0", shipped[1].vintage_id):
            assert part in words
        content = (report.parent / "figures" / f"{stem}.csv").read_text(encoding="utf-8")
        rows = list(csv.DictReader(io.StringIO(content)))
        points = spec["data"]["values"]
        assert len(rows) == len(points)
        for row, point in zip(rows, points, strict=True):
            for name, value in point.items():
                assert row[name] == ("" if value is None else str(value)), (element, name)
        assert {f"report/figures/{stem}.{kind}" for kind in ("svg", "csv")} <= listed
        file = spec["usermeta"]["file"]
        assert re.fullmatch("tokenshare-[a-z0-9-]{10,70}-" + shipped[1].vintage_id, file)
        assert html.count(f'download="{file}.svg"') == html.count(f'download="{file}.csv"') == 1


@IN_A_BROWSER
def test_a_saved_picture_has_a_name_that_says_what_it_is(opened: Page, tmp_path: Path) -> None:
    figure = opened.locator("#chart-bounds-figure")
    with opened.expect_download() as download:
        figure.get_by_text("Save PNG").click()
    name = download.value.suggested_filename
    assert re.fullmatch(
        r"tokenshare-weekly-share-of-all-tokens-with-its-bounds-as-known-then-\w+-\w+\.png", name
    )
    content = download.value.path().read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    assert (width, height > 700) == (1640, True)
    # What is drawn above the chart is its title and the credit: without them it is lower.
    plain = opened.evaluate("""async () => {
      const spec = specs["chart-bounds"], { title, ...rest } = spec.usermeta.picture;
      const bare = { ...spec, ...rest, title: undefined };
      const place = document.createElement("div");
      const made = await vegaEmbed(place, bare, { config, actions, mode });
      const image = new Image();
      image.src = await made.view.toImageURL("png", 2);
      await image.decode();
      return image.naturalHeight;
    }""")
    assert height - plain > 80


def test_every_answer_and_every_table_is_csv_too(
    report: Path,
    shipped: tuple[Settings, Vintage],
) -> None:
    vintage = shipped[1]
    listed = {o["path"] for o in vintage.manifest["outputs"]}
    for name in contracts("published"):
        assert f"csv/{name}.csv.gz" in listed
        path = vintage.path / "csv" / f"{name}.csv.gz"
        with duckdb.connect() as connection:
            table = connection.sql(f"from {parquet(vintage.path / 'tables' / f'{name}.parquet')}")
            kinds = dict(zip(table.columns, map(str, table.types), strict=True))
            # A text has an apostrophe if it would be a formula; an empty one is NULL.
            as_written = ", ".join(
                f"""nullif(case when regexp_matches("{c}", '^[=+@\\t\\r-]')
                    and not regexp_full_match("{c}", '[+-][0-9][0-9.,]*( %)?') then '''' else '' end
                    || "{c}", '') as "{c}" """ if kind == "VARCHAR" else f'"{c}"'
                for c, kind in kinds.items()
            )  # fmt: skip
            read = connection.read_csv(str(path), dtype=kinds, header=True, all_varchar=False)
            assert read.columns == table.columns
            read.create_view("copy")
            table.create_view("original")
            (differing,) = connection.sql(
                f"select count(*) from ((select {as_written} from original) except all from copy)"
            ).fetchall()[0]
            assert (name, differing, len(read)) == (name, 0, len(table))
    shown = set(re.findall(r'href="data/([a-z_]+)\.csv"', report.read_text(encoding="utf-8")))
    assert {"compare", "models_latest", "claims", "origin_weekly"} <= shown
    with open_tables(vintage.path / "tables") as connection:
        for name in shown:
            content = (report.parent / "data" / f"{name}.csv").read_bytes()
            rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
            answer = connection.sql(query_text(name))
            assert rows[0] == answer.columns
            assert len(rows) - 1 == len(answer.fetchall())
            assert f"report/data/{name}.csv" in listed
    for folder in ("csv", "report/data", "report/figures"):
        notice = (vintage.path / folder / "README.txt").read_text(encoding="utf-8")
        assert all(line in notice for line in vintage.manifest["citations"])
        assert vintage.vintage_id in notice


def test_the_same_tables_give_the_same_csv(small_report: Path, tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tables").symlink_to(small_report.parent.parent / "tables")
        write_csv_copies(tmp_path / name, "20260101T000000Z-00000000", ["Source: a test."])
        made.append({p.name: p.read_bytes() for p in (tmp_path / name / "csv").iterdir()})
    assert made[0] == made[1]
    usage = gzip.decompress(made[0]["usage_daily.csv.gz"])
    assert usage.startswith(b"source,usage_date,")
    assert usage.count(b"\r\n") > 100


def test_csv_is_what_rfc_4180_says_and_nothing_in_it_is_a_formula() -> None:
    rows = [
        ["=1+1", "+1+1", "-x", "@x", "\ty", "\rz"],
        ['a "b", c', "line\r\nline", "", "+12.7", "-5 %", "é"],
        [None, -0.5, True, date(2026, 1, 5), datetime(2026, 1, 5, 1, tzinfo=UTC), 0],
    ]
    content = csv_bytes(list("abcdef"), rows)
    assert content.startswith(b"a,b,c,d,e,f\r\n")
    assert content.endswith(b"\r\n")
    assert list(csv.reader(io.StringIO(content.decode(), newline=""))) == [
        list("abcdef"),
        ["'=1+1", "'+1+1", "'-x", "'@x", "'\ty", "'\rz"],
        ['a "b", c', "line\r\nline", "", "+12.7", "-5 %", "é"],
        ["", "-0.5", "true", "2026-01-05", "2026-01-05T01:00:00+00:00", "0"],
    ]


def compared(tables: Path, earlier: str, later: str) -> list[list[str]]:
    """What the query `compare` says of two weeks, as the page writes it."""
    sql = query_text("compare")
    picked = re.search(r"picked as \(.*?\n\),", sql, re.DOTALL)
    assert picked
    sql = sql.replace(
        picked[0], f"picked as (select date '{earlier}' as earlier, date '{later}' as later),"
    )
    with open_tables(tables) as connection:
        rows = connection.sql(sql)
        found = [dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()]

    def share(x: float, low: float, high: float, is_unknown: bool) -> str:
        bounds = "" if is_unknown else f" ({100 * low:.1f} to {100 * high:.1f} %)"
        return f"{100 * x:.1f} %{bounds}"

    def points(x: float) -> str:
        text = f"{100 * x:+.1f}".replace("-", "−")
        return text if float(f"{100 * x:.1f}") else "0.0"

    def amount(x: int) -> str:
        return f"{x / 1e12:,.2f} trillion" if x >= 1e12 else f"{x / 1e9:,.1f} billion"

    made = []
    for r in found:
        is_unknown = (r["share_of"], r["id"]) == ("origin", "unidentified")
        change = points(r["change"])
        if not is_unknown:
            change += f" ({points(r['change_low'])} to {points(r['change_high'])})"
        made.append([
            r["id"] if r["share_of"] == "origin" else r["name"],
            *([r["origin"]] if r["share_of"] == "lab" else []),
            share(r["share_earlier"], r["low_earlier"], r["high_earlier"], is_unknown),
            share(r["share_later"], r["low_later"], r["high_later"], is_unknown),
            change, amount(r["tokens_earlier"]), amount(r["tokens_later"]),
        ])  # fmt: skip
    return made


def comparison(page: Page) -> list[list[str]]:
    rows: list[list[str]] = page.locator(
        "#compare-origins tbody tr, #compare-labs tbody tr"
    ).evaluate_all(CELLS)
    codes = {title(o): o for o in ("CN", "US", "FR", "KR", "CA", "IL", "DE", "unidentified")}
    return [row if len(row) == 7 else [codes[row[0]], *row[1:]] for row in rows]


@IN_A_BROWSER
def test_the_reader_compares_any_two_weeks(
    browser: Browser,
    report: Path,
    shipped: tuple[Settings, Vintage],
) -> None:
    """The page does what the query does, and its address says what it shows."""
    tables = shipped[1].path / "tables"
    page = open_page(browser, report, 1280)
    assert comparison(page) == compared(tables, "2025-09-29", "2026-09-28")
    earlier, later = page.get_by_label("Earlier date"), page.get_by_label("Later date")
    for first, second, weeks in (
        ("2025-03-05", "2026-09-28", ("2025-03-03", "2026-09-28")),  # a date means its week
        ("2026-08-30", "2025-01-01", ("2024-12-30", "2026-08-24")),  # the wrong way round
        ("2026-06-01", "2026-10-09", ("2026-06-01", "2026-10-05")),  # the last week is incomplete
    ):
        earlier.fill(first)
        later.fill(second)
        later.dispatch_event("change")
        page.wait_for_function("want => location.hash === want", arg=f"#compare={','.join(weeks)}")
        assert comparison(page) == compared(tables, *weeks)
        captions = page.locator("#compare-origins caption, #compare-labs caption")
        for caption in captions.all_text_contents():
            assert all(week in caption for week in weeks)
            assert ("(incomplete)" in caption) == ("2026-10-05" in weeks or "2024-12-30" in weeks)
    address = page.url
    shown = comparison(page)
    later.fill(earlier.input_value())
    later.dispatch_event("change")
    assert "same week" in page.inner_text("#compare-problem")
    assert comparison(page) == shown
    assert page.said == []
    page.close()
    again = open_page(browser, Path(report), 1280)
    again.goto(address)
    again.wait_for_function("location.hash.startsWith('#compare=')")
    again.wait_for_timeout(100)
    assert comparison(again) == shown
    for odd in ("#compare=2026-99-99,x", "#compare=1999-01-01,2026-01-05", "#%E0%A4%A"):
        again.evaluate("hash => { location.hash = hash; }", odd)
        again.wait_for_timeout(50)
        assert comparison(again) == shown
    assert [s for s in again.said if "error" in s] == []
    again.close()


@IN_A_BROWSER
def test_paper_has_all_claims_and_no_cut_table(
    browser: Browser,
    report: Path,
    shipped: tuple[Settings, Vintage],
    tmp_path: Path,
) -> None:
    page = open_page(browser, report, 1280, "dark")
    path = tmp_path / "report.pdf"
    page.pdf(path=path, format="A4")
    assert page.locator("details[open]").count() == 0  # as it was
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 718, "height": 1000})  # an A4 page within its margins
    assert (
        page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        <= 0
    )
    cut = page.evaluate("""() => [...document.querySelectorAll("table, pre")]
      .filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth)
      .map((e) => e.textContent.slice(0, 60))""")
    assert cut == []
    page.close()
    pages = "".join(p.extract_text() for p in PdfReader(path).pages)
    text = "".join(unicodedata.normalize("NFKC", pages).split())  # ligatures are letters
    with open_tables(shipped[1].path / "tables") as connection:
        claims = connection.sql("select statement, url, note from claims").fetchall()
    assert len(claims) > 60
    lost = [
        said for claim in claims for said in claim if said and "".join(said.split()) not in text
    ]
    assert lost == []
    for said in ("CC BY 4.0", shipped[1].vintage_id, "more rows are on the page", "Address:"):
        assert "".join(said.split()) in text
    for button in ("Copytable", "SavePNG", "Copylink"):
        assert button not in text


def test_a_shared_link_names_source_and_license_first(
    report: Path,
    small_report: Path,
    tmp_path: Path,
) -> None:
    """Networks cut a description after some 60 to 200 characters."""
    html = report.read_text(encoding="utf-8")
    (title,) = re.findall('property="og:title" content="([^"]+)"', html)
    (said,) = re.findall('property="og:description" content="([^"]+)"', html)
    assert title.startswith("Who gets used on OpenRouter?")
    assert said.startswith("Data: OpenRouter, CC BY 4.0. China ")

    def own(table: str, columns: list[str]) -> str:
        return "select * replace ('acme_log' as source) from t" if "source" in columns else "from t"

    tables = altered(small_report.parent.parent / "tables", tmp_path / "tables", own)
    other = rebuild(tables, tmp_path / "page").read_text(encoding="utf-8")
    said = " ".join(re.findall('property="og:(?:title|description)" content="([^"]+)"', other))
    assert "OpenRouter" not in said


def test_the_weeks_that_can_be_picked_are_those_of_the_tables(
    report: Path,
    shipped: tuple[Settings, Vintage],
) -> None:
    html = report.read_text(encoding="utf-8")
    (found,) = re.findall(r'id="compare-data">(.*?)</script>', html)
    data = json.loads(found)
    with open_tables(shipped[1].path / "tables") as connection:
        rows = connection.sql(
            "select period_start, is_complete, count(*) from share_by_origin_weekly "
            "where lens = 'author_hq' group by all order by 1"
        ).fetchall()
    assert {str(start): complete for start, complete, _ in rows} == {
        week: held["complete"] for week, held in data["weeks"].items()
    }
    last = rows[-1][0] + timedelta(days=6)
    assert f'min="{rows[0][0]}" max="{last}"' in html
