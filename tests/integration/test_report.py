"""The report in a real browser, opened from the file system as a reader would."""

import itertools
import os
import re
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from orchestration.contracts.odcs import tables as contracts
from orchestration.files import sha256_file
from orchestration.publication.vintage import Vintage, latest_vintage
from orchestration.report.build import PREVIEW_NAME, QUERIES_DIR, build_report, query_text
from orchestration.report.sections import SECTIONS
from orchestration.settings import Settings
from orchestration.tables import open_tables, sql_text

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--no-first-run",
]  # fmt: skip

# The boxes of what is wider than the place that it has, with every closed part open.
CUT = """() => {
  for (const part of document.querySelectorAll("details")) part.open = true;
  const page = document.documentElement;
  const wide = [...document.querySelectorAll(".scroll, pre, figure, .tools, nav, .cards, form")]
    .filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1)
    .map((e) => `${e.className || e.tagName} ${e.getAttribute("aria-label") ?? e.id}`);
  for (const chart of document.querySelectorAll("svg.marks")) {
    const place = chart.getBoundingClientRect();
    for (const text of chart.querySelectorAll("text")) {
      const box = text.getBoundingClientRect();
      if (text.checkVisibility({ opacityProperty: true })
          && (box.left < place.left - 1 || box.right > place.right + 1))
        wide.push(`${chart.closest(".chart").id} ${text.textContent}`);
    }
  }
  return page.scrollWidth > page.clientWidth ? ["page", ...wide] : wide;
}"""
SCRIPTS = tempfile.TemporaryDirectory()

# On CI a missing browser is a failure, not a reason to look away.
pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"),
    reason="needs Chromium: `apt-get install chromium`, or `make test` as root",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "CI must have Chromium: see `make browser`"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


def open_page(browser: Browser, path: Path, width: int = 1200, scheme: str = "light") -> Page:
    """The page, drawn, with what it said and asked for in `page.said` and `page.asked`."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.said, page.asked = [], []
    page.on("console", lambda m: page.said.append(f"{m.type}: {m.text}"))
    page.on("pageerror", lambda e: page.said.append(f"error: {e}"))
    page.on("request", lambda r: page.asked.append(r.url))
    page.goto(path.as_uri())
    if path.parent.name == "report":
        page.wait_for_selector("body[data-ready=yes]", timeout=20_000)
    return page


@pytest.fixture(scope="module")
def report(shipped: tuple[Settings, Vintage]) -> Path:
    return shipped[1].report


@pytest.fixture(scope="module")
def opened(browser: Browser, report: Path) -> Iterator[Page]:
    """The report of the shipped history, drawn once for the tests that only read it."""
    page = open_page(browser, report)
    yield page
    page.close()


@pytest.fixture(scope="module")
def small_report(small_base: Settings) -> Path:
    """Six weeks of a handful of models: no year before, no catalogue, no vintage before."""
    vintage = latest_vintage(small_base)
    assert vintage
    return vintage.report


def rebuild(
    tables: Path, target: Path, view: str = "then", as_of: str = "9999-12-31", **given: Any
) -> Path:
    build_report(tables, target / "report" / "index.html", "20260101T000000Z-00000000", [], [],
                 ["Source: a test."], Settings(data_dir=Path(SCRIPTS.name), **given),
                 {"view": view, "as_of": as_of})  # fmt: skip
    return target / "report" / "index.html"


def altered(tables: Path, target: Path, sql: Callable[[str, list[str]], str]) -> Path:
    """A copy of the tables, each as `sql` of its name and columns gives it (`t` is the table)."""
    target.mkdir(parents=True)
    for path in sorted(tables.glob("*.parquet")):
        with duckdb.connect() as connection:
            connection.execute(f"create view t as select * from read_parquet({sql_text(path)})")
            columns = connection.sql("select * from t").columns
            query = sql(path.stem, columns)
            connection.execute(f"copy ({query}) to {sql_text(target / path.name)} (format parquet)")
    return target


@pytest.fixture(scope="module")
def august(report: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of the shipped history as if it ended on 2026-08-30, in a week that has two
    readings: `stealth/ox-alpha` had not been revealed when its days began."""

    def until_then(name: str, columns: list[str]) -> str:
        day = "usage_date" if name == "usage_daily" else "period_start"
        return f"select * from t where {day} <= date '2026-08-30'" if day in columns else "from t"

    target = tmp_path_factory.mktemp("august") / "tables"
    return altered(report.parent.parent / "tables", target, until_then)


