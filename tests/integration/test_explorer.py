"""The explorer in a real browser: what it shows and saves is what the tables say, and its address
has the choice."""

import csv
import functools
import http.server
import io
import itertools
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import duckdb
import pytest
from playwright.sync_api import Browser, Page

from orchestration.files import sha256_file
from orchestration.publication.vintage import Vintage, latest_vintage
from orchestration.report.explorer.page import PAGE_NAME, query_text, render
from orchestration.settings import Settings
from orchestration.tables import open_tables
from tests.integration.test_report import altered, browser, pytestmark, violations

__all__ = ["browser", "pytestmark"]  # the fixture and the condition of the report's tests

Shipped = tuple[Settings, Vintage]
WIDTHS = (390, 768, 1280, 1920)


@pytest.fixture(scope="module")
def explorer(shipped: Shipped) -> Path:
    return shipped[1].path / "report" / PAGE_NAME


def wait(page: Page) -> None:
    page.wait_for_selector("body[data-ready=yes]", timeout=20_000)


def open_at(
    browser: Browser, address: str, width: int = 1280, scheme: str = "light", **choice: Any
) -> Page:
    """The page, drawn, with what it said and asked for in `page.said` and `page.asked`."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.said, page.asked = [], []
    page.on("console", lambda m: page.said.append(f"{m.type}: {m.text}"))
    page.on("pageerror", lambda e: page.said.append(f"error: {e}"))
    page.on("request", lambda r: page.asked.append(r.url))
    page.goto(f"{address}#{urlencode(choice, doseq=True)}" if choice else address)
    wait(page)
    return page


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a static server of a folder, such as any host runs."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def saved(page: Page) -> tuple[str, list[dict[str, str]]]:
    """The name and the rows of the CSV of what is shown."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    text = download.value.path().read_bytes().decode()
    return download.value.suggested_filename, list(csv.DictReader(io.StringIO(text)))


def rounded(value: float) -> str:
    return f"{value:.6f}"


@pytest.mark.parametrize(
    ("width", "scheme", "over_http"),
    [(390, "light", False), (768, "light", True), (1280, "dark", True), (1920, "light", False)],
)
def test_it_is_whole_offline_and_accessible_at_every_width(
    browser: Browser, explorer: Path, width: int, scheme: str, over_http: bool
) -> None:
    with served(explorer.parent.parent) as host:
        address = f"{host}/report/{PAGE_NAME}" if over_http else explorer.as_uri()
        page = open_at(browser, address, width, scheme)
        for what in ("origin", "model"):
            page.select_option("select[name=what]", what)
            wait(page)
            assert page.locator("#chart svg.marks").count() == 1
            cut = page.evaluate(
                "[document.documentElement, ...document.querySelectorAll('.scroll, #controls')]"
                ".map(e => e.scrollWidth - e.clientWidth)"
            )
            assert max(cut) <= 0, (what, cut)
            drawing = page.locator("#chart svg.marks").bounding_box()
            assert drawing
            assert drawing["x"] + drawing["width"] <= width
            assert violations(page) == []
        # The browser itself asks a host for a favicon.
        asked = [
            u for u in page.asked
            if not u.startswith(("data:", "blob:")) and not u.endswith("/favicon.ico")
        ]  # fmt: skip
        assert asked == [address]
        assert [line for line in page.said if "favicon" not in line and "404" not in line] == []
        page.close()


