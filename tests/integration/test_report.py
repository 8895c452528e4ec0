"""The report in a real browser, opened from the file system as a reader would."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from orchestration.publication.vintage import Vintage
from orchestration.settings import Settings

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--no-first-run",
]  # fmt: skip

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
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page.said, page.asked = [], []  # type: ignore[attr-defined]
    page.on("console", lambda m: page.said.append(f"{m.type}: {m.text}"))  # type: ignore[attr-defined]
    page.on("pageerror", lambda e: page.said.append(f"error: {e}"))  # type: ignore[attr-defined]
    page.on("request", lambda r: page.asked.append(r.url))  # type: ignore[attr-defined]
    page.goto(path.as_uri())
    if path.parent.name == "report":
        page.wait_for_selector("body[data-ready=yes]", timeout=10_000)
    return page


@pytest.fixture(scope="module")
def report(shipped: tuple[Settings, Vintage]) -> Path:
    return shipped[1].report


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (380, "light")])
def test_it_renders_offline_without_a_word(
    browser: Browser, report: Path, width: int, scheme: str
) -> None:
    page = open_page(browser, report, width, scheme)
    assert not page.said  # type: ignore[attr-defined]
    asked = [u for u in page.asked if not u.startswith(("data:", "blob:"))]  # type: ignore[attr-defined]
    assert asked == [report.as_uri()]
    for chart in ("chart-origin", "chart-bounds", "chart-labs", "chart-price"):
        box = page.locator(f"#{chart} svg").first.bounding_box()
        assert box
        assert box["width"] > width * 0.5
        assert box["height"] > 150
        assert page.locator(f"#{chart} svg path").count() > 3
    overflow = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0
    page.close()


def test_it_says_what_a_quoted_number_needs(
    browser: Browser, report: Path, shipped: tuple[Settings, Vintage]
) -> None:
    _, vintage = shipped
    page = open_page(browser, report)
    text = page.inner_text("body")
    assert vintage.vintage_id in text
    assert vintage.manifest["citations"][0] in text
    for word in ("universe", "author_hq", "Unidentified", "not the market"):
        assert word in text
    for figure in vintage.manifest["headline"]:
        assert f"{100 * figure['share']:.1f} %" in text, figure["figure"]
    page.close()


def test_the_numbers_stand_in_accessible_tables_beside_the_charts(
    browser: Browser, report: Path
) -> None:
    page = open_page(browser, report)
    assert page.locator("table").count() >= 5
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("table").first.locator("tbody tr").count() == 88
    page.close()


def test_it_is_small_and_self_contained(report: Path) -> None:
    assert report.stat().st_size < 3_000_000


def test_the_quality_report_is_styled_and_offline(browser: Browser, report: Path) -> None:
    path = report.parent.parent / "quality" / "index.html"
    page = open_page(browser, path)
    assert not page.said  # type: ignore[attr-defined]
    assert page.asked == [path.as_uri()]  # type: ignore[attr-defined]
    assert page.locator("tbody tr").count() > 20
    family = page.evaluate("getComputedStyle(document.body).fontFamily")
    assert "system-ui" in family
    page.close()
