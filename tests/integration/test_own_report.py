"""The page of a company's own request logs: two sources that the command line makes, lands, runs
and verifies, and every table beside SQL on the published tables that shares nothing with its own.

One source is simulated and has weeks that the rankings have too. The other has one day after them,
without a cost, a provider or a known name, and a row in quarantine.
"""

import itertools
import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playwright.sync_api import Browser
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.files import sha256_file
from orchestration.publication.views import views
from orchestration.publication.vintage import Vintage
from orchestration.report.build import QUERIES_DIR, query_text
from orchestration.report.colors import COLORS
from orchestration.settings import Settings
from orchestration.tables import open_tables
from tests.conftest import Once, vintage_of
from tests.integration.report_numbers import MACROS
from tests.integration.test_report import (
    CHROMIUM,
    CUT,
    altered,
    browser,  # noqa: F401  # a fixture
    open_page,
    violations,
)
from tests.integration.test_report_numbers import Shown, page_of, shown

WEEK, WEEK_BEFORE, DAY = "2026-02-02", "2026-01-26", "2026-02-20"
UNKNOWN = '<i title="x">house</i> model'


def _said(*words: str) -> str:
    result = CliRunner().invoke(app, [*words])
    assert result.exit_code == 0, result.output
    return result.output


def _observation(name: str, model: str, prompt: int, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "GENERATION", "start_time": f"{DAY} 09:01:11.250000",
            "provided_model_name": model, "usage_details": {"input": prompt, "output": 10,
            "total": prompt + 10}, **more}  # fmt: skip


def _land_and_run(folder: Path, small: Settings) -> None:
    shutil.copytree(small.data_dir, folder, dirs_exist_ok=True, symlinks=True)
    data = ["--data-dir", str(folder)]
    made = folder / "made"
    load = "--rows 400 --days 17 --until 2026-02-11 --seed 7 --as csv --bad 0 --landed"
    _said("simulate", "requests", str(made), *load.split(), str(folder))
    langfuse = made / "logs" / "2026-02-21T00-00-00Z.jsonl"
    rows = [
        _observation("a", "gpt-4o", 600),
        _observation("b", UNKNOWN, 380),
        _observation("", "gpt-4o", 7),
    ]
    langfuse.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    _said("land", *map(str, sorted((made / "logs").iterdir())), *data)
    assert "you and the market: " in _said("run", *data)
    _said("verify", str(folder / "published"))


@pytest.fixture(scope="module")
def own(once: Once, small_base: Settings) -> Vintage:
    """A vintage of the small feed and of two request logs. Read only."""
    folder = once("own_logs", lambda folder: _land_and_run(folder, small_base))
    return vintage_of(Settings(data_dir=folder))


@pytest.fixture(scope="module")
def page(own: Vintage) -> Shown:
    return shown(html_of(own))


def own_page(tables: Path, folder: Path) -> str:
    """The page of other tables."""
    html = page_of(tables, Settings(data_dir=folder / "data")).own
    assert html
    return html