def test_it_is_light_and_opens_fast(browser: Browser, explorer: Path) -> None:
    assert explorer.stat().st_size < 3_000_000
    times = []
    for _ in range(3):
        page = open_at(browser, explorer.as_uri())
        times.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
        page.close()
    assert min(times) < 2000, times


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "origin as known then, as published": (
        {"what": "origin", "lens": "author_hq", "view": "then", "grain": "weekly", "member": "*"},
        "select period_start, days_present, is_complete, origin, rank, tokens, total_tokens, "
        "share, share_low, share_high from share_by_origin_weekly where lens = 'author_hq'",
    ),
    "origin as known now": (
        {"what": "origin", "lens": "base_lineage", "view": "now", "grain": "monthly",
         "member": "*"},
        """
        with now as (
            select period_start, origin, tokens, total_tokens, share, share_high
            from share_by_origin_monthly as published
            where lens = 'base_lineage' and not exists (
                from restated_by_origin_monthly as r
                where r.lens = published.lens and r.period_start = published.period_start)
            union all
            select period_start, origin, tokens_now, total_tokens, share_now, share_high_now
            from restated_by_origin_monthly where lens = 'base_lineage' and tokens_now > 0
        )
        select now.period_start, any_value(days_present), any_value(is_complete), now.origin,
            case when now.origin <> 'unidentified' then
                1 + (select count(*) from now as more
                     where more.period_start = now.period_start
                     and more.origin <> 'unidentified' and more.tokens > now.tokens) end,
            any_value(now.tokens), any_value(now.total_tokens), any_value(now.share),
            any_value(now.share), any_value(now.share_high)
        from now inner join share_by_origin_monthly as days using (period_start)
        where days.lens = 'base_lineage'
        group by now.period_start, now.origin, now.tokens
        """,
    ),
    "three labs for a while": (
        {"what": "lab", "lens": "author_hq", "grain": "weekly", "from": "2026-03-02",
         "to": "2026-06-29", "member": ["anthropic", "deepseek", "unidentified"]},
        "select period_start, days_present, is_complete, lab_id, rank, tokens, total_tokens, "
        "share, share_low, share_high from share_by_lab_weekly where lens = 'author_hq' "
        "and lab_id in ('anthropic', 'deepseek', 'unidentified') "
        "and period_start between '2026-03-02' and '2026-06-29'",
    ),
    "license by month": (
        {"what": "license", "grain": "monthly", "member": "*"},
        "select period_start, days_present, is_complete, license, rank, tokens, total_tokens, "
        "share, share_low, share_high from share_by_license_monthly",
    ),
    "price band, the newest days": (
        {"what": "price_band", "grain": "daily", "member": "*"},
        "select period_start, days_present, is_complete, price_band, rank, tokens, total_tokens, "
        "share, share_low, share_high from share_by_price_band_daily where period_start in "
        "(select distinct period_start from share_by_price_band_daily order by 1 desc limit 91)",
    ),
    "every model by week, from the daily rows": (
        {"what": "model", "grain": "weekly", "member": "*"},
        """
        with weeks as (
            select period_start, any_value(days_present) as days,
                any_value(is_complete) as complete, any_value(total_tokens) as total
            from share_by_license_weekly group by period_start
        ),
        daily as (
            select usage_date, tokens,
                if(identification in ('tail', 'router'), 'unidentified', base_slug) as model
            from usage_daily
        ),
        sums as (
            select period_start, model, sum(tokens)::bigint as tokens, any_value(days) as days,
                any_value(complete) as complete, any_value(total)::bigint as total
            from daily inner join weeks
                on usage_date between period_start and period_start + interval 6 days
            group by all
        ),
        loose as (select period_start, tokens from sums where model = 'unidentified')
        select period_start, days, complete, model,
            if(model = 'unidentified', null, (select count(*) + 1 from sums as more
                where more.period_start = sums.period_start and more.model <> 'unidentified'
                and more.tokens > sums.tokens)),
            sums.tokens, total, sums.tokens / total, sums.tokens / total,
            (sums.tokens + if(model = 'unidentified', 0, coalesce(loose.tokens, 0))) / total
        from sums left join loose using (period_start)
        """,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_csv_is_what_the_tables_say(
    browser: Browser, explorer: Path, shipped: Shipped, case: str
) -> None:
    """Asked once more, by other SQL, on the tables themselves."""
    choice, sql = CASES[case]
    vintage = shipped[1]
    page = open_at(browser, explorer.as_uri(), **choice)
    assert page.inner_text("#notice") == ""
    name, found = saved(page)
    page.close()
    with open_tables(vintage.path / "tables") as connection:
        wanted = connection.sql(sql).fetchall()
    expected = {
        (str(start), member): [
            str(days), str(complete).lower(), str(rank or ""), str(tokens), str(total),
            *map(rounded, (share, low, high)),
        ]
        for start, days, complete, member, rank, tokens, total, share, low, high in wanted
    }  # fmt: skip
    columns = ("days_present", "is_complete", "rank", "tokens", "total_tokens", "share",
               "share_low", "share_high")  # fmt: skip
    shown = {(row["period_start"], row[choice["what"]]): [row[c] for c in columns] for row in found}
    assert len(found) == len(shown) == len(expected) > 50
    assert shown == expected
    citation = vintage.manifest["inputs"]
    (rankings,) = (i["citation"] for i in citation if i["source"] == "openrouter_rankings")
    for row in found[:3]:
        assert row["vintage_id"] == vintage.vintage_id
        assert row["citation"].startswith(rankings)
        assert "not the market" in row["universe"]
        assert (row["source"], row["grain"]) == ("openrouter_rankings", choice["grain"])
    assert vintage.vintage_id in name
    assert name.endswith(".csv")
    assert choice["grain"] in name


def table(page: Page) -> list[list[str]]:
    return page.evaluate(  # type: ignore[no-any-return]
        "[...document.querySelectorAll('#rows tr')].map(r => [...r.cells].map(c => c.textContent))"
    )


def test_the_table_and_the_chart_have_the_rows_of_the_csv(browser: Browser, explorer: Path) -> None:
    page = open_at(
        browser, explorer.as_uri(), what="origin", grain="weekly", **{"from": "2026-08-03"}
    )
    _, rows = saved(page)
    shown = table(page)
    assert [r[0].removesuffix(" *") for r in shown] == [r["period_start"] for r in rows]
    assert [r[1] for r in shown] == [r["name"] for r in rows]
    for cells, row in zip(shown, rows, strict=True):
        share, low, high = (
            f"{round(float(row[c]) * 1e6) / 1e4:.2f}" for c in ("share", "share_low", "share_high")
        )
        assert cells[2] == f"{share} %"
        assert cells[5] == f"{int(row['tokens']):,}"
        assert cells[0].endswith("*") == (row["is_complete"] == "false")
        if row["origin"] == "unidentified":
            assert (row["name"], cells[3]) == ("Unidentified", "–")
        else:
            assert cells[3] == f"{low} to {high} %"
    assert {r["is_complete"] for r in rows} == {"true", "false"}
    # A table that can be read aloud.
    assert page.locator("table caption").inner_text()
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("#rows th[scope=row]").count() == len(rows)
    names = {r["name"] for r in rows}
    legend = page.locator("#chart .role-legend-label text").all_text_contents()
    assert set(legend) == names
    label = page.locator("#chart [role=graphics-document]").first.get_attribute("aria-label")
    assert label
    assert "Weekly share of all tokens by origin" in label
    bands = "#chart svg .mark-area path"
    assert page.locator(bands).count() == len(names)
    page.uncheck("input[name=bounds]")
    wait(page)
    assert page.locator(bands).count() == 0
    credit = " ".join(page.locator("#chart .role-title tspan").all_text_contents())
    assert "Source: OpenRouter" in credit
    assert explorer.parent.parent.name in credit
    page.close()


def test_the_address_has_the_choice_and_the_way_back(browser: Browser, explorer: Path) -> None:
    page = open_at(browser, explorer.as_uri())
    first = table(page)
    page.select_option("select[name=what]", "lab")
    wait(page)
    page.select_option("select[name=grain]", "monthly")
    wait(page)
    page.get_by_role("checkbox", name="DeepSeek").uncheck()
    wait(page)
    last, address = table(page), page.url
    assert "DeepSeek" not in {r[1] for r in last}
    assert "what=lab" in address
    again = open_at(browser, address)
    assert table(again) == last
    assert again.input_value("select[name=grain]") == "monthly"
    assert not again.get_by_role("checkbox", name="DeepSeek").is_checked()
    again.close()
    for what in ("lab", "lab", "origin"):
        page.go_back()
        wait(page)
        assert page.input_value("select[name=what]") == what
    assert table(page) == first
    assert page.inner_text("#notice") == ""
    page.go_forward()
    wait(page)
    assert page.input_value("select[name=what]") == "lab"
    page.close()


def test_a_bad_address_falls_back_and_says_so(browser: Browser, explorer: Path) -> None:
    usual = open_at(browser, explorer.as_uri())
    wanted = table(usual)
    usual.close()
    bad = {
        "what": "<img src=x onerror=alert(1)>", "lens": "serving_hq", "grain": "hourly",
        "from": "1999-01-01", "to": "x", "bounds": "7", "member": ["<b>nobody</b>"], "wat": "1",
    }  # fmt: skip
    page = open_at(browser, explorer.as_uri(), **bad)
    said = page.inner_text("#notice")
    for value in ("<img src=x onerror=alert(1)>", "serving_hq", "hourly", "1999-01-01", "“7”",
                  "<b>nobody</b>", "wat"):  # fmt: skip
        assert value in said
    assert page.locator("#notice *").count() == 0
    assert table(page) == wanted
    page.goto(f"{explorer.as_uri()}#what=lab&from=2026-06-01&to=2026-01-05")
    page.reload()
    wait(page)
    assert "the first period is after the last one" in page.inner_text("#notice")
    days = [r[0] for r in table(page)]
    assert (min(days), max(days)) == ("2026-01-05", "2026-06-01")
    page.goto(f"{explorer.as_uri()}#what=origin&member=")
    wait(page)
    assert table(page) == []
    assert "Nobody is chosen" in page.inner_text("#said")
    assert page.said == []
    page.close()


def test_everything_can_be_done_from_the_keyboard(browser: Browser, explorer: Path) -> None:
    page = open_at(browser, explorer.as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "controls"
    assert page.inner_text("#notice") == ""
    reached = []
    for _ in range(100):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "(e => e.name || e.id || e.tagName + '.' + e.className)(document.activeElement)"
            )
        )
        if reached[-1] == "what":
            page.keyboard.press("ArrowDown")  # from origin to lab
            wait(page)
            assert page.evaluate("document.activeElement.name") == "what"
            assert "Lab, " in page.inner_text("#said")
        if reached[-1] == "member" and reached.count("member") == 1:
            page.keyboard.press("Space")
            wait(page)
            assert page.evaluate("document.activeElement.name") == "member"
            assert "6 of " in page.inner_text("#said")
        if reached[-1] == "DIV.scroll":
            break
    # A select that offers one thing only is left out.
    order = [key for key, _ in itertools.groupby(reached)]
    assert order[:8] == ["what", "lens", "grain", "from", "to", "bounds", "find", "usual"]
    assert order[8:11] == ["all", "past", "member"]
    assert order[-3:] == ["csv", "link", "DIV.scroll"]
    assert page.locator("#said[role=status]").count() == 1
    # There may be hundreds of names.
    page.focus("#past")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "csv"
    page.close()


