"""Every number of the report beside the published table that it comes from.

What a page should show (`report_numbers.py`) is compared with the page cell by cell: headings,
order and text. The pages are that of the shipped history, and one of a small feed to which rows
are added of which the shipped history has none. No browser is needed.
"""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.publication.vintage import Vintage, latest_vintage
from orchestration.report.build import Page, render
from orchestration.report.colors import COLORS
from orchestration.settings import Settings
from orchestration.tables import sql_text
from tests.integration.report_numbers import (
    CHARTS,
    FILLED_SENTENCES,
    ROUNDED,
    SENTENCES,
    TABLES,
    Published,
)


@dataclass
class Shown:
    """What a page says: tables by caption, charts by element id, the colors of what they draw (name
    and color), the words of its sections."""

    tables: dict[str, list[list[str]]]
    charts: dict[str, list[dict[str, Any]]]
    colors: set[tuple[str, str]]
    sections: dict[str, str]


class Reader(HTMLParser):
    """Takes a page apart. A line break is a space; a table's second part joins its first."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.words: dict[str, list[str]] = {}
        self.section = ""
        self.text: list[str] | None = None
        self.rows: list[list[str]] = []
        self.skipped: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "section":
            self.section = str(dict(attrs)["aria-labelledby"])
        if tag in ("table", "pre", "script", "style"):
            self.skipped.append(tag)
        if tag == "table":
            self.rows = []
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th", "caption"):
            self.text = []
        if tag in ("br", "p", "li", "div", "details", "h3"):
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        if self.text is not None:
            self.text.append(data)
        if not self.skipped:
            self.words.setdefault(self.section, []).append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "caption"):
            text = " ".join("".join(self.text or []).split())
            self.text = None
            if tag == "caption":
                self.caption = text
            else:
                self.rows[-1].append(text)
        if tag == "table" and self.caption.endswith(" (continued)"):
            kept = self.tables[self.caption.removesuffix(" (continued)")]
            assert kept[0] == self.rows[0]
            kept += self.rows[1:]
        elif tag == "table":
            assert self.caption not in self.tables, self.caption
            self.tables[self.caption] = self.rows
        if self.skipped and tag == self.skipped[-1]:
            self.skipped.pop()


def shown(html: str) -> Shown:
    reader = Reader()
    reader.feed(html)
    (specs,) = re.findall(r"const specs = (\{.*\}), config = \{", html)
    charts = {element: spec["data"]["values"] for element, spec in json.loads(specs).items()}
    words = {anchor: " ".join("".join(text).split()) for anchor, text in reader.words.items()}
    scales = re.findall(r'"scale":\{"domain":(\[[^]]*\]),"range":(\["#[^]]*\])', specs)
    colors = {
        pair for names, used in scales for pair in zip(*map(json.loads, (names, used)), strict=True)
    }
    return Shown(reader.tables, charts, colors, words)


@dataclass
class Report:
    """A page and the tables that it is made from."""

    page: Shown
    published: Published


def alter(tables: Path, target: Path, changes: Mapping[str, str]) -> Path:
    """A copy of the tables, those named as SQL makes them (`t` is the table)."""
    shutil.copytree(tables, target)
    for name, sql in changes.items():
        path = target / f"{name}.parquet"
        with duckdb.connect() as connection:
            connection.execute(
                f"create view t as select * from read_parquet({sql_text(tables / path.name)})"
            )
            connection.execute(f"copy ({sql}) to {sql_text(path)} (format parquet)")
    return target


def page_of(tables: Path, settings: Settings) -> Page:
    return render(tables, "20260101T000000Z-00000000", [], [], ["Source: a test."], settings,
                  {"view": "then", "as_of": "9999-12-31"})  # fmt: skip


def with_rows(*rows: str) -> str:
    return " union all by name ".join(["select * from t", *(f"select {row}" for row in rows)])


WINDOWS = [
    "date '2026-01-30' as window_start, date '2026-02-28' as window_end, 30 as window_days",
    "date '2025-12-30' as window_start, date '2026-01-28' as window_end, 30 as window_days",
]


def on_two_gateways(*keys: str, grain: str) -> list[str]:
    """Two periods of two gateways by origin or lab: the later one is not complete. `models` and
    images must not be on the page, because `labs` and text are there."""
    weekly = grain == "weekly"
    periods = [("2026-01-05", 7), ("2026-01-12", 4), ("2026-01-19", 3)] if weekly else [
        ("2026-01-01", 31), ("2026-02-01", 3)
    ]  # fmt: skip
    frames = [
        ("labs", "text", "tokens"), ("labs", "text", "requests"), ("labs", "text", "spend"),
        ("models", "text", "tokens"), ("labs", "image", "tokens"),
    ]  # fmt: skip
    return [
        "'openrouter_rankings' as source, 'vercel_leaderboard' as gateway_source, "
        f"'{dataset}' as dataset, '{modality}' as modality, '{share_of}' as share_of, "
        f"date '{start}' as period_start, {days} as days_compared, {days % 7 in (0, 3)} and "
        f"{days} > 3 as is_complete, {key}, {share} as mean_share, {share} - 0.011 as "
        f"mean_share_low, {share} + 0.2 as mean_share_high, {share} + 0.007 as "
        f"token_weighted_share, {share * scale} as gateway_share, {share * scale} - 0.013 as "
        f"gateway_share_low, {share * scale} + 0.1 as gateway_share_high, "
        f"{share * scale - share} as spread, {share * scale - share} - 0.213 as spread_low, "
        f"{share * scale - share} + 0.111 as spread_high"
        for scale, (dataset, modality, share_of) in enumerate(frames, start=1)
        for start, days in periods
        for key, share in zip(keys, (0.11, 0.2, 0.123), strict=False)
    ]


ORIGINS = [f"'{o}' as origin" for o in ("CN", "US", "unidentified")]
LABS = [f"'{lab}' as lab_id, 'Lab {lab}' as lab_name, 'US' as origin" for lab in ("b", "a", "c")]
# What the shipped history has no row of.
FILLED = {
    "gateway_comparison_by_origin_weekly": with_rows(*on_two_gateways(*ORIGINS, grain="weekly")),
    "gateway_comparison_by_origin_monthly": with_rows(*on_two_gateways(*ORIGINS, grain="monthly")),
    "gateway_comparison_by_lab_monthly": with_rows(*on_two_gateways(*LABS, grain="monthly")),
    "gateway_spend_by_lab_monthly": with_rows(*(
        f"'vercel_leaderboard' as source, '{modality}' as modality, "
        f"date '{start}' as period_start, 3 as days_compared, false as is_complete, "
        f"'{lab}' as lab_id, 'Lab {lab}' as lab_name, 2 as models_compared, "
        f"{share} as measured_share, {share} + {off} as implied_share, 0.01 as "
        f"implied_share_low, 0.9 as implied_share_high, {off} as implied_minus_measured, "
        "0.61 as compared_token_share, 0.72 as compared_spend_share"
        for modality in ("text", "image")
        for start, lab, share, off in (
            ("2026-02-01", "a", 0.3, 0.021), ("2026-02-01", "b", 0.6, -0.034),
            ("2026-02-01", "c", 0.1, 0.013), ("2026-01-01", "a", 1, 0),
        )
    )),
    "app_usage": with_rows(*(
        f"{window}, {rank} as rank, 'App {rank}' as app_name, {tokens} as tokens, "
        f"{tokens} / 4000 as tokens_per_request, {tokens} / 4e12 as share_of_listed"
        for window in WINDOWS for rank, tokens in ((1, 3_100_000_000_000), (2, 800_500_000_000))
    )),
    "task_usage": with_rows(*(
        f"{window}, '{tag}' as tag, '{tag} name' as display_name, '{tag}_use' as use, "
        f"{share} as classified_token_share, {share} / 2 as classified_usage_share, "
        f"1 - {share} as listed_token_share"
        for window in WINDOWS for tag, share in (("code", 0.61), ("poems", 0.3))
    )),
    "task_usage_by_origin": with_rows(*(
        f"{window}, '{tag}' as tag, 'agents_use' as use, 'author_hq' as lens, "
        f"'{origin}' as origin, {share} as tag_token_share, {share} as tag_token_share_low, "
        f"{share} as classified_token_share_low, {share} + 0.111 as classified_token_share_high"
        for window in WINDOWS for tag, origin, share in
        (("code", "CN", 0.2), ("code", "US", 0.4), ("poems", "US", 0.123))
    )),
    "revisions": with_rows(*(
        f"'openrouter_rankings' as source, repeat('{dump}', 64) as dump_sha256_after, "
        f"date '{day}' as usage_date, {minutes} as read_after_minutes, "
        f"{before} as tokens_before, {after} as tokens_after, "
        f"{share} as origin_share_before, 0.5 as origin_share_after"
        for day, dump, minutes, before, after, share in (
            ("2026-01-02", "a", 12_965, 5_000_000_000_000, 3_000_000_000_000, 0.4),
            ("2026-01-09", "a", 2_885, 1_000_000_000, 4_000_000_000, 0.55),
            ("2026-01-05", "b", 1_445, 7_000_000_000, 7_100_000_000, 0.47),
        )
    )),
    "usage_daily": with_rows(*(
        f"'openrouter_rankings' as source, date '2026-01-0{day}' as usage_date, true as "
        f"is_complete, '{author}/m' as model_permaslug, '{author}' as author, "
        f"'unmapped' as identification, {tokens} as tokens"
        for day, author, tokens in ((5, "nobody", 31_000_000), (6, "somebody", 99_000_000))
    )),
    # The point is the lower bound in most rows; here a page that takes one for the other differs.
    **{
        name: "select * replace (share_low - 0.011 as share_low) from t"
        for name in ("share_by_origin_weekly", "share_by_lab_weekly", "share_by_license_monthly")
    },
    "spend_by_lab_monthly": "select * replace (spend_share_low - 0.011 as spend_share_low) from t",
    "concentration_weekly": "select * replace (top_5_share_low - 0.011 as top_5_share_low, "
                            "hhi_low - 0.011 as hhi_low, effective_number - 0.2 as "
                            "effective_number_low, effective_number + 0.3 as "
                            "effective_number_high) from t",
    "use_coverage": "select * replace (if(use = 'code', 2, measured_windows) as measured_windows, "
                    "if(use = 'code', 0.61, newest_token_share) as newest_token_share) from t",
    "price_quality": with_rows(*(
        f"'openrouter_rankings' as source, date '{day}' as period_start, {complete} as "
        f"is_complete, '{origin}' as origin, '{rival}' as rival_origin, "
        "'z/best' as rival_best_model, 55.5 as rival_best_quality_index, "
        f"9 as rival_best_usd_per_million_tokens, {model} as cheapest_model, "
        f"{index} as cheapest_quality_index, {usd} as cheapest_usd_per_million_tokens, "
        f"{ratio} as price_ratio, {ratio} * 1.5 as price_ratio_all_prompt, {ratio} * 0.5 as "
        f"price_ratio_all_completion, {ratio} <= 0.2 as claim_90_80, {home} as "
        f"home_cheapest_model, {home_ratio} as home_price_ratio, 0.93 as quality_ratio, "
        f"date '{day}' + 27 as priced_on, null::date as index_read_on"
        for day, complete, origin, rival, model, index, usd, ratio, home, home_ratio in (
            ("2026-02-01", "true", "CN", "US", "'y/m-20260101'", 52, 1.08, 0.12, "'z/h'", 0.7),
            ("2026-01-01", "false", "CN", "US", "'y/m-7'", 51.2, 11.7, 1.3, "null", "null"),
            ("2026-02-01", "true", "US", "CN", "null", "null", "null", "null", "'z/h'", 1.25),
        )
    )),
    "price_quality_pairs": with_rows(*(
        f"'openrouter_rankings' as source, date '{day}' as period_start, true as is_complete, "
        f"'{rival}' as rival_origin, '{model}' as rival_model, {index} as rival_quality_index, "
        f"{usd} as rival_usd_per_million_tokens, {tokens} as rival_tokens, "
        f"date '{day}' + 27 as priced_on, date '{day}' + 20 as index_read_on, 'a list' as "
        "index_source"
        for day, rival, model, index, usd, tokens in (
            ("2026-02-01", "CN", "y/m-20260101", 52, 1.08, 7_000_000_000),
            ("2026-02-01", "US", "z/best", 55.5, 9, 2_500_000_000_000),
            ("2026-01-01", "US", "z/old", 41, 8, 1),
        )
    )),
}  # fmt: skip


@pytest.fixture(scope="module")
def shipped_report(shipped: tuple[Settings, Vintage]) -> Report:
    vintage = shipped[1]
    html = vintage.report.read_text(encoding="utf-8")
    return Report(shown(html), Published(vintage.path / "tables"))


@pytest.fixture(scope="module")
def small_tables(small_base: Settings) -> Path:
    vintage = latest_vintage(small_base)
    assert vintage
    return vintage.path / "tables"


@pytest.fixture(scope="module")
def filled_report(
    small_base: Settings, small_tables: Path, tmp_path_factory: pytest.TempPathFactory
) -> Report:
    tables = alter(small_tables, tmp_path_factory.mktemp("filled") / "tables", FILLED)
    return Report(shown(page_of(tables, small_base).html), Published(tables))


BOTH = pytest.mark.parametrize("which", ["shipped_report", "filled_report"])


def table_of(page: Shown, caption: str) -> list[list[str]]:
    """Headings and rows of the table whose caption begins so; nothing if the page has none."""
    found = [rows for said, rows in page.tables.items() if said.startswith(caption)]
    assert len(found) <= 1
    return found[0] if found else []


@BOTH
@pytest.mark.parametrize("caption", TABLES, ids=lambda c: re.sub("[^a-z]+", "_", c.lower())[:40])
def test_a_table_shows_what_is_published(
    which: str, caption: str, request: pytest.FixtureRequest
) -> None:
    report: Report = request.getfixturevalue(which)
    expected = report.published.ask(TABLES[caption])
    assert table_of(report.page, caption) == (expected if len(expected) > 1 else [])


def points(rows: list[dict[str, Any]], names: list[str], digits: int) -> list[tuple[Any, ...]]:
    """The points of a chart in an order that does not hang on their last digit."""
    tolerance = 0.51 * 10**-digits
    made = []
    for row in rows:
        values = {n: v.isoformat() if hasattr(v, "isoformat") else v for n, v in row.items()}
        texts = [n for n in names if isinstance(values.get(n), str)]
        numbers = [values.get(n) for n in names if n not in texts]
        made.append(
            (
                [values[n] for n in texts],
                [None if x is None else pytest.approx(float(x), abs=tolerance) for x in numbers],
            )
        )
    return sorted(made, key=lambda point: point[0])


@BOTH
@pytest.mark.parametrize("element", CHARTS)
def test_a_chart_draws_what_is_published(
    which: str, element: str, request: pytest.FixtureRequest
) -> None:
    report: Report = request.getfixturevalue(which)
    names, *rows = report.published.ask(CHARTS[element])
    expected = points([dict(zip(names, r, strict=True)) for r in rows], names,
                      ROUNDED.get(element, 4))  # fmt: skip
    drawn = report.page.charts.get(element, [])
    assert [
        (texts, [None if x is None else x.expected for x in numbers])
        for texts, numbers in points(drawn, names, 4)
    ] == expected


def test_every_table_and_chart_is_compared_with_rows(
    shipped_report: Report, filled_report: Report
) -> None:
    """None is without a case here, and no case is without rows on one of the pages."""
    pages = (shipped_report.page, filled_report.page)
    for page in pages:
        for caption in page.tables:
            if caption != "Every dump behind these numbers":  # the manifest's, see below
                assert [c for c in TABLES if caption.startswith(c)], caption
    assert {e for p in pages for e in p.charts} == set(CHARTS)
    assert [c for c in TABLES if not any(table_of(p, c) for p in pages)] == []


@pytest.mark.parametrize("said", SENTENCES)
def test_a_sentence_says_what_is_published(said: str, shipped_report: Report) -> None:
    expected = shipped_report.published.text(SENTENCES[said])
    assert expected in shipped_report.page.sections[said.split()[0]]


@pytest.mark.parametrize("said", FILLED_SENTENCES)
def test_a_sentence_of_a_section_that_is_seldom_filled(said: str, filled_report: Report) -> None:
    expected = filled_report.published.text(FILLED_SENTENCES[said])
    assert expected in filled_report.page.sections[said.split()[0]]


def test_without_another_gateway_its_section_says_so(shipped_report: Report) -> None:
    said = "No answer of another gateway is in this vintage, so there is nothing to compare."
    assert said in shipped_report.page.sections["gateway"]


def test_every_dump_is_named_with_its_rows(
    shipped_report: Report, shipped: tuple[Settings, Vintage]
) -> None:
    (_, *rows) = shipped_report.page.tables["Every dump behind these numbers"]
    assert rows == [
        [str(i[name]) for name in ("source", "as_of", "rows_ingested", "rows_quarantined",
                                   "fields_quarantined", "sha256")]
        for i in shipped[1].manifest["inputs"]
    ]  # fmt: skip


def weekly(us: float, cn: float, unidentified: float, **more: str) -> dict[str, str]:
    """Every week of the small feed with these shares and the bounds that follow from them."""
    shares = f"case origin when 'US' then {us} when 'CN' then {cn} else {unidentified} end"
    high = f"if(origin = 'unidentified', {unidentified}, {shares} + {unidentified})"
    return {
        "share_by_origin_weekly": f"select * replace ({shares} as share, {shares} as share_low, "
        f"{high} as share_high) from t where origin in ('US', 'CN', 'unidentified')",
        **more,
    }


def restated(us: float, cn: float, unidentified: float, now: Mapping[str, float]) -> str:
    """The latest complete week once more, as known now."""
    then = {"US": us, "CN": cn, "unidentified": unidentified}
    high = {o: (0 if o == "unidentified" else then["unidentified"]) for o in then}
    return with_rows(*(
        "'openrouter_rankings' as source, date '2026-02-02' as period_start, true as is_complete, "
        f"'author_hq' as lens, '{o}' as origin, (select max(total_tokens) from read_parquet("
        f"'@TABLES@/share_by_origin_weekly.parquet') where period_start = '2026-02-02') as "
        f"total_tokens, {then[o]} as share_then, {then[o] + high[o]} as share_high_then, "
        f"{now[o]} as share_now, {now[o] + (now['unidentified'] if o != 'unidentified' else 0)} "
        "as share_high_now, 'a/b is c/d' as because"
        for o in then
    ))  # fmt: skip


# Changes of the small feed's tables, and what the page then says, by section.
EDGES: dict[str, tuple[dict[str, str], list[tuple[str, str]]]] = {
    "the bounds overlap": (
        weekly(0.4, 0.35, 0.25, crossover="select * replace (date '2026-01-19' as leads_since, "
               "null as robust_since, date '2026-01-12' as first_lead) from t",
               price_quality=FILLED["price_quality"].replace("0.12 as", "1.12 as")
               .replace("0.12 *", "1.12 *").replace("0.7 as", "1.4 as")),
        [
            ("headline", "held 40.0 % as known when each day began and now; those of labs in China "
                         "35.0 % as known then and now. The lead is 5.0 points as known then and "
                         "now (−20.0 to +30.0). Who leads is not identified: the bounds overlap."),
            ("headline", "every complete week since 2026-01-19 has gone to the United States, "
                         "after a first lead in the week of 2026-01-12 that was lost again; in the "
                         "latest week it is not beyond doubt: the bounds overlap."),
            ("quality", "y/m-20260101 had 93.0 % of the index of z/best and was 12.0 % more "
                        "expensive at list price (68.0 % more expensive all prompt, 44.0 % all "
                        "completion). Without going to another country, z/h was 40.0 % more "
                        "expensive."),
        ],
    ),
    "the readings have different leaders": (
        weekly(0.5, 0.3, 0.2, restated_by_origin_weekly=restated(
            0.5, 0.3, 0.2, {"US": 0.3, "CN": 0.6, "unidentified": 0.1}),
            crossover="select * replace (null as leads_since, date '2026-01-26' as last_change) "
                      "from t"),
        [
            ("headline", "United States held 50.0 % as known when each day began and 30.0 % as "
                         "known now; those of labs in China 30.0 % as known then and 60.0 % as "
                         "known now. The lead is 20.0 points as known then (0.0 to +40.0) and "
                         "−30.0 points as known now (−40.0 to −20.0). As known then, who leads is "
                         "not identified: the bounds overlap. As known now, China leads even if "
                         "every unidentified token were American."),
            ("headline", "2. China 30.0 % as known then, 30.0 to 50.0 % 60.0 % as known now, 60.0 "
                         "to 70.0 %"),
            ("headline", "In this week: a/b is c/d."),
            ("headline", "As known then and now, China has led since 2026-01-26."),
        ],
    ),
    "the leader has led from the first week on": (
        weekly(0.5, 0.3, 0.2, crossover="select * replace (@FIRST@ as first_lead, "
               "@FIRST@ as leads_since, null as robust_since, date '2026-01-26' as last_change, "
               "null as trend_change) from t"),
        [
            ("headline", "As known then and now, every complete week since 2026-01-05, the first "
                         "of the data, has gone to the United States; in the latest week it is not "
                         "beyond doubt: the bounds overlap."),
            ("crossover", "As known then and now, the United States led from the first week of the "
                          "data on (2026-01-05), and the weekly lead last changed hands in the "
                          "week of 2026-01-26."),
        ],
    ),
    "the leader led in the first week and lost the lead": (
        weekly(0.5, 0.3, 0.2, crossover="select * replace (@FIRST@ as first_lead, "
               "date '2026-01-19' as leads_since, null as robust_since) from t"),
        [
            ("headline", "every complete week since 2026-01-19 has gone to the United States, "
                         "after it had led from the first week of the data on (2026-01-05) and "
                         "lost the lead; in the latest week"),
        ],
    ),
    "both have the same share": (
        weekly(0.45, 0.45, 0.1),
        [
            ("headline", "models of labs in China held 45.0 % as known when each day began and "
                         "now; those of labs in the United States 45.0 % as known then and now. "
                         "The lead is 0.0 points as known then and now (−10.0 to +10.0). Who leads "
                         "is not identified: the bounds overlap."),
            ("headline", "1. China 45.0 % as known then and now, 45.0 to 55.0 % 2. United States"),
        ],
    ),
    "no week is complete": (
        {"share_by_origin_weekly": "select * replace (false as is_complete) from t",
         "share_by_lab_weekly": "select * replace (false as is_complete) from t",
         "revisions": FILLED["revisions"]},
        [
            ("headline", "No ISO week of this source is complete, so there is no headline."),
            ("labs", "No week of this source is complete, so labs are not ranked."),
            ("revisions", "A dump restates a day if it states other tokens than the dump before"),
        ],
    ),
    "there is one origin only": (
        {"share_by_origin_weekly": "select * from t where origin in ('CN', 'unidentified')",
         "crossover": "select * from t where false",
         "price_quality": FILLED["price_quality"].replace("'y/m-20260101' as", "null as")},
        [
            ("headline", "models of labs in China held 38.5 % as known when each day began and "
                         "now. 1. China 38.5 % as known then and now, 38.5 to 43.8 % Unidentified"),
            ("crossover", "There are no two origins to compare in complete periods."),
            ("quality", "In 2026-02 no model of China reached 90 % of the index of z/best."),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("edge", EDGES)
def test_a_sentence_at_its_edge(
    edge: str, small_base: Settings, small_tables: Path, tmp_path: Path
) -> None:
    changes, expected = EDGES[edge]
    first = (
        "(select min(period_start) from read_parquet("
        f"'{small_tables}/share_by_origin_weekly.parquet') where is_complete)"
    )
    changes = {
        n: sql.replace("@TABLES@", str(small_tables)).replace("@FIRST@", first)
        for n, sql in changes.items()
    }
    page = page_of(alter(small_tables, tmp_path / "tables", changes), small_base)
    found = shown(page.html)
    for section, sentence in expected:
        assert sentence in found.sections[section]
    lines = " ".join((page.preview.title, *page.preview.lines))
    if edge == "no week is complete":
        assert lines == "Who gets used? No complete week yet"
        assert not [c for c in found.tables if c.startswith("Complete ISO weeks")]
    if edge.startswith("the leader"):
        rows = table_of(found, "First day of the period; – if it never happened")
        assert any(row[3] == "2026-01-05 led from the first period on" for row in rows)
    if edge == "there is one origin only":
        assert "chart-lead" not in found.charts
        assert "United States" not in lines
        headings, *_ = table_of(found, "Share of all tokens with bounds, latest week first.")
        assert headings == [
            "Week of", "Days", "China", "Other countries", "Unidentified", "Tokens"
        ]  # fmt: skip
    if edge == "the readings have different leaders":
        assert lines == (
            "United States 50.0 % as known then, 30.0 % as known now China 30.0 % as known then, "
            "60.0 % as known now. Share of all tokens in the week 2026-02-02 to 2026-02-08. "
            "Bounds as known then: United States 50.0 to 70.0 %, China 30.0 to 50.0 %. "
            "Bounds as known now: United States 30.0 to 40.0 %, China 60.0 to 70.0 %."
        )


def test_a_country_has_its_color_on_every_chart(
    shipped_report: Report, filled_report: Report
) -> None:
    for page in (shipped_report.page, filled_report.page):
        of = {"China": "CN", "United States": "US", "Unidentified": "unidentified"}
        used = {(name, color) for name, color in page.colors if name in of}
        assert used == {(name, COLORS[origin]) for name, origin in of.items()}