def html_of(vintage: Vintage) -> str:
    return (vintage.report.parent / "own.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def ask(own: Vintage) -> Callable[[str], list[list[Any]]]:
    """Names of the columns, then the rows."""
    connection = open_tables(own.path / "tables")
    connection.execute(MACROS)
    connection.execute("""
        create macro amt(x) as case when x >= 1e9 then tok(x)
            when x >= 1e6 then num(x / 1e6, 1) || ' million' else format('{:,}', x::bigint) end;
        create macro dol(x) as case when x > 0 and x < 0.005 then 'under 0.01'
            else num(x, 2) end;
        create macro monday(d) as date_trunc('week', d)::date;
    """)

    def answer(sql: str) -> list[list[Any]]:
        relation = connection.sql(sql)
        return [relation.columns, *([*row] for row in relation.fetchall())]

    return answer


def shares(key: str, unknown: str, heading: str, name: str, more: str = "", order: str = "") -> str:
    """Shares of the simulated log beside the rankings, from the rows of `usage_daily`."""
    return f"""
        with used as (
            select source, {key} as key, {name} as name, {more or "null"} as more, tokens
            from usage_daily where monday(usage_date) = '{WEEK}'
                and source in ('usage_events', 'openrouter_rankings')
        ),
        sums as (
            select key, any_value(name) as name, any_value(more) as more,
                coalesce(sum(tokens) filter (source = 'usage_events'), 0) as mine,
                coalesce(sum(tokens) filter (source <> 'usage_events'), 0) as theirs
            from used group by key
        ),
        shares as (
            select *, mine / sum(mine) over () as a, theirs / sum(theirs) over () as b,
                coalesce(sum(mine) filter (key = '{unknown}') over (), 0) / sum(mine) over ()
                    as loose_a,
                coalesce(sum(theirs) filter (key = '{unknown}') over (), 0) / sum(theirs) over ()
                    as loose_b
            from sums
        )
        select name as "{heading}", {'more as "Origin",' if more else ""}
            if(key = '{unknown}', pct(a), share(a, a, a + loose_a)) as "Yours",
            if(key = '{unknown}', pct(b), share(b, b, b + loose_b)) as "OpenRouter",
            pts(a - b) as "Difference", amt(mine) as "Your tokens"
        from shares order by {order or f"key = '{unknown}', a desc, b desc, key"}"""


BANDS = "['free', 'under_0.5', '0.5_to_2', '2_to_10', '10_and_over', 'unpriced']"
DOLLARS = """
    dol(sum(cost_usd)) as "Paid", dol(sum(list_cost_usd)) as "At list prices",
    pct(coalesce(sum(tokens) filter (cost_usd + list_cost_usd is not null), 0) / sum(tokens))
        as "Compared",
    dol(sum(cost_usd) filter (list_cost_usd is not null)) as "Paid, of these",
    dol(sum(list_cost_usd) filter (cost_usd is not null)) as "List, of these",
    coalesce(printf('%.0f %%', 100.0 * (sum(cost_usd) filter (list_cost_usd is not null))
        / nullif(sum(list_cost_usd) filter (cost_usd is not null), 0)), '–') as "Paid / list\""""
SERVED = f"from served_daily where source = 'usage_events' and monday(usage_date) = '{WEEK}'"
# By the words that a caption begins with, and those that it has: rows and headings of the table.
TABLES = {
    ("By the country of the lab.", "usage_events"): shares(
        "origin", "unidentified", "Origin", "title(origin)"
    ),
    ("By lab.", "usage_events"): shares(
        "coalesce(lab_id, 'unidentified')", "unidentified", "Lab",
        "coalesce(lab_name, 'Unidentified')", "origin",
    ),
    ("By license class", "usage_events"): shares(
        "license", "unknown", "License", "spaced(license)"
    ),
    ("By list price", "usage_events"): shares(
        "price_band", "unpriced", "US dollars per million tokens", "spaced(price_band)",
        order=f"list_position({BANDS}, key)",
    ),
    ("Share of all tokens", "usage_events"): """
        with shares as (
            select source, period_start, is_complete, days_present, total_tokens,
                coalesce(sum(share) filter (origin = 'CN'), 0) as cn,
                coalesce(sum(share) filter (origin = 'US'), 0) as us,
                coalesce(sum(share) filter (origin = 'unidentified'), 0) as loose
            from share_by_origin_weekly where lens = 'author_hq' group by all
        )
        select star(mine.period_start::varchar, mine.is_complete) as "Week of",
            mine.days_present::varchar as "Days",
            share(mine.us, mine.us, mine.us + mine.loose) as "United States, yours",
            share(m.us, m.us, m.us + m.loose) as "United States, OpenRouter",
            share(mine.cn, mine.cn, mine.cn + mine.loose) as "China, yours",
            share(m.cn, m.cn, m.cn + m.loose) as "China, OpenRouter",
            amt(mine.total_tokens) as "Your tokens"
        from shares as mine left join shares as m
            on mine.period_start = m.period_start and m.source = 'openrouter_rankings'
        where mine.source = 'usage_events' order by mine.period_start desc""",
    ("Models of", "usage_events"): f"""
        with sums as (
            select base_slug, coalesce(lab_name, 'Unidentified') as lab, origin,
                coalesce(sum(tokens) filter (monday(usage_date) = '{WEEK_BEFORE}'), 0) as a,
                coalesce(sum(tokens) filter (monday(usage_date) = '{WEEK}'), 0) as b
            from usage_daily where source = 'usage_events'
                and monday(usage_date) in ('{WEEK_BEFORE}', '{WEEK}') group by all
        ),
        moves as (select *, a / sum(a) over () as f, b / sum(b) over () as t from sums)
        select base_slug as "Model", lab as "Lab", origin as "Origin", pct(f) as "From",
            pct(t) as "To", pts(t - f) as "Change"
        from moves order by abs(t - f) desc, base_slug""",
    ("US dollars of usage_events by month", "usage_events"): f"""
        select star(mon(usage_date), false) as "Month", amt(sum(tokens)) as "Tokens", {DOLLARS}
        from served_daily where source = 'usage_events'
        group by mon(usage_date) order by 1 desc""",
    ("US dollars of usage_events by model in 2026-02", "usage_events"): f"""
        select model_permaslug as "Model", max(origin) as "Origin", amt(sum(tokens)) as "Tokens",
            {DOLLARS}
        from served_daily where source = 'usage_events' and mon(usage_date) = '2026-02'
        group by model_permaslug order by greatest(coalesce(sum(cost_usd), 0),
            coalesce(sum(list_cost_usd), 0)) desc, sum(tokens) desc, 1""",
    ("What prompt caches and discounts saved", "usage_events"): """
        with told as (
            select *, cost_usd + own_key_cost_usd as paid,
                caching_saved_usd is not null and cost_usd is not null as k
            from served_daily where source = 'usage_events'
        )
        select star(mon(usage_date), false) as "Month",
            pct(coalesce(sum(tokens) filter (k), 0) / sum(tokens)) as "Of the tokens",
            dol(sum(list_cost_usd) filter (k)) as "At list prices",
            dol(sum(caching_saved_usd) filter (k)) as "Caches saved",
            dol(sum(list_cost_usd - caching_saved_usd - paid) filter (k)) as "Discounts",
            dol(sum(paid) filter (k)) as "Paid"
        from told group by mon(usage_date) having bool_or(k) order by 1 desc""",
    ("Tokens of usage_events at list prices", "usage_events"): """
        select star(mon(o.period_start), o.is_complete) as "Month", title(o.origin) as "Origin",
            pct(o.token_share) as "Share of tokens", pct(m.token_share) as "OpenRouter, tokens",
            share(o.spend_share, o.spend_share_low, o.spend_share_high) as "Share of list dollars",
            share(m.spend_share, m.spend_share_low, m.spend_share_high) as "OpenRouter, dollars",
            num(o.average_usd_per_million_tokens, 2) as "US dollars per million tokens",
            num(m.average_usd_per_million_tokens, 2) as "OpenRouter, per million"
        from spend_by_origin_monthly as o left join spend_by_origin_monthly as m
            on o.period_start = m.period_start and o.origin = m.origin and o.lens = m.lens
                and m.source = 'openrouter_rankings'
        where o.source = 'usage_events' and o.lens = 'author_hq' and o.origin <> 'unidentified'
        order by o.period_start desc, o.token_share desc, o.origin""",
    ("By the country of the provider", "usage_events"): f"""
        with sums as (select serving_headquarters as c, sum(tokens) as t {SERVED} group by all),
        shares as (
            select *, t / sum(t) over () as s,
                coalesce(sum(t) filter (c = 'unidentified') over (), 0) / sum(t) over () as loose
            from sums
        )
        select title(c) as "Country", if(c = 'unidentified', pct(s), share(s, s, s + loose))
            as "Yours", amt(t) as "Your tokens"
        from shares order by c = 'unidentified', s desc""",
    ("Open weights of Chinese labs", "usage_events"): f"""
        with used as (
            select *, sum(tokens) over () as total, origin = 'CN' and license = 'open_weight' as k,
                origin in ('CN', 'unidentified') and license in ('open_weight', 'unknown') as maybe
            {SERVED}
        ),
        countries as (select serving_headquarters as c from used union select 'US'),
        sums as (
            select c,
                coalesce(sum(tokens) filter (k and serving_headquarters = c), 0) / max(total) as s,
                coalesce(
                    sum(tokens) filter (maybe and serving_headquarters in (c, 'unidentified')), 0
                ) / max(total) as high,
                coalesce(sum(requests) filter (k and serving_headquarters = c), 0) as n,
                sum(cost_usd) filter (k and serving_headquarters = c) as paid
            from countries cross join used group by c
        )
        select title(c) as "Country", if(c = 'unidentified', pct(s), share(s, s, high)) as "Yours",
            format('{{:,}}', n::bigint) as "Requests", dol(paid) as "Paid, US dollars"
        from sums order by s desc, c""",
    ("By provider", "usage_events"): f"""
        select provider_name as "Provider", any_value(serving_headquarters) as "Country",
            pct(sum(tokens) / sum(sum(tokens)) over ()) as "Share",
            format('{{:,}}', sum(requests)::bigint) as "Requests", amt(sum(tokens)) as "Tokens",
            dol(sum(cost_usd)) as "Paid, US dollars",
            pct(coalesce(sum(tokens) filter (origin = 'CN' and license = 'open_weight'), 0)
                / sum(tokens)) as "Chinese open weights"
        {SERVED} group by provider_name order by sum(tokens) desc""",
    ("By origin, license and serving country", "usage_events"): f"""
        select title(origin) as "Origin", spaced(license) as "License",
            title(serving_headquarters) as "Served by",
            pct(sum(tokens) / sum(sum(tokens)) over ()) as "Share",
            format('{{:,}}', sum(requests)::bigint) as "Requests", amt(sum(tokens)) as "Tokens",
            dol(sum(cost_usd)) as "Paid, US dollars"
        {SERVED} group by origin, license, serving_headquarters order by sum(tokens) desc""",
    ("Names of models in", "langfuse_observations"): """
        select model_name as "Name", spaced(match_kind) as "Found by",
            pct(tokens / (select sum(tokens) from model_names
                where source = 'langfuse_observations')) as "Share of your tokens",
            amt(tokens) as "Tokens", requests::varchar as "Requests"
        from model_names where source = 'langfuse_observations' and identification = 'unmapped'""",
    # What the source cannot say is left out, not empty.
    ("By the country of the lab.", "langfuse_observations"): f"""
        select title(origin) as "Origin", if(origin = 'unidentified', pct(t / s),
            share(t / s, t / s, 1)) as "Yours", amt(t) as "Your tokens"
        from (select origin, sum(tokens) as t, sum(sum(tokens)) over () as s from usage_daily
            where source = 'langfuse_observations' and usage_date = '{DAY}' group by origin)
        order by origin = 'unidentified', t desc""",
}  # fmt: skip


def table_of(page: Shown, start: str, source: str) -> list[list[str]]:
    (rows,) = [
        rows for said, rows in page.tables.items() if said.startswith(start) and source in said
    ]
    return rows


@pytest.mark.parametrize(
    "which", TABLES, ids=lambda w: re.sub("[^a-z]+", "_", f"{w[1]}_{w[0]}".lower())
)
def test_a_table_shows_what_is_published(
    which: tuple[str, str], page: Shown, ask: Callable[[str], list[list[Any]]]
) -> None:
    expected = ask(TABLES[which])
    assert len(expected) > 1
    headings, *rows = table_of(page, *which)
    assert rows == expected[1:]
    # The page repeats a heading for the other side; a name of SQL cannot.
    assert [h for h in headings if h != "… OpenRouter"] == [
        h for h in expected[0] if not h.startswith("OpenRouter, ")
    ]


def test_every_table_of_the_simulated_log_is_compared(page: Shown) -> None:
    compared = [start for start, source in TABLES if source == "usage_events"]
    mine = [said for said in page.tables if "usage_events" in said]
    assert len(mine) == len(compared)
    assert all(any(said.startswith(start) for start in compared) for said in mine)


def test_the_headline_sets_yours_beside_the_market(
    page: Shown, ask: Callable[[str], list[list[Any]]]
) -> None:
    (_, *rows) = ask(
        "select source = 'usage_events' as mine, origin, pct(share), "
        "bounds(share_low, share_high), share_low, share_high, amt(total_tokens) "
        f"from share_by_origin_weekly where period_start = '{WEEK}' and lens = 'author_hq'"
    )
    found = {(mine, origin): rest for mine, origin, *rest in rows}
    said = page.sections["usage_events-headline"]
    assert "In the week 2026-02-02 to 2026-02-08, " in said
    for origin, start in (
        ("US", "{0} of your {2} tokens went to models of labs in the United States ({1})"),
        ("CN", "To labs in China went {0} of yours ({1})"),
    ):
        mine, theirs = found[True, origin], found[False, origin]
        assert start.format(mine[0], mine[1], mine[4]) in said
        verdict = (
            "Yours is higher" if mine[2] > theirs[3]
            else "Yours is lower" if mine[3] < theirs[2]
            else "Which is higher is not identified: the bounds overlap"
        )  # fmt: skip
        assert f"on OpenRouter it was {theirs[0]} ({theirs[1]}). {verdict}." in said
    ((requests,),) = ask(f"select format('{{:,}}', sum(requests)::bigint) {SERVED}")[1:]
    assert f"{requests} requests with tokens on 7 days." in said
    assert "Universe: all tokens of the source; lens: author_hq; as known then." in said
    assert "2026-02-12T00-05-00Z.simulated.csv" in said, "the name says that it is simulated"


def test_costs_and_who_serves_are_said_in_a_sentence(
    page: Shown, ask: Callable[[str], list[list[Any]]]
) -> None:
    said = page.sections["usage_events-headline"]
    ((paid, compared, listed),) = ask(
        "select dol(sum(cost_usd)), dol(sum(cost_usd) filter (list_cost_usd is not null)), "
        "dol(sum(list_cost_usd)) from served_daily where source = 'usage_events' "
        "and mon(usage_date) = '2026-02'"
    )[1:]
    assert f"In 2026-02 (11 days) the log states {paid} US dollars as paid" in said
    assert f"{compared} were paid for what costs {listed} at list prices" in said
    assert "Chinese labs that providers from the United States served: 0.0 % of your tokens" in said


def test_a_source_says_in_one_line_what_it_cannot_answer(page: Shown, own: Vintage) -> None:
    said = page.sections["langfuse_observations-headline"]
    for line in (
        "On the day 2026-02-20, 61.0 % of your 1,000 tokens went to models of labs in the United "
        "States (61.0 to 100.0 %).",
        "No ISO week has 4 days with tokens in this log, so this part shows its latest day.",
        "Rows of 1 day of it are in quarantine, so tokens may be missing (table quarantine).",
        "There is no data of OpenRouter for the day 2026-02-20; its last day here is 2026-02-11.",
        "OpenRouter has no data for the day 2026-02-20, so these are yours alone.",
        "There is only one day of tokens up to the day 2026-02-20, so there is nothing to compare",
        "The log does not say what was paid; at list prices the tokens of 2026-02 cost ",
        "The log does not say who served the day 2026-02-20, or no name in it is a known provider.",
    ):
        assert line in said
    # What comes from outside is text.
    assert UNKNOWN not in html_of(own)
    assert UNKNOWN in str(page.tables)
    assert "The registry knows every name of a model in this log." in page.sections[
        "usage_events-headline"
    ]  # fmt: skip


def test_charts_draw_both_sides_and_credit_them(own: Vintage, page: Shown) -> None:
    assert set(page.charts) == {
        "usage_events-chart-trend", "usage_events-chart-labs", "usage_events-chart-models-cn",
        "usage_events-chart-models-us",
    }  # fmt: skip
    with open_tables(own.path / "tables") as connection:
        points = connection.sql(
            "select period_start, origin, round(share, 4), round(share_high, 4) "
            "from share_by_origin_weekly where source = $s and lens = 'author_hq' "
            "and origin in ('CN', 'US') and days_present >= 4 and period_start >= '2026-01-26'",
            params={"s": "usage_events"},
        ).fetchall()
    drawn = page.charts["usage_events-chart-trend"]
    names = {"CN": "China", "US": "United States"}
    assert {(str(start), names[o], low, high) for start, o, low, high in points} == {
        (r["period_start"], r["name"], r["value"], r["high"])
        for r in drawn
        if r["measure"] == "Yours"
    }
    assert len([r for r in drawn if r["measure"] == "OpenRouter"]) == len(points) > 2
    assert {(n, c) for n, c in page.colors if n in names.values()} == {
        (names[o], COLORS[o]) for o in names
    }
    (specs,) = re.findall(r"const specs = (\{.*\}), config = \{", html_of(own))
    for element, spec in json.loads(specs).items():
        credit = " ".join(spec["title"]["text"])
        assert "Requests of usage_events, the owner's own data." in credit
        assert f"tokenshare, vintage {own.vintage_id}." in credit
        assert ("Source: OpenRouter" in credit) == ("models" not in element)


def test_the_steps_of_a_waterfall_add_up(page: Shown) -> None:
    for element, bars in page.charts.items():
        if "models" in element:
            assert bars[0]["stop"] == pytest.approx(bars[1]["start"], abs=1e-3)
            assert bars[-2]["stop"] == pytest.approx(bars[-1]["stop"], abs=1e-3)


def test_every_query_it_shows_runs_on_the_database_and_gives_the_same(own: Vintage) -> None:
    shown_here = set(re.findall(r'aria-label="SQL query ([a-z_]+)"', html_of(own)))
    assert shown_here == {p.stem for p in QUERIES_DIR.glob("own_*.sql")}
    with (
        duckdb.connect(str(own.path / "tokenshare.duckdb"), read_only=True) as database,
        open_tables(own.path / "tables") as tables,
    ):
        for name in sorted(shown_here):
            rows = database.sql(query_text(name)).fetchall()
            assert rows == tables.sql(query_text(name)).fetchall() != []


def test_the_views_for_bi_tools_have_each_source_once(own: Vintage) -> None:
    """A log has lenses, names and gaps that the rankings do not have."""
    with duckdb.connect(str(own.path / "tokenshare.duckdb"), read_only=True) as database:
        sums = "select source, cast(sum(tokens) as bigint) from {} group by source order by source"
        expected = database.sql(sums.format("usage_daily")).fetchall()
        assert len(expected) == 3
        for view in views():
            key = ", ".join(view.header.key)
            counted = f"select count(*), count(distinct ({key})) from {view.name}"
            ((rows, keys),) = database.sql(counted).fetchall()
            assert rows == keys > 0, view.name
            if view.name.startswith("bi_share_by_"):
                assert database.sql(sums.format(view.name)).fetchall() == expected
                off = f"select 1 from {view.name} group by {key.rsplit(', ', 1)[0]}"
                off += " having abs(sum(share) - 1) > 1e-9"
                assert database.sql(off).fetchall() == []


def test_the_report_leads_to_it_and_stays_about_the_rankings(
    own: Vintage, small_base: Settings
) -> None:
    html = own.report.read_text(encoding="utf-8")
    assert '<a href="own.html">You and the market</a>' in html
    assert "usage_events" not in html.split("<main>")[1].split('id="coverage"')[0]
    hashed = {o["path"]: o["sha256"] for o in own.manifest["outputs"]}
    assert hashed["report/own.html"] == sha256_file(own.report.parent / "own.html")
    without = vintage_of(small_base)
    assert "own.html" not in without.report.read_text(encoding="utf-8")
    assert not (without.report.parent / "own.html").exists()


def test_the_same_tables_give_the_same_bytes(own: Vintage, tmp_path: Path) -> None:
    made = [own_page(own.path / "tables", tmp_path) for _ in "ab"]
    assert made[0] == made[1]


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, as the tests of the report do")
def test_it_says_how_old_it_is_by_the_newest_day_of_all_logs(
    browser: Browser,  # noqa: F811  # a fixture
    own: Vintage,
) -> None:
    """The newest day is that of the second log; the first one ended nine days before."""
    for moment, said in (
        (datetime(2026, 2, 23, 12, tzinfo=UTC), ""),
        (datetime(2026, 2, 24, 12, tzinfo=UTC), "Data to 20 February, read on 24 February: 4 days"),
    ):
        with browser.new_context() as context:
            page = context.new_page()
            page.clock.set_fixed_time(moment)
            page.goto((own.report.parent / "own.html").as_uri())
            notice = page.locator("#stale")
            assert notice.is_visible() == bool(said)
            assert (notice.text_content() or "").startswith(said)


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, as the tests of the report do")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_renders_offline_accessible_and_is_not_cut(
    browser: Browser,  # noqa: F811  # a fixture
    own: Vintage,
    width: int,
    scheme: str,
) -> None:
    path = own.report.parent / "own.html"
    opened = open_page(browser, path, width, scheme)
    assert not opened.said
    assert [u for u in opened.asked if not u.startswith(("data:", "blob:"))] == [path.as_uri()]
    for chart in opened.evaluate("Object.keys(specs)"):
        box = opened.locator(f"#{chart} svg.marks").first.bounding_box()
        assert box
        assert 0 <= box["x"] < box["x"] + box["width"] <= width
        assert opened.locator(f"#{chart} svg path").count() > 3
    root = "document.documentElement"
    assert opened.evaluate(f"{root}.scrollWidth - {root}.clientWidth") <= 0
    assert violations(opened) == []
    assert opened.evaluate(CUT) == []
    levels = opened.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    for href in opened.evaluate("[...document.links].map(a => a.href)"):
        target, _, anchor = href.removeprefix("file://").partition("#")
        assert Path(target).exists(), href
        if target == str(path) and anchor:
            assert opened.evaluate("a => !!document.getElementById(a)", anchor), href
        elif anchor:
            assert f'id="{anchor}"' in Path(target).read_text(encoding="utf-8"), href
    opened.close()