def test_names_can_be_found_and_all_of_them_shown(browser: Browser, explorer: Path) -> None:
    page = open_at(browser, explorer.as_uri(), what="model", grain="weekly")
    page.get_by_label("Find").fill("GEMINI")
    shown = page.locator("#members label:visible").all_inner_texts()
    assert 3 < len(shown) < 100
    assert all("gemini" in name for name in shown)
    assert f"{len(shown)} of " in page.inner_text("#said")
    page.get_by_role("button", name="All", exact=True).click()
    wait(page)
    assert "member=*" in page.url.replace("%2A", "*")
    assert len(table(page)) == 400
    assert "The table shows the newest 400 of" in page.inner_text("#more")
    assert "The chart draws the first 12" in page.inner_text("#chart-note")
    page.get_by_role("button", name="Largest 6").click()
    wait(page)
    assert "7 of " in page.inner_text("#said")
    page.close()


def test_what_a_quoted_number_needs_is_beside_it(browser: Browser, explorer: Path) -> None:
    page = open_at(browser, explorer.as_uri(), what="origin", view="now", lens="base_lineage")
    facts = page.inner_text("#facts")
    for word in ("not the market", "All tokens of the source in the period", "base_lineage",
                 "as known now", "UTC", explorer.parent.parent.name, "CC BY 4.0"):  # fmt: skip
        assert word in facts
    for link in page.locator("main a").all():
        path = str(link.get_attribute("href")).split("#")[0]
        assert (explorer.parent / path).exists(), path
    assert page.locator("#tables a").all_text_contents() == [
        "share_by_origin_weekly", "restated_by_origin_weekly",
    ]  # fmt: skip
    page.close()