def words(path: Path, start: str) -> str:
    """What the page says from `start` to the end of that element, without tags and queries."""
    end = f"</{re.split('[ >]', start[1:])[0]}>"
    (part,) = re.findall(f"{start}(.*?){end}", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    part = re.sub("<pre .*?</pre>", "", part, flags=re.DOTALL)
    return " ".join(re.sub("<[^>]+>", "", part).split())


def cards_of(path: Path) -> list[str]:
    """What each card of the headline says."""
    (cards,) = re.findall(
        '<ul class="cards">(.*?)</ul>', path.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    return [" ".join(re.sub("<[^>]+>", "", card).split()) for card in cards.split("</li>")[:-1]]


def violations(page: Page) -> list[str]:
    """What axe-core finds serious or critical."""
    # What passes would be collected and passed on as well, node by node.
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{v['id']}: {n['html'][:200]}"
        for v in found
        if v["impact"] in ("serious", "critical")
        for n in v["nodes"]
    ]


@pytest.mark.parametrize(
    ("which", "width", "scheme"),
    [
        # The style has no rule for windows that are both narrow and dark: pairs are enough.
        ("report", 1280, "light"),
        ("report", 390, "dark"),
        ("small_report", 390, "light"),
    ],
)
def test_it_renders_offline_accessible_and_without_a_word(
    browser: Browser, which: str, width: int, scheme: str, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(which)
    page = open_page(browser, path, width, scheme)
    assert not page.said
    asked = [u for u in page.asked if not u.startswith(("data:", "blob:"))]
    assert asked == [path.as_uri()]
    drawn = page.evaluate("Object.keys(specs)")
    assert set(drawn) >= {"chart-bounds", "chart-origin", "chart-lead", "chart-labs", "chart-spend"}
    for chart in drawn:
        svg = page.locator(f"#{chart} svg.marks").first
        box = svg.bounding_box()
        assert box
        assert box["width"] > width * 0.25
        assert box["height"] > 100
        drawing = page.locator(
            f"#{chart}[role=graphics-document], #{chart} [role=graphics-document]"
        )
        assert "chart: " in str(drawing.first.get_attribute("aria-label"))
        assert page.locator(f"#{chart} svg path").count() > 3
        credit = page.locator(f"#{chart} svg .role-title text").last
        said = " ".join(credit.locator("tspan").all_text_contents())
        assert "Source: OpenRouter" in said
        assert f"tokenshare, vintage {path.parent.parent.name}." in said
        inside = credit.bounding_box()
        assert inside
        assert inside["x"] >= box["x"]
        assert inside["x"] + inside["width"] <= box["x"] + box["width"] + 1
    overflow = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0
    assert violations(page) == []
    page.close()


def test_every_chart_of_the_shipped_history_has_something_to_draw(report: Path) -> None:
    drawn = set(
        re.findall(r'<div id="(chart-[a-z-]+)" class="chart">', report.read_text(encoding="utf-8"))
    )
    assert drawn == {
        "chart-bounds", "chart-origin", "chart-lead", "chart-change-cn", "chart-change-us",
        "chart-labs", "chart-license", "chart-concentration", "chart-price-origin", "chart-index",
        "chart-price", "chart-spend", "chart-quality",
    }  # fmt: skip


def test_it_says_what_a_quoted_number_needs(
    opened: Page, shipped: tuple[Settings, Vintage]
) -> None:
    _, vintage = shipped
    text = opened.inner_text("body")
    assert vintage.vintage_id in text
    assert vintage.manifest["citations"][0] in opened.inner_text("#citation")
    assert f"vintages/{vintage.vintage_id}/manifest.json" in opened.inner_text("#citation")
    for word in ("universe", "author_hq", "Unidentified", "not the market"):
        assert word in text
    for figure in vintage.manifest["headline"]:
        assert f"{100 * figure['share']:.1f} %" in text, figure["figure"]


def test_the_first_screen_answers_a_reporter(
    opened: Page, shipped: tuple[Settings, Vintage]
) -> None:
    """Who leads and since when, in both readings; what the press said."""
    tables = shipped[1].path / "tables"
    with open_tables(tables) as connection:
        leads = connection.sql(
            "select 'As known ' || registry_view, leads_since, first_lead, robust_since "
            "from crossover where grain = 'weekly' "
            "and lens = 'author_hq' and origin = 'CN' and rival_origin = 'US'"
        ).fetchall()
        verdicts = dict(
            connection.sql(
                "select verdict, count(*) from claims where asked_by = 'publisher' group by verdict"
            ).fetchall()
        )
    text = opened.inner_text("section[aria-labelledby=headline]")
    assert [certain for *_, certain in leads] == [None, None]
    for said in (
        "(−7.3 to +51.4). Who leads is not identified: the bounds overlap.",
        *(
            f"{read}, every complete week since {since} has gone to China, after a first lead in "
            f"the week of {first} that was lost again; in the latest week it is not beyond doubt: "
            "the bounds overlap."
            for read, since, first, _ in leads
        ),
        f"Of {sum(verdicts.values())} published figures and statements, ",
        f"{verdicts['reproduced']} are reproduced",
        f"{verdicts['more_than_claimed']} more than claimed",
        f"{verdicts['reproduced_under_other_rules']} only under other rules",
        f"{verdicts['not_reproduced']} not reproduced",
        f"{verdicts['not_decidable']} not decidable",
    ):
        assert said in " ".join(text.split())


def test_both_readings_stand_side_by_side(august: Path, tmp_path: Path) -> None:
    """In the words, on the cards and in what a shared link says."""
    report = rebuild(august, tmp_path)
    with open_tables(august) as connection:
        latest = connection.sql(
            "select origin, view, case view when 'then' then share_then else share_now end, "
            "case view when 'then' then share_high_then else share_high_now end "
            "from (select origin, coalesce(share_then, share) as share_then, "
            "coalesce(share_now, share) as share_now, "
            "coalesce(share_high_then, share_high) as share_high_then, "
            "coalesce(share_high_now, share_high) as share_high_now "
            "from share_by_origin_weekly left join restated_by_origin_weekly "
            "using (lens, period_start, origin) where period_start = date '2026-08-24' "
            "and lens = 'author_hq' and origin in ('CN', 'US', 'unidentified')) "
            "cross join (values ('then'), ('now')) as v (view)"
        ).fetchall()
    lede = words(report, '<p class="lede">')
    cards = dict(zip(("CN", "US", "unidentified"), cards_of(report), strict=True))
    said = re.findall(r'<meta [^>]*content="([^"]*51\.3[^"]*)"', report.read_text(encoding="utf-8"))
    assert len(said) == 5
    assert len(latest) == 6
    for origin, view, point, high in latest:
        share, read = f"{100 * point:.1f} %", f"as known {view}"
        assert f"{share} {read}" in cards[origin]
        if origin != "unidentified":
            bounds = f"{100 * point:.1f} to {100 * high:.1f} %"
            assert f"{read}, {bounds}" in cards[origin]
            assert share in lede
            assert all(share in text and bounds in text for text in said)
    assert "51.3 % as known when each day began and 65.2 % as known now" in lede
    assert "In both readings it holds even if every unidentified token were American" in lede
    assert all("China 51.3 % as known then, 65.2 % as known now" in text for text in said)


def test_the_parts_of_what_is_unidentified_add_up(
    report: Path, small_report: Path, shipped: tuple[Settings, Vintage], tmp_path: Path
) -> None:
    """Each kind that the week holds is named; so are labs without a stated country."""

    def kinds(tables: Path) -> dict[str, int]:
        with open_tables(tables) as connection:
            rows = connection.sql(query_text("identification")).fetchall()
        return {kind: int(week) for kind, _, _, week, _ in rows if week and kind != "attributed"}

    ((then, of_all),) = (
        (f["tokens"], f["total_tokens"]) for f in shipped[1].manifest["headline"]
        if f["figure"] == "unidentified_share_latest_week" and f["registry_view"] == "then"
    )  # fmt: skip
    found = kinds(shipped[1].path / "tables")
    assert set(found) == {"tail", "stealth"}
    assert sum(found.values()) == then
    assert (
        f"Made up of, as known then: {100 * found['stealth'] / of_all:.1f} % stealth models, not "
        f"revealed yet; {100 * found['tail'] / of_all:.1f} % the tail, which the source does not "
        "name."
    ) in cards_of(report)[2]
    assert "nobody can place" not in report.read_text(encoding="utf-8")

    def without_country(name: str, columns: list[str]) -> str:
        if name != "share_by_lab_daily":
            return "select * from t"
        return "select * replace ('unidentified' as origin) from t"

    unstated = altered(small_report.parent.parent / "tables", tmp_path / "tables", without_country)
    assert "no_country" in kinds(unstated)
    assert "% labs without a stated country" in cards_of(rebuild(unstated, tmp_path / "page"))[2]


def test_it_says_how_the_run_read_the_registry(
    small_report: Path, august: Path, tmp_path: Path
) -> None:
    """A run may be asked for the other view, or for what was known on a day."""
    text = words(rebuild(august, tmp_path, "now", "2026-08-31"), "<main>")
    assert "Weekly share of all tokens with its bounds, as known on 2026-08-31" in text
    assert "65.2 % as known on 2026-08-31" in text
    assert "51.3 % as known when each day began" in text
    assert "as known now" not in text
    # Nothing was learned about these models: one reading answers for both.
    small = words(small_report, '<p class="lede">')
    assert "% as known when each day began and now" in small
    assert "both readings" not in small
    assert all(card.count("as known") == 1 for card in cards_of(small_report)[:2])


def test_the_caveats_of_the_contracts_stand_on_the_page(report: Path) -> None:
    text = " ".join(report.read_text(encoding="utf-8").split())
    assert text.count("if all models share one split and completions cost more than prompts") >= 2
    assert "Dates are exact facts about the complete periods of this source’s published" in text
    assert "By origin, models of labs whose country no page states" in text


def test_every_link_leads_somewhere(browser: Browser, report: Path, small_report: Path) -> None:
    for path in (report, small_report):
        text = re.sub("<script>.*?</script>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        ids = re.findall(r'<[^>]+ id="([^"]+)"', text)
        assert len(ids) == len(set(ids))
        for href in re.findall(r'href="([^"]+)"', text):
            if href.startswith("#"):
                assert href[1:] in ids
            elif not href.startswith("http"):
                assert (path.parent / href).exists(), href
        for anchor, *_ in SECTIONS:
            assert f'<a class="anchor" href="#{anchor}"' in text
    last = re.findall(r'id="(claim-[^"]+)"', report.read_text(encoding="utf-8"))[-1]
    page = browser.new_page()
    page.goto(f"{report.as_uri()}#{last}")
    page.wait_for_selector("body[data-ready=yes]", timeout=20_000)
    assert page.locator(f"#{last}").is_visible()
    page.close()


def test_the_numbers_stand_in_accessible_tables_beside_the_charts(opened: Page) -> None:
    assert opened.locator("table").count() >= 20
    assert opened.locator("table:not(:has(caption))").count() == 0
    assert opened.locator("th:not([scope])").count() == 0
    assert opened.locator("section[aria-labelledby=origin] tbody tr").count() == 93
    shown = opened.evaluate(
        "[...document.querySelectorAll('table')].filter(t => t.checkVisibility())"
        ".map(t => t.rows.length)"
    )
    assert max(shown) <= 21
    levels = opened.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_every_query_it_shows_runs_on_the_database_and_gives_the_same(
    report: Path, shipped: tuple[Settings, Vintage]
) -> None:
    vintage = shipped[1]
    shown = set(re.findall(r'aria-label="SQL query ([a-z_]+)"', report.read_text(encoding="utf-8")))
    # The other gateway is not shipped; its section says so in one line, without queries. Nor are
    # request logs, which have a page of their own.
    elsewhere = re.compile("gateway|^own_")
    assert shown == {p.stem for p in QUERIES_DIR.glob("*.sql") if not elsewhere.search(p.stem)}
    with (
        duckdb.connect(str(vintage.path / "tokenshare.duckdb"), read_only=True) as database,
        open_tables(vintage.path / "tables") as tables,
    ):
        for name in sorted(shown):
            assert (
                database.sql(query_text(name)).fetchall() == tables.sql(query_text(name)).fetchall()
            ), name


def test_numbers_follow_the_tables(small_report: Path, tmp_path: Path, browser: Browser) -> None:
    """Other shares in the tables are other shares on the page and in its picture."""

    def halved(name: str, columns: list[str]) -> str:
        return (
            "select * replace (share / 2 as share) from t"
            if name == "share_by_origin_weekly"
            else "select * from t"
        )

    tables = small_report.parent.parent / "tables"
    before = rebuild(tables, tmp_path / "before")
    after = rebuild(altered(tables, tmp_path / "tables", halved), tmp_path / "after")
    with open_tables(tables) as connection:
        (share,) = connection.sql(
            "select share from share_by_origin_weekly where is_complete and lens = 'author_hq' "
            "and origin <> 'unidentified' order by period_start desc, rank limit 1"
        ).fetchall()[0]
    for path, value in ((before, share), (after, share / 2)):
        page = open_page(browser, path)
        assert page.inner_text(".cards strong >> nth=0") == f"{100 * value:.1f} %"
        page.close()
    pictures = [(p.parent / PREVIEW_NAME).read_bytes() for p in (before, after)]
    assert pictures[0] != pictures[1]


def test_the_same_tables_give_the_same_bytes(report: Path, tmp_path: Path) -> None:
    tables = report.parent.parent / "tables"
    made = [rebuild(tables, tmp_path / name) for name in ("a", "b")]
    files = [
        {f.relative_to(p.parent).as_posix(): f.read_bytes() for f in p.parent.rglob("*.*")}
        for p in made
    ]
    assert files[0] == files[1]
    assert {"index.html", PREVIEW_NAME, "figures/origin.svg", "data/claims.csv"} <= files[0].keys()


def test_a_shared_link_shows_the_headline(
    report: Path, shipped: tuple[Settings, Vintage], tmp_path: Path
) -> None:
    picture = report.parent / PREVIEW_NAME
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">II", content[16:24]) == (1200, 630)
    text = report.read_text(encoding="utf-8")
    vintage = shipped[1]
    here = f"../../{vintage.vintage_id}/report"
    for tag in (
        f'property="og:image" content="{here}/preview.png"',
        f'rel="canonical" href="{here}/index.html"',
        'name="twitter:card"',
    ):
        assert tag in text
    (said,) = set(re.findall(r'"(?:og|twitter):description" content="([^"]+)"', text))
    # The charts draw the rankings; of apps and tasks, only the page has numbers.
    (rankings,) = (
        i["citation"] for i in vintage.manifest["inputs"] if i["source"] == "openrouter_rankings"
    )
    assert said.endswith(f". {rankings} tokenshare, vintage {vintage.vintage_id}.")
    assert said.startswith("Data: OpenRouter, CC BY 4.0. ")
    assert said.count("CC BY 4.0") == 2
    assert all(line in text for line in vintage.manifest["citations"])
    served = rebuild(
        vintage.path / "tables", tmp_path, public_url="https://shares.example/published/"
    ).read_text(encoding="utf-8")
    address = "https://shares.example/published/vintages/20260101T000000Z-00000000/report"
    assert f'rel="canonical" href="{address}/index.html"' in served
    assert f'property="og:image" content="{address}/preview.png"' in served
    assert f'name="twitter:image" content="{address}/preview.png"' in served
    hashed = {o["path"]: o["sha256"] for o in vintage.manifest["outputs"]}
    assert hashed["report/preview.png"] == sha256_file(picture)


@pytest.mark.parametrize("case", ["only_usage", "incomplete", "nulls", "two_sources"])
def test_a_company_s_own_source_is_reported_whatever_it_lacks(
    browser: Browser, small_report: Path, tmp_path: Path, case: str
) -> None:
    """Tables without rows, without a complete period, with every optional value missing."""
    optional = _optional_columns()

    def sql(name: str, columns: list[str]) -> str:
        own = "'acme_log' as source" if "source" in columns else ""
        if case == "only_usage" and name not in ("usage_daily", "use_coverage"):
            return "select * from t where false"
        if case == "incomplete" and "is_complete" in columns:
            return "select * replace (false as is_complete) from t"
        if case == "nulls":
            empty = [f"null::{kind} as {c}" for c, kind in optional.get(name, {}).items()]
            return f"select * replace ({', '.join(empty)}) from t" if empty else "select * from t"
        if case == "two_sources" and own:
            return f"select * from t union all by name select * replace ({own}) from t"
        return f"select * replace ({own}) from t" if own else "select * from t"

    tables = altered(small_report.parent.parent / "tables", tmp_path / "tables", sql)
    path = rebuild(tables, tmp_path / "vintage")
    page = open_page(browser, path)
    assert not page.said
    assert violations(page) == []
    text = page.inner_text("body")
    for wrong in ("None", "nan", "NaN", "Infinity", "undefined"):
        assert not re.search(rf"\b{wrong}\b", text), wrong
    if case == "only_usage":
        assert "acme_log" in text
        assert "No ISO week of this source is complete" in text
        assert page.locator(".chart").count() == 0
    if case == "two_sources":
        assert "This vintage also contains acme_log" in text
        one = open_page(browser, small_report)
        cards = [p.inner_text(".cards") for p in (one, page)]
        assert cards[0] == cards[1]
        one.close()
    page.close()


def _optional_columns() -> dict[str, dict[str, str]]:
    """The columns that a contract lets be NULL, by table."""
    return {
        t.name: {f.name: f.sql_type for f in t.fields if not f.required}
        for t in contracts("published").values()
    }


def test_it_is_small_and_self_contained(report: Path) -> None:
    assert report.stat().st_size < 3_000_000


def test_the_page_of_the_gate_is_styled_and_offline(browser: Browser, report: Path) -> None:
    path = report.parent.parent / "gate" / "index.html"
    page = open_page(browser, path)
    assert not page.said
    assert page.asked == [path.as_uri()]
    assert page.locator("tbody tr").count() > 20
    family = page.evaluate("getComputedStyle(document.body).fontFamily")
    assert "system-ui" in family
    page.close()