@pytest.mark.parametrize("case", ["no_rankings", "no_prices", "no_cost", "incomplete", "nobody"])
def test_it_is_made_whatever_is_missing(own: Vintage, tmp_path: Path, case: str) -> None:
    """The rankings, prices or costs are not there; nothing is complete, or is identified."""

    def sql(name: str, columns: list[str]) -> str:
        if case == "no_rankings" and "source" in columns and name != "use_coverage":
            return "select * from t where source <> 'openrouter_rankings'"
        if case == "nobody" and re.match("share_by_(origin|lab)_(daily|weekly)", name):
            return (
                "select * replace ('unidentified' as origin) from t where source = 'usage_events' "
                "qualify row_number() over (partition by period_start, lens order by tokens) = 1"
            )
        gone = {"no_prices": "list_cost_usd", "no_cost": "cost_usd"}.get(case)
        if name == "served_daily" and gone:
            return f"select * replace (null::decimal(18, 9) as {gone}) from t"
        if case == "incomplete" and "is_complete" in columns:
            return "select * replace (false as is_complete) from t"
        return "select * from t"

    tables = altered(own.path / "tables", tmp_path / "tables", sql)
    found = shown(own_page(tables, tmp_path))
    said = found.sections["usage_events-headline"]
    expected = {
        "no_rankings": "There is no data of OpenRouter in this vintage.",
        "no_prices": "No model of this log has a list price, so what was paid cannot be compared.",
        "no_cost": "The log does not say what was paid; at list prices the tokens of 2026-02 cost ",
        "incomplete": "Rows of 7 days of it are in quarantine, so tokens may be missing",
        "nobody": "no model of your 4.3 million tokens is identified.",
    }[case]
    assert expected in said
    for wrong in ("None", "nan", "NaN", "Infinity", "undefined"):
        assert not re.search(rf"\b{wrong}\b", said + str(found.tables)), wrong
    assert ("OpenRouter" in str(found.charts)) == (case not in ("no_rankings", "nobody"))