def test_without_javascript_it_leads_to_the_numbers(browser: Browser, explorer: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(explorer.as_uri())
    said = page.locator("noscript")
    assert "The choices need JavaScript" in said.inner_text()
    links = re.findall(r'href="([^"]+)"', said.inner_html())
    assert len(links) == 15
    assert all((explorer.parent / path).exists() for path in links)
    context.close()


def test_it_is_a_file_of_the_vintage_and_linked_from_the_report(shipped: Shipped) -> None:
    vintage = shipped[1]
    (entry,) = (e for e in vintage.manifest["outputs"] if e["path"] == f"report/{PAGE_NAME}")
    assert entry["sha256"] == sha256_file(vintage.path / "report" / PAGE_NAME)
    text = vintage.report.read_text(encoding="utf-8")
    assert f'<a href="{PAGE_NAME}">' in text


def made(tables: Path, folder: Path, inputs: list[dict[str, Any]] | None = None) -> Path:
    """The explorer of other tables."""
    pages = render(
        tables, "20260101T000000Z-00000000", inputs or [], ["Source: a test."],
        Settings(data_dir=folder), {"view": "then", "as_of": "9999-12-31"},
        ["A <b>source</b> is out"],
    )  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / PAGE_NAME).write_text(pages[PAGE_NAME], encoding="utf-8")
    return folder / PAGE_NAME


def test_the_same_tables_make_the_same_bytes(small_base: Settings, tmp_path: Path) -> None:
    tables = latest_tables(small_base)
    assert made(tables, tmp_path / "a").read_bytes() == made(tables, tmp_path / "b").read_bytes()


def latest_tables(settings: Settings) -> Path:
    vintage = latest_vintage(settings)
    assert vintage
    return vintage.path / "tables"


def test_names_from_outside_are_text_and_no_formula(
    browser: Browser, small_base: Settings, tmp_path: Path
) -> None:
    """Also an own source, a day without anything complete, and tokens beyond 2^53."""
    bad = "=cmd|' /C calc'!A0,</script><script>document.title='x'</script>"

    def renamed(name: str, columns: list[str]) -> str:
        changed = []
        if "lab_name" in columns:
            changed.append(f"$${bad}$$ as lab_name")
        if name == "usage_daily":
            changed.append(f"if(base_slug = 'openai/gpt-4o', $${bad}$$, base_slug) as base_slug")
        if name.startswith("share_by_") and "total_tokens" in columns:
            changed.append("9007199254740993 as total_tokens")
        if "is_complete" in columns:
            changed.append("false as is_complete")
        if "source" in columns:
            changed.append("'acme_log' as source")
        return f"select * replace ({', '.join(changed)}) from t" if changed else "from t"

    file = made(altered(latest_tables(small_base), tmp_path / "tables", renamed), tmp_path / "page")
    page = open_at(browser, file.as_uri(), what="lab", grain="weekly", member="*")
    assert page.said == []
    assert page.title().startswith("Explorer")
    assert "A <b>source</b> is out" in page.inner_text("header")
    assert bad in {r[1] for r in table(page)}
    assert page.inner_text("#facts").count("acme_log") == 1
    name, rows = saved(page)
    assert {row["name"] for row in rows} == {f"'{bad}", "Unidentified"} or {
        row["name"] for row in rows
    } == {f"'{bad}"}
    assert {row["total_tokens"] for row in rows} == {"9007199254740993"}
    assert re.fullmatch(r"[\w.-]+\.csv", name)
    page.select_option("select[name=what]", "model")
    wait(page)
    assert bad in page.inner_text("#members")
    assert page.said == []
    page.close()