def test_the_explorer_of_own_logs_is_a_page_of_its_own(browser: Browser, own: Vintage) -> None:  # noqa: F811  # a fixture
    """The one beside the report can be passed on with it: it has no name that only logs have."""
    public = own.path / "report" / "explorer.html"
    logs = {i["source"] for i in own.manifest["inputs"] if i["source"] != "openrouter_rankings"}
    assert len(logs) == 2
    text = public.read_text(encoding="utf-8")
    (data,) = re.findall(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert {one["source"] for one in json.loads(data)["sets"]} == {"openrouter_rankings"}
    for word in (*logs, "house"):
        assert word not in data
    assert '<a href="own-explorer.html">' in (own.path / "report/own.html").read_text(
        encoding="utf-8"
    )
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    said: list[str] = []
    page.on("pageerror", lambda e: said.append(str(e)))
    page.goto((own.path / "report" / "own-explorer.html").as_uri())
    page.wait_for_selector("body[data-ready=yes]", timeout=20_000)
    assert "so it is not for others" in page.inner_text("header")
    with open_tables(own.path / "tables") as connection:
        for source in sorted(logs):
            page.select_option("select[name=source]", source)
            page.select_option("select[name=what]", "model")
            page.wait_for_selector("body[data-ready=yes]", timeout=20_000)
            page.get_by_role("button", name="All", exact=True).click()
            page.wait_for_selector("body[data-ready=yes]", timeout=20_000)
            wanted = {
                (str(start), f"{tokens:,}")
                for start, tokens in connection.execute(
                    "select cast(date_trunc('week', usage_date) as date), cast(sum(tokens) as "
                    "bigint) from usage_daily where source = $1 and identification <> 'tail' "
                    "group by 1, base_slug",
                    [source],
                ).fetchall()
            }
            shown_rows = page.evaluate(
                "[...document.querySelectorAll('#rows tr')].map(r => [...r.cells].map("
                "c => c.textContent))"
            )
            found = {
                (cells[0].removesuffix(" *"), cells[5])
                for cells in shown_rows
                if cells[1] != "Unidentified"
            }
            assert found == wanted
            assert source in page.inner_text("#facts")
    assert said == []
    page.close()