def test_models_that_were_never_large_are_one_row(small_base: Settings, tmp_path: Path) -> None:
    """60 models more, 11 of them small on every day; what is the tail of it is unidentified."""

    def with_more(name: str, columns: list[str]) -> str:
        if name != "usage_daily":
            return "from t"
        return (
            "with one as (select * from t where base_slug = 'openai/gpt-4o') "
            "from t where base_slug <> 'openai/gpt-4o' union all "
            "select one.* replace ('many/m' || n as base_slug, 'many/m' || n as model_permaslug, "
            "1000 - n as tokens) from one, range(60) as numbers (n)"
        )

    tables = altered(latest_tables(small_base), tmp_path / "tables", with_more)
    with open_tables(tables) as connection:
        connection.execute(f"create temp table found as {query_text('models')}")
        rest = connection.sql(
            "select grain, count(*), min(rank) from found where member = 'other_models' group by 1"
        ).fetchall()
        assert {grain for grain, *_ in rest} == {"daily", "weekly", "monthly"}
        assert {rank for *_, rank in rest} == {None}
        names = {m for (m,) in connection.sql("select member from found").fetchall()}
        ((given, shown),) = connection.sql(
            "select (select sum(tokens) from usage_daily), "
            "(select sum(tokens) from found where grain = 'daily')"
        ).fetchall()
    assert given == shown
    assert "many/m0" in names
    assert "many/m59" not in names
    assert len(names - {"other_models", "unidentified"}) == 50


def test_a_router_may_be_any_model(small_base: Settings, tmp_path: Path) -> None:
    def routed(name: str, columns: list[str]) -> str:
        if name != "usage_daily":
            return "from t"
        return (
            "select * replace (case when base_slug = 'openai/gpt-4o' then 'router' "
            "else identification end as identification) from t"
        )

    tables = altered(latest_tables(small_base), tmp_path / "tables", routed)
    with open_tables(tables) as connection:
        connection.execute(f"create temp table found as {query_text('models')}")
        members = {m for (m,) in connection.sql("select member from found").fetchall()}
        ((low, high, loose),) = connection.sql(
            "select any_value(low_millionths), any_value(high_millionths), "
            "(select any_value(share_millionths) from found as f where f.member = 'unidentified' "
            "and f.grain = 'daily' and f.period_start = date '2026-01-05') "
            "from found where grain = 'daily' and period_start = date '2026-01-05' "
            "and member = 'deepseek/deepseek-chat-v3'"
        ).fetchall()
    assert "openai/gpt-4o" not in members
    assert abs(high - low - loose) <= 1
    assert loose > 0


def test_the_queries_run_on_the_database_as_they_are(shipped: Shipped) -> None:
    with (
        duckdb.connect(str(shipped[1].path / "tokenshare.duckdb"), read_only=True) as database,
        open_tables(shipped[1].path / "tables") as tables,
    ):
        for name in ("periods", "shares", "models"):
            rows = database.sql(query_text(name)).fetchall()
            assert rows == tables.sql(query_text(name)).fetchall()
            assert rows


def data_of(file: Path) -> dict[str, Any]:
    (text,) = re.findall(r'id="data">(.*?)</script>', file.read_text(encoding="utf-8"), re.DOTALL)
    document: dict[str, Any] = json.loads(text)
    return document


def test_a_vintage_without_restatements_has_one_reading(
    small_base: Settings, tmp_path: Path
) -> None:
    file = made(latest_tables(small_base), tmp_path / "page")
    views = {one["view"] for one in data_of(file)["sets"] if one["what"] == "origin"}
    assert views == {"both"}


def test_a_vintage_without_shares_says_so(
    browser: Browser, small_base: Settings, tmp_path: Path
) -> None:
    empty = altered(
        latest_tables(small_base), tmp_path / "tables", lambda *_: "select * from t where false"
    )
    page = open_at(browser, made(empty, tmp_path / "page").as_uri())
    assert page.inner_text("#notice") == "This vintage has no shares."
    assert page.locator("form:visible, button:visible").count() == 0
    assert page.said == []
    page.close()
